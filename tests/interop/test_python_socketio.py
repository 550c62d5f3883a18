"""python-socketio's two clients, which are not JavaScript and not ours, over each transport."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import socketio
from tests.support.servers import Pool, until

TRANSPORTS = [["polling"], ["websocket"], ["polling", "websocket"]]
FEW = 4  # python-engineio refuses a polling body of more than 16 packets
VALUES = [1, "two", None, {"three": [3.5, b"bytes"]}, b"\x00\xff", "☃"]


@pytest.fixture(scope="module", params=TRANSPORTS, ids="-".join)
def client(pool: Pool, request: pytest.FixtureRequest) -> Iterator[socketio.Client]:
    """One client in three namespaces: opening and closing it costs this library a second."""
    client = socketio.Client(reconnection=False)
    client.connect(
        pool.start().url,
        transports=request.param,
        namespaces=["/", "/plain", "/admin"],
        auth={"token": "secret"},
        wait_timeout=5,
    )
    yield client
    client.disconnect()
    client.wait()
    pool.examine()


def test_events_come_back(client: socketio.Client) -> None:
    heard: list[tuple[Any, ...]] = []
    client.on("echo", lambda *args: heard.append(args))
    for number in range(FEW):
        client.emit("echo", (number, *VALUES))
    until("the echoes", lambda: len(heard) == FEW)
    assert heard == [(number, *VALUES) for number in range(FEW)]


def test_acknowledgements_go_both_ways(client: socketio.Client) -> None:
    assert client.call("ack", {"a": b"1"}, timeout=5) == {"a": b"1"}
    assert client.call("two answers", timeout=5) == ("one", {"two": b"\x02"})
    client.on("question", lambda value: {"heard": value})
    assert client.call("ask me", ("question", 42), timeout=5) == {"heard": 42}


def test_rooms(client: socketio.Client) -> None:
    heard = threading.Event()
    client.on("news", lambda *args: heard.set())
    assert client.call("join", ("red", "blue"), timeout=5) == ["blue", "red"]
    client.emit("say", ({"to": ["red"]}, "news", 1))
    assert heard.wait(5)


def test_namespaces(client: socketio.Client) -> None:
    assert client.call("who am i", namespace="/admin", timeout=5)["nsp"] == "/admin"
    assert client.call("ack", 1, namespace="/plain", timeout=5) == 1


def test_a_refusal_is_told(servers: Pool) -> None:
    client = socketio.Client(reconnection=False)
    told: list[Any] = []
    client.on("connect_error", told.append, namespace="/admin")
    with pytest.raises(socketio.exceptions.ConnectionError):
        client.connect(servers.start().url, namespaces=["/admin"], auth={"token": "x"}, wait_timeout=5)
    client.disconnect()
    client.wait()
    assert told == [{"message": "not authorized", "data": {"retry": False}}]


def test_the_server_disconnects(servers: Pool) -> None:
    client = socketio.Client(reconnection=False)
    gone = threading.Event()
    client.on("disconnect", lambda *reason: gone.set())
    client.connect(servers.start().url, transports=["websocket"], wait_timeout=5)
    client.emit("disconnect me", True)
    assert gone.wait(5)  # this client's own threads end half a minute later, and are not waited for


@pytest.mark.parametrize("transports", TRANSPORTS, ids="-".join)
def test_the_asynchronous_client(servers: Pool, transports: list[str]) -> None:
    url = servers.start().url

    async def use() -> None:
        client = socketio.AsyncClient(reconnection=False)
        heard: asyncio.Queue[tuple[Any, ...]] = asyncio.Queue()
        client.on("echo", lambda *args: heard.put_nowait(args))
        await client.connect(url, transports=transports, namespaces=["/", "/plain"], wait_timeout=5)
        try:
            assert await client.call("ack", {"a": b"1"}, timeout=5) == {"a": b"1"}
            assert await client.call("ack", 2, namespace="/plain", timeout=5) == 2
            for number in range(FEW):
                await client.emit("echo", (number, *VALUES))
            async with asyncio.timeout(5):
                assert [await heard.get() for _ in range(FEW)] == [(number, *VALUES) for number in range(FEW)]
        finally:
            await client.disconnect()
            await client.wait()

    asyncio.run(use())
