"""examples/fastapi_jwt, started as its docstring says: login, refusal, routes that emit, expiry."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
import socketio
from tests.support.programs import ROOT, Program, flocket, free_port, running

FOLDER = ROOT / "examples" / "fastapi_jwt"
SECRET = "a secret that is long enough for HS256"


def start(**environment: str) -> Iterator[Program]:
    port = free_port()
    command = flocket("run", "app:app", "--port", str(port))
    with running(command, port, FOLDER, JWT_SECRET=SECRET, **environment) as program:
        yield program
        assert program.end()[0] == 0
        assert "Traceback" not in program.printed()


@pytest.fixture
def program() -> Iterator[Program]:
    yield from start()


@pytest.fixture
def forgetful() -> Iterator[Program]:
    """One whose tokens hold for a second and a half."""
    yield from start(JWT_SECONDS="1.5")


def token(program: Program, name: str, password: str) -> str:
    answer = httpx.post(f"{program.url}/login", json={"name": name, "password": password}, timeout=10)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["token"])


def connect(program: Program, token: str | None) -> socketio.SimpleClient:
    client = socketio.SimpleClient()
    client.connect(program.url, auth={"token": token}, wait_timeout=10)
    return client


def test_a_route_reaches_the_browsers_of_one_person(program: Program) -> None:
    ada_token, grace_token = token(program, "ada", "lovelace"), token(program, "grace", "hopper")
    ada, grace = connect(program, ada_token), connect(program, grace_token)
    assert ada.call("whoami", timeout=10) == {"name": "ada"}
    with httpx.Client(headers={"Authorization": f"Bearer {grace_token}"}, timeout=10) as http:
        sent = http.post(f"{program.url}/notices", json={"to": "ada", "text": "hello"})
        assert (sent.status_code, sent.json()) == (202, {"sent by this worker": 1})
        assert ada.receive(timeout=10) == ["notice", {"from": "grace", "text": "hello"}]
        assert http.get(f"{program.url}/online/ada").json() == {"clients": 1}
        assert http.get(f"{program.url}/online/nobody").json() == {"clients": 0}
    with pytest.raises(socketio.exceptions.TimeoutError):
        grace.receive(timeout=0.2)  # the notice was not for her
    ada.disconnect()
    grace.disconnect()


@pytest.mark.parametrize("wrong", [None, "", "rubbish", "a.b.c"])
def test_without_a_token_of_ours_nobody_connects(program: Program, wrong: str | None) -> None:
    client = socketio.Client(reconnection=False)
    refusals: list[object] = []
    client.on("connect_error", refusals.append)
    with pytest.raises(socketio.exceptions.ConnectionError):
        client.connect(program.url, auth={"token": wrong}, wait_timeout=10)
    assert refusals == [{"message": "log in first", "data": {"retry": False}}]
    client.disconnect()
    with httpx.Client(headers={"Authorization": f"Bearer {wrong or 'x'}"}, timeout=10) as http:
        assert http.post(f"{program.url}/notices", json={"to": "ada", "text": "x"}).status_code == 401
        assert http.post(f"{program.url}/login", json={"name": "ada", "password": "guess"}).status_code == 401


def test_a_connection_ends_with_its_token(forgetful: Program) -> None:
    client = connect(forgetful, token(forgetful, "ada", "lovelace"))
    assert client.receive(timeout=10) == ["log in again"]
    client.disconnect()
