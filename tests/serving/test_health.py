"""`/healthz` and `/readyz`: of a server in each state of its life, and never in the way of the application's own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from flocket import Adapter, Server
from flocket.demo.page import page
from flocket.serving.asgi_types import ASGIApp
from flocket.serving.health import Health
from flocket.serving.routes import routes_of


def get(app: ASGIApp, path: str) -> Callable[[], Any]:
    async def ask() -> tuple[int, Any]:
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        async def receive() -> Any:
            return {"type": "http.request", "body": b"", "more_body": False}

        scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": []}
        await app(scope, receive, send)
        body = b"".join(message.get("body", b"") for message in sent)
        kinds = [message["type"].rpartition(".")[2] for message in sent]
        assert kinds == ["start", "body"]
        return sent[0]["status"], json.loads(body) if body.startswith(b"{") else body

    return ask


def test_a_server_is_ready_from_its_start_to_its_draining_and_alive_all_the_time() -> None:
    async def scenario() -> None:
        io = Server()
        app = io.asgi(page)
        health = Health(app, [io])
        ready, alive = get(health, "/readyz"), get(health, "/healthz")
        states = []

        async def look() -> None:
            status, told = await ready()
            assert told["ready"] is (status == 200)
            states.append((status, told["servers"][0]["status"]))
            assert await alive() == (200, {"alive": True})

        await look()
        async with io:
            await look()
            io._engine.draining = True
            await look()
        await look()
        assert states == [(503, "starting"), (200, "ok"), (503, "draining"), (503, "closed")]

    asyncio.run(scenario())


class Told(Adapter):
    """An adapter that says of its broker what the test says."""

    told: dict[str, Any] = {"ok": True}

    def health(self) -> dict[str, Any]:
        return self.told


def test_who_does_not_hear_the_others_for_ten_seconds_gets_no_clients_and_is_alive(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scenario() -> None:
        io = Server()
        io.adapter(Told)
        health = Health(io.asgi(page), [io])
        async with io:
            for told, status in (
                ({"ok": True, "away_for": 0.0}, 200),
                ({"ok": False, "away_for": 9.9}, 200),  # a broker that is restarted
                ({"ok": False, "away_for": 10.1}, 503),
                ({"ok": True, "away_for": 0.0}, 200),
                ({"ok": True}, 200),
            ):
                monkeypatch.setattr(Told, "told", told)
                answer, said = await get(health, "/readyz")()
                assert (answer, said["ready"], said["servers"][0]["adapter"]) == (status, status == 200, told)
                assert await get(health, "/healthz")() == (200, {"alive": True})

    asyncio.run(scenario())


def test_an_application_that_has_these_paths_answers_them_itself() -> None:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 500, "headers": []})
        await send({"type": "http.response.body", "body": b"my own"})

    io = Server()
    health = Health(io.asgi(application), [io])
    for path in ("/readyz", "/healthz", "/other"):
        assert asyncio.run(get(health, path)()) == (500, b"my own")


def test_other_paths_are_the_application_s() -> None:
    io = Server()
    health = Health(io.asgi(page), [io])
    assert asyncio.run(get(health, "/readyz/")()) == (404, b"Not found")
    assert asyncio.run(get(health, "/nothing")()) == (404, b"Not found")


def test_a_server_with_an_application_beside_it_is_found_as_itself() -> None:
    io, admin = Server(), Server(path="/admin")
    assert routes_of(io.asgi(page)).servers() == [io]
    assert routes_of(io.asgi(admin.asgi(page))).servers() == [io, admin]
