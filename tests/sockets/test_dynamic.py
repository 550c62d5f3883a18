"""Dynamic namespaces: by a pattern, by a callable, and how long their children live."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest
from tests.support.typed import Raw, settle

from flocket import ConfigError, ConnectError, Namespace, Server, Socket
from flocket.testing import connect


def run(scene: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(scene())


def test_a_pattern_makes_children_that_share_its_handlers() -> None:
    io = Server()
    made: list[str] = []
    io.on("new_namespace", lambda nsp: made.append(nsp.name))
    games = io.of(re.compile(r"/game-\d+"))
    games.on("name", lambda socket: socket.nsp.name)

    async def scene() -> None:
        async with io:
            async with (
                connect(io, namespace="/game-1") as one,
                connect(io, namespace="/game-1") as two,
                connect(io, namespace="/game-2") as three,
            ):
                assert await one.emit_with_ack("name") == "/game-1"
                assert await three.emit_with_ack("name") == "/game-2"
                io.of("/game-1").emit("only one")
                games.emit("all")
                games.to(one.id).emit("me")
                assert await one.receive("only one") == ()
                assert await two.receive("all") == ()
                assert await three.receive("all") == ()
                assert await one.receive("me") == ()
                assert not three._inbox
                assert await games.count() == 3
                games.sockets_join("red")
                assert await games.to("red").count() == 3
                games.to("red").sockets_leave("red")
                assert await games.to("red").count() == 0
                games.disconnect_sockets()
                await settle()
                assert one.reason == three.reason == "io server disconnect"
            with pytest.raises(ConnectError, match="Invalid namespace"):
                async with connect(io, namespace="/game-x"):
                    pass
            questions: list[Callable[[], Awaitable[Any]]] = [
                games.fetch_sockets,
                lambda: games.emit_with_ack("x"),
                lambda: games.server_side_emit_with_ack("x"),
            ]
            with pytest.raises(ConfigError, match="not supported on parent namespaces"):
                games.server_side_emit("x")
            for question in questions:
                with pytest.raises(ConfigError, match="not supported on parent namespaces"):
                    await question()
            assert made == ["/game-1", "/game-2"]

    run(scene)


@pytest.mark.parametrize("kind", ["plain", "async"])
def test_a_callable_decides_by_name_and_auth(kind: str) -> None:
    io = Server()

    def plain(name: str, auth: dict[str, Any]) -> bool:
        return name == f"/of-{auth.get('user')}"

    async def slow(name: str, auth: dict[str, Any]) -> bool:
        await asyncio.sleep(0)
        return plain(name, auth)

    io.of(plain if kind == "plain" else slow).on("x", lambda socket: "heard")

    async def scene() -> None:
        async with io:
            async with connect(io, namespace="/of-ada", auth={"user": "ada"}) as client:
                assert await client.emit_with_ack("x") == "heard"
            with pytest.raises(ConnectError, match="Invalid namespace"):
                async with connect(io, namespace="/of-ada", auth={"user": "bob"}):
                    pass

    run(scene)


def test_a_callable_that_fails_refuses(caplog: pytest.LogCaptureFixture) -> None:
    io = Server()
    io.of(lambda name, auth: 1 / 0)

    async def scene() -> None:
        with pytest.raises(ConnectError, match="internal error"):
            async with connect(io, namespace="/x"):
                pass

    with caplog.at_level(logging.ERROR, "flocket"):
        run(scene)
    assert "ZeroDivisionError" in caplog.text


def test_a_child_is_of_its_patterns_class_or_none() -> None:
    class Game(Namespace[Any]):
        pass

    class Other(Namespace[Any]):
        pass

    io = Server()
    io.of(re.compile(r"/game-\d+"), Game)
    assert isinstance(io.of("/game-1", Game), Game)
    for name in ("/game-1", "/game-2"):
        with pytest.raises(ConfigError, match="no Other: name the class where"):
            io.of(name, Other)


def test_empty_children_are_given_up_also_when_nobody_was_let_in() -> None:
    io = Server()
    gate = asyncio.Event()
    rooms = io.of(re.compile("^/room-"))

    @rooms.use
    async def guard(socket: Socket) -> None:
        if socket.handshake.auth.get("wait"):
            await gate.wait()
        if socket.handshake.auth.get("refuse"):
            raise ConnectError("no")

    async def scene() -> None:
        async with io:
            for number in range(20):
                with pytest.raises(ConnectError):
                    async with connect(io, namespace=f"/room-{number}", auth={"refuse": True}):
                        pass
            async with connect(io, namespace="/room-1"):
                assert io.stats()["namespaces_now"] == 2
            assert io.stats()["namespaces_now"] == 1
            # Somebody is about to enter when the last one leaves: the child stays the child.
            entering = Raw(io)
            async with connect(io, namespace="/room-1") as client:
                entering.say('40/room-1,{"wait":true}')
                await settle()
                child = io.of("/room-1")
                client.disconnect()
                assert io.of("/room-1") is child
                gate.set()
                await settle()
            assert await io.of("/room-1").count() == 1
            assert io.of("/room-1") is child
            entering.transport.lose()
            assert io.stats()["namespaces_now"] == 1

    run(scene)


def test_they_stay_where_cleanup_is_switched_off() -> None:
    async def scene() -> None:
        io = Server(cleanup_empty_child_namespaces=False)
        io.of(re.compile("^/room-"))
        async with io:
            async with connect(io, namespace="/room-1"):
                pass
            assert io.stats()["namespaces_now"] == 2

    run(scene)


def test_the_name_that_a_client_chose_writes_no_lines_into_the_log(caplog: pytest.LogCaptureFixture) -> None:
    io = Server()
    rooms = io.of(re.compile(r"/room-.*", re.DOTALL))

    @rooms.on("fail")
    def fail(socket: Socket) -> None:
        raise RuntimeError

    async def scene() -> None:
        async with io, connect(io, namespace="/room-\nFORGED\x1b[31m") as client:
            client.emit("fail")
            await settle()

    run(scene)
    assert [record.getMessage() for record in caplog.records] == [
        "/room-\\nFORGED\\x1b[31m: the handler of 'fail' failed"
    ]
