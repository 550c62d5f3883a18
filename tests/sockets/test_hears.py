"""What is registered for one client alone, beyond what test_socket.py shows."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from flocket import ConfigError, Server, Socket
from flocket.testing import connect


def test_watchers_may_be_put_in_front_and_taken_away() -> None:
    io = Server()
    seen: list[str] = []

    async def scene() -> None:
        async with connect(io) as client:
            (socket,) = io.sockets.values()

            def first(event: str, *args: Any) -> None:
                seen.append(f"first {event}")

            def second(event: str, *args: Any) -> None:
                seen.append(f"second {event}")

            socket.off_any()
            socket.off_any_outgoing(first)
            for add, prepend in ((socket.on_any, socket.prepend_any),
                                 (socket.on_any_outgoing, socket.prepend_any_outgoing)):  # fmt: skip
                assert add(second) is second
                assert prepend(first) is first
            client.emit("in")
            socket.emit("out")
            assert seen == ["first in", "second in", "first out", "second out"]
            socket.off_any(first)
            socket.off_any(first)
            socket.off_any_outgoing(second)
            client.emit("in")
            io.emit("out")
            assert seen[4:] == ["second in", "first out"]
            socket.off_any()
            socket.off_any_outgoing()
            client.emit("in")
            socket.emit("out")
            assert len(seen) == 6

    asyncio.run(scene())


def test_on_and_once_are_decorators_too() -> None:
    io = Server()

    @io.on("connection")
    def connection(socket: Socket) -> None:
        @socket.on("x")
        def x(number: int) -> int:
            return number + 1

        @socket.once("y")
        def y() -> str:
            return "once"

    async def scene() -> None:
        async with connect(io) as client:
            assert await client.emit_with_ack("x", 1) == 2
            assert await client.emit_with_ack("y") == "once"
            assert "argument 1" in (await client.emit_with_ack("x", "1"))["error"]["message"]

    asyncio.run(scene())


def test_a_name_that_was_forgotten_is_refused() -> None:
    io = Server()

    async def scene() -> None:
        async with connect(io):
            (socket,) = io.sockets.values()
            for decorate in (socket.on, socket.once):
                with pytest.raises(ConfigError, match="a string, not <function"):
                    decorate(lambda: None)
            with pytest.raises(ConfigError, match="a string, not 5"):
                await socket.wait_for(5)

    asyncio.run(scene())


def test_what_is_no_function_is_refused() -> None:
    io = Server()

    async def scene() -> None:
        async with connect(io):
            (socket,) = io.sockets.values()
            for register in (socket.use, socket.on_any, socket.prepend_any, socket.on_any_outgoing):
                with pytest.raises(ConfigError, match="a function is needed"):
                    register("x")
            with pytest.raises(ConfigError, match="a handler is a function"):
                socket.on("x", 5)

    asyncio.run(scene())
