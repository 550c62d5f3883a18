"""The test client as its users see it: a program's handlers, without a port."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from flocket import AckTimeout, ConnectError, Disconnected, EncodeError, NotRunning, Request, Server, Socket
from flocket.testing import connect


@dataclass
class User:
    name: str = ""


def chat() -> Server[User]:
    io = Server(data=User)

    @io.use
    async def authenticate(socket: Socket[User]) -> None:
        token = socket.handshake.auth.get("token")
        if token is None:
            raise ConnectError("not authorized", data={"retry": False})
        socket.data.name = token.removesuffix("'s")

    @io.on("connection")
    async def connection(socket: Socket[User]) -> None:
        await socket.join("lobby")

    @io.on("chat message")
    async def chat_message(socket: Socket[User], text: str) -> str:
        io.to("lobby").emit("chat message", socket.data.name, text)
        return "ok"

    return io


def test_the_program_of_the_documentation() -> None:
    async def scene() -> None:
        async with connect(chat(), auth={"token": "ada's"}) as client:
            assert await client.emit_with_ack("chat message", "hi") == "ok"
            assert await client.receive("chat message", timeout=1) == ("ada", "hi")

    asyncio.run(scene())


def test_two_clients_talk_and_the_server_ends_with_the_first() -> None:
    async def scene() -> None:
        io = chat()
        async with connect(io, auth={"token": "ada"}) as ada:
            async with connect(io, auth={"token": "bob"}) as bob:
                assert ada.id != bob.id
                await bob.emit("chat message", "hello")
                assert await ada.receive("chat message") == ("bob", "hello")
            assert not bob.connected
            assert bob.reason == "io client disconnect"
            assert ada.connected
            assert io.health()["status"] == "ok"
        assert io.health()["status"] == "closed"

    asyncio.run(scene())


def test_a_refusal_is_the_servers_own_error() -> None:
    async def scene() -> None:
        io = chat()
        with pytest.raises(ConnectError, match="not authorized") as refused:
            async with connect(io):
                pass
        assert refused.value.data == {"retry": False}
        with pytest.raises(ConnectError, match="Invalid namespace"):
            async with connect(io, namespace="/nowhere"):
                pass
        assert io.stats()["bad_packets"] == 0

    asyncio.run(scene())


def test_allow_request_and_origin_refuse_as_on_a_port() -> None:
    async def allow(request: Request) -> None:
        if request.query.get("key") != "1":
            raise ConnectError("no key")

    async def scene() -> None:
        io = Server(allow_request=allow)
        with pytest.raises(ConnectError, match="no key"):
            async with connect(io):
                pass
        with pytest.raises(ConnectError, match="Forbidden"):
            async with connect(io, query={"key": "1"}, headers={"Origin": "https://evil.example"}):
                pass
        async with connect(io, query={"key": "1"}, headers={"Origin": "http://testserver:8000"}):
            pass

    asyncio.run(scene())


def test_the_handshake_shows_headers_and_query() -> None:
    io = Server()
    seen: dict[str, Any] = {}

    @io.on("connection")
    def connection(socket: Socket) -> None:
        handshake = socket.handshake
        seen.update(
            agent=handshake.headers["user-agent"], cookie=handshake.cookies["a"], room=handshake.query["room"],
            address=handshake.address, auth=handshake.auth, transport=socket.conn.transport.name,
        )  # fmt: skip

    async def scene() -> None:
        headers = {"User-Agent": "test", "Cookie": "a=b", "X-Forwarded-For": "203.0.113.9"}
        async with connect(io, headers=headers, query={"room": "é&"}, auth={"x": [1]}):
            pass

    asyncio.run(scene())
    assert seen == {
        "agent": "test", "cookie": "b", "room": "é&", "address": "203.0.113.9", "auth": {"x": [1]},
        "transport": "websocket",
    }  # fmt: skip


def test_one_server_serves_test_after_test_each_in_a_loop_of_its_own() -> None:
    io = chat()
    lives: list[str] = []

    @asynccontextmanager
    async def lifespan(io: Server[Any]) -> AsyncIterator[None]:
        lives.append("begin")
        yield
        lives.append("end")

    io = Server(lifespan=lifespan)

    @io.on("echo")
    def echo(socket: Socket, value: Any) -> Any:
        return value

    @io.of(lambda name, auth: name.startswith("/dynamic")).on("echo")
    async def echo_there(socket: Socket, value: Any) -> Any:
        return value

    async def scene() -> None:
        async with connect(io) as client, connect(io, namespace="/dynamic/1") as other:
            assert await client.emit_with_ack("echo", [1, b"\x02"]) == [1, b"\x02"]
            assert await other.emit_with_ack("echo", "x") == "x"

    for _ in range(3):
        asyncio.run(scene())
    assert lives == ["begin", "end"] * 3


def test_a_server_that_runs_is_not_closed() -> None:
    async def scene() -> None:
        io = chat()
        async with io:
            async with connect(io, auth={"token": "a"}):
                pass
            assert io.health()["status"] == "ok"
            async with connect(io, auth={"token": "a"}) as client:
                assert client.connected

    asyncio.run(scene())


def test_a_server_of_another_loop_is_refused() -> None:
    io = chat()

    async def start() -> None:
        await io._begin()

    async def scene() -> None:
        with pytest.raises(NotRunning, match="loop"):
            async with connect(io, auth={"token": "a"}):
                pass

    asyncio.run(start())
    asyncio.run(scene())


def test_receive_leaves_other_events_and_says_what_there_is() -> None:
    io = Server()

    @io.on("three")
    def three(socket: Socket) -> None:
        socket.emit("a", 1)
        socket.emit("b", 2, {"x": b"y"})
        socket.emit("a", 3)

    async def scene() -> None:
        async with connect(io) as client:
            client.emit("three")
            assert await client.receive("b") == (2, {"x": b"y"})
            assert await client.receive("a") == (1,)
            with pytest.raises(TimeoutError, match=r"'c'.*'a'"):
                await client.receive("c", timeout=0.01)
            assert await client.receive("a") == (3,)

    asyncio.run(scene())


def test_the_server_may_ask_the_client() -> None:
    io = Server()

    @io.on("ask me")
    async def ask_me(socket: Socket) -> Any:
        return [await socket.timeout(1).emit_with_ack("plain", 1), await socket.emit_with_ack("slow", 2)]

    async def slow(value: int) -> tuple[int, int]:
        await asyncio.sleep(0)
        return value, value + 1

    async def scene() -> None:
        async with connect(io) as client:
            client.on("plain", lambda value: value + 1)
            client.on("slow", slow)
            assert await client.emit_with_ack("ask me") == [2, [2, 3]]

    asyncio.run(scene())


@pytest.mark.parametrize("kind", ["plain", "coroutine"])
def test_what_a_handler_of_the_client_raises_is_raised_at_the_end(kind: str) -> None:
    io = Server()
    io.on("news?", lambda socket: socket.emit("news", 1))
    heard = asyncio.Event()

    def plain(number: int) -> None:
        heard.set()
        assert number == 2, "not what the test expects"

    async def coroutine(number: int) -> None:
        await asyncio.sleep(0)
        plain(number)

    async def scene() -> None:
        async with connect(io) as client:
            client.on("news", coroutine if kind == "coroutine" else plain)
            client.emit("news?")
            await heard.wait()

    with pytest.raises(AssertionError, match="not what the test expects"):
        asyncio.run(scene())


def test_an_answer_that_does_not_come_is_a_timeout() -> None:
    async def scene() -> None:
        async with connect(Server()) as client:
            with pytest.raises(AckTimeout, match="nobody hears"):
                await client.emit_with_ack("nobody hears", timeout=0.01)
            with pytest.raises(EncodeError):
                client.emit("x", {1})
            with pytest.raises(EncodeError):
                await client.emit_with_ack("x", float("nan"))

    asyncio.run(scene())


def test_both_sides_may_end_it_and_each_knows_why() -> None:
    io = Server()
    reasons: list[str] = []

    @io.on("disconnect")
    def disconnect(socket: Socket, reason: str) -> None:
        reasons.append(reason)

    @io.on("kick me")
    def kick_me(socket: Socket, close: bool) -> None:
        socket.disconnect(close)

    async def scene() -> None:
        async with connect(io) as client:
            client.disconnect()
            assert client.reason == "io client disconnect"
            with pytest.raises(Disconnected):
                client.emit("x")
            with pytest.raises(Disconnected):
                await client.receive("x")
        for close in (False, True):
            async with connect(io) as client:
                with pytest.raises(Disconnected):
                    await client.emit_with_ack("kick me", close)
                assert client.reason == "io server disconnect"
        async with connect(io) as client:
            client.lose()
            assert client.reason == "transport close"
        async with io_running(io), connect(io) as client:
            receiving = asyncio.create_task(client.receive("x"))
            await asyncio.sleep(0)
            await io.close()
            with pytest.raises(Disconnected, match="transport close"):
                await receiving

    asyncio.run(scene())
    assert reasons == [
        "client namespace disconnect", "server namespace disconnect", "server namespace disconnect",
        "transport close", "server shutting down",
    ]  # fmt: skip


@asynccontextmanager
async def io_running(io: Server[Any]) -> AsyncIterator[None]:
    io._renew()
    async with io:
        yield


def test_the_msgpack_parser_is_spoken_too() -> None:
    io = Server(parser="msgpack")

    @io.on("echo")
    def echo(socket: Socket, value: Any) -> Any:
        return value

    async def scene() -> None:
        async with connect(io) as client:
            assert await client.emit_with_ack("echo", {"a": b"\x01", "b": [None]}) == {"a": b"\x01", "b": [None]}

    asyncio.run(scene())
