"""EngineServer as its users see it: sessions and messages, nothing above."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from tests.support.fakes import FakeExchange, FakeUpgrade, request
from tests.support.polling import until
from tests.support.typed import settle

from flocket import ConfigError, EngineServer, Server, Session


def opened(server: EngineServer, query: str = "EIO=4") -> Any:
    upgrade = FakeUpgrade(request(f"{query}&transport=websocket"))
    server._engine.upgrade(upgrade)
    return upgrade.accepted


def test_messages_go_both_ways_and_the_end_is_told() -> None:
    server = EngineServer()
    told: list[Any] = []

    @server.on("connection")
    def connection(session: Session) -> None:
        session.data = []
        told.append(("connection", session.transport, session.request.path))

    @server.on("message")
    def message(session: Session, data: str | bytes) -> None:
        session.data.append(data)
        session.send(data)

    @server.on("close")
    async def close(session: Session, reason: str) -> None:
        await asyncio.sleep(0)
        told.append(("close", reason, session.data))

    async def scene() -> None:
        await server._begin()
        transport = opened(server)
        transport.receive("4text")
        transport.receive(b"\x01")
        await settle()
        assert transport.sent[1:] == [b"4text", b"\x01"]
        assert server.clients_count == 1
        transport.lose()
        await settle()
        assert told == [("connection", "websocket", "/engine.io/"), ("close", "transport close", ["text", b"\x01"])]
        assert server.clients_count == 0
        await server.close()

    asyncio.run(scene())


def test_it_lives_as_long_as_its_block() -> None:
    reasons: list[str] = []

    async def scene() -> None:
        async with EngineServer() as server:
            server.on("close", lambda session, reason: reasons.append(reason))
            transport = opened(server)
            assert server.health() == {"status": "ok", "clients": 1}
        assert server.health()["status"] == "closed"
        assert transport.closed is not None

    asyncio.run(scene())
    assert reasons == ["server shutting down"]


def test_the_engine_below_a_server_names_the_events_that_it_has() -> None:
    for event in ("connection", "close", "message"):
        with pytest.raises(ConfigError, match="connection_error, initial_headers, headers; of clients"):
            Server().engine.on(event, print)


def test_a_session_may_be_closed_by_whoever_hears_of_it_first() -> None:
    server = EngineServer()
    reasons: list[str] = []
    server.on("connection", lambda session: session.close())
    server.on("close", lambda session, reason: reasons.append(reason))

    async def scene() -> None:
        await server._begin()
        transport = opened(server)
        assert transport.closed is not None
        assert reasons == ["forced close"]
        poll = FakeExchange(request("EIO=4&transport=polling"))
        server._engine.handle(poll)
        assert poll.result.status == 200
        await server.close()
        assert reasons == ["forced close", "server shutting down"]

    asyncio.run(scene())


def test_a_listener_that_fails_is_logged_and_the_session_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    server = EngineServer()
    heard: list[Any] = []

    @server.on("message")
    async def slow(session: Session, data: str) -> None:
        raise KeyError("slow")

    @server.on("message")
    def quick(session: Session, data: str) -> None:
        raise KeyError("quick")

    server.on("message", lambda session, data: heard.append(data))

    async def scene() -> None:
        await server._begin()
        transport = opened(server)
        transport.receive("4x")
        await until(lambda: "slow" in caplog.text)
        assert heard == ["x"]
        assert transport.closed is None
        await server.close()

    with caplog.at_level(logging.ERROR, "flocket"):
        asyncio.run(scene())
    assert "quick" in caplog.text


def test_the_engines_own_events_are_heard_too() -> None:
    server = EngineServer()
    codes: list[int] = []

    @server.on("connection_error")
    def connection_error(request: Any, code: int, message: str, context: dict[str, Any]) -> None:
        codes.append(code)

    server.on("headers", lambda headers, request: headers.append(("X-Mine", "1")))

    async def scene() -> None:
        await server._begin()
        exchange = FakeExchange(request("EIO=4&transport=polling&sid=unknown"))
        server._engine.handle(exchange)
        assert exchange.result.headers["x-mine"] == "1"
        assert codes == [1]
        await server.close()

    asyncio.run(scene())
    with pytest.raises(ConfigError, match="one of connection, message, close"):
        server.on("packet", print)
