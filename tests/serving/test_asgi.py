"""The portable face by itself, with an engine that does what the test says and a server made of two queues."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from flocket.engine.contracts import Exchange, Upgrade
from flocket.observe import Counters
from flocket.options import EngineOptions, Limits
from flocket.serving.asgi import AsgiFace


class Engine:
    """Remembers what it is given."""

    options = EngineOptions(max_payload=100, limits=Limits(body_idle=0.2))
    counters = Counters()
    draining = False

    def __init__(self) -> None:
        self.exchanges: list[Exchange] = []
        self.upgrades: list[Upgrade] = []
        self.gone = 0

    def handle(self, exchange: Exchange) -> None:
        self.exchanges.append(exchange)
        exchange.on_gone = self._on_gone

    def upgrade(self, upgrade: Upgrade) -> None:
        self.upgrades.append(upgrade)

    def _on_gone(self) -> None:
        self.gone += 1


class Ears:
    """Hears of one WebSocket."""

    def __init__(self) -> None:
        self.lost: list[str] = []

    def receive(self, frame: str | bytes) -> None:
        pass

    def on_writable(self) -> None:
        pass

    def on_lost(self, reason: str) -> None:
        self.lost.append(reason)


class Host:
    """An ASGI server with one request."""

    def __init__(self, method: str = "GET") -> None:
        self.engine = Engine()
        self.inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.sent: list[Any] = []
        scope = {"type": "http", "method": method, "path": "/socket.io/", "query_string": b"", "headers": []}
        self.task = asyncio.ensure_future(AsgiFace(self.engine).http(scope, self.receive, self.send))

    async def receive(self) -> dict[str, Any]:
        return await self.inbox.get()

    async def send(self, message: Any) -> None:
        self.sent.append(message)

    def say(self, kind: str, **more: Any) -> None:
        self.inbox.put_nowait({"type": kind, **more})

    def body(self, data: bytes, more: bool = False) -> None:
        self.say("http.request", body=data, more_body=more)

    @property
    def answer(self) -> tuple[int, bytes]:
        start, body = self.sent
        return start["status"], body["body"]


def run(scene: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(scene(), 10))


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_a_waiting_request_is_answered_later() -> None:
    async def scene() -> None:
        host = Host()
        host.body(b"")
        await turns()
        host.engine.exchanges[0].respond(200, [("X-A", "b")], b"hello")
        await host.task
        assert host.answer == (200, b"hello")
        assert host.sent[0]["headers"] == [(b"x-a", b"b"), (b"content-length", b"5")]

    run(scene)


@pytest.mark.parametrize("how", ["disconnect", "cancel"])
def test_a_waiting_request_hears_that_its_client_left(how: str) -> None:
    async def scene() -> None:
        host = Host()
        host.body(b"")
        await turns()
        if how == "disconnect":
            host.say("http.disconnect")
        else:
            host.task.cancel()
        await asyncio.gather(host.task, return_exceptions=True)
        assert (host.engine.gone, host.sent) == (1, [])

    run(scene)


def test_a_body_may_be_asked_for_long_after_it_came() -> None:
    async def scene() -> None:
        host = Host("POST")
        host.body(b"ab", more=True)
        host.body(b"cd")
        await turns()
        bodies: list[bytes | None] = []
        host.engine.exchanges[0].read(100, bodies.append)
        await turns()
        assert bodies == [b"abcd"]
        host.engine.exchanges[0].respond(200, [], b"ok")
        await host.task

    run(scene)


def test_a_body_is_read_no_further_than_its_limit() -> None:
    async def scene() -> None:
        host = Host("POST")
        bodies: list[bytes | None] = []
        await turns()
        exchange = host.engine.exchanges[0]

        def done(body: bytes | None) -> None:
            bodies.append(body)
            exchange.respond(413, [], b"", close=True)

        exchange.read(10, done)
        for _ in range(5):
            host.body(b"x" * 6, more=True)
        await host.task
        assert (bodies, host.answer, host.inbox.qsize()) == ([None], (413, b""), 3)
        assert (b"connection", b"close") in host.sent[0]["headers"]

    run(scene)


def test_a_body_that_stops_is_a_408_and_the_engine_hears() -> None:
    async def scene() -> None:
        host = Host("POST")
        await turns()
        host.engine.exchanges[0].read(100, lambda body: None)
        host.body(b"ab", more=True)
        before = host.engine.counters.http_errors
        await host.task
        assert (host.answer[0], host.engine.gone, host.engine.counters.http_errors - before) == (408, 1, 1)

    run(scene)


@pytest.mark.parametrize("extensions", [None, {"websocket.http.response": {}}])
def test_an_upgrade_is_refused_in_the_servers_way(extensions: Any) -> None:
    async def scene() -> None:
        engine = Engine()
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        async def receive() -> dict[str, str]:
            return {"type": "websocket.connect"}

        scope = {"type": "websocket", "path": "/", "query_string": b"", "headers": [], "extensions": extensions}
        task = asyncio.ensure_future(AsgiFace(engine).websocket(scope, receive, send))
        await turns()
        engine.upgrades[0].refuse(400, [], b"no")
        await task
        if extensions is None:
            assert [message["type"] for message in sent] == ["websocket.close"]
        else:
            assert (sent[0]["status"], sent[1]["body"]) == (400, b"no")

    run(scene)


def test_a_request_that_is_answered_while_its_body_is_read_ends_at_once() -> None:
    async def scene() -> None:
        host = Host("POST")
        await turns()
        exchange = host.engine.exchanges[0]
        bodies: list[bytes | None] = []
        exchange.read(100, bodies.append)
        host.body(b"ab", more=True)
        await turns()
        exchange.respond(400, [], b"", close=True)
        await asyncio.wait_for(host.task, Engine.options.limits.body_idle / 2)
        assert (bodies, host.answer, host.engine.gone) == ([], (400, b""), 0)

    run(scene)


def test_a_mistake_of_ours_with_a_websocket_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    class Faulty(Ears):
        def receive(self, frame: str | bytes) -> None:
            raise ZeroDivisionError("ours")

    async def scene() -> None:
        engine, ears = Engine(), Faulty()
        inbox: asyncio.Queue[dict[str, str]] = asyncio.Queue()
        inbox.put_nowait({"type": "websocket.connect"})
        inbox.put_nowait({"type": "websocket.receive", "text": "2"})

        async def send(message: Any) -> None: ...

        scope = {"type": "websocket", "path": "/", "query_string": b"", "headers": []}
        task = asyncio.ensure_future(AsgiFace(engine).websocket(scope, inbox.get, send))
        await turns()
        engine.upgrades[0].accept(ears, [])
        await task
        assert ears.lost == ["transport close"]

    run(scene)
    (record,) = caplog.records
    assert record.name == "flocket"
    assert "ZeroDivisionError: ours" in caplog.text


@pytest.mark.parametrize("how", ["accept", "cancel"])
def test_an_upgrade_hears_that_its_client_left(how: str) -> None:
    async def scene() -> None:
        engine, ears = Engine(), Ears()

        async def send(message: Any) -> None:
            raise OSError  # as ASGI's servers say that the client has gone

        async def receive() -> dict[str, str]:
            return {"type": "websocket.connect"}

        scope = {"type": "websocket", "path": "/", "query_string": b"", "headers": []}
        task = asyncio.ensure_future(AsgiFace(engine).websocket(scope, receive, send))
        await turns()
        upgrade = engine.upgrades[0]
        upgrade.on_gone = lambda: ears.lost.append("undecided")
        if how == "accept":
            upgrade.accept(ears, [])
        else:
            task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert ears.lost == ["transport close" if how == "accept" else "undecided"]

    run(scene)
