"""The loop of a server and the threads around it: what may be said from where, and what must be awaited here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from tests.support.typed import settle

from flocket import ConfigError, NotRunning, Server
from flocket.testing import connect


def run(scene: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(scene())


def test_what_other_threads_say_arrives_in_order_and_as_it_was_said() -> None:
    io = Server()

    async def scene() -> None:
        async with connect(io) as client:
            (socket,) = io.sockets.values()

            def thread() -> None:
                value = {"n": 0, "view": memoryview(b"abc")}
                for number in range(50):
                    value["n"] = number
                    (io, socket, io.to(client.id), io.volatile)[number % 4].emit("x", value)
                io.to(client.id).sockets_join("red")
                io.to("red").emit("red", 1)
                socket.leave("red")
                io.to("red").emit("red", 2)
                socket.join("blue")
                socket.disconnect()

            await asyncio.to_thread(thread)
            heard = [await client.receive("x") for _ in range(50)]
            assert heard == [({"n": number, "view": b"abc"},) for number in range(50)]
            await settle()
            assert [args for event, args in client._inbox if event == "red"] == [(1,)]
            assert client.reason == "io server disconnect"

    run(scene)


def test_the_errors_of_a_thread_are_its_own() -> None:
    io = Server()

    async def scene() -> None:
        async with connect(io):
            (socket,) = io.sockets.values()

            def thread() -> None:
                for emit in (io.emit, socket.emit):
                    with pytest.raises(ValueError, match="set"):
                        emit("x", {1})
                    with pytest.raises(ConfigError):
                        emit("connect")

            await asyncio.to_thread(thread)

    run(scene)


def test_from_thread_waits_for_what_must_be_awaited() -> None:
    io = Server()

    async def fail() -> None:
        raise KeyError("in the loop")

    async def scene() -> None:
        async with connect(io) as client:

            def thread() -> None:
                (found,) = io.from_thread(io.fetch_sockets())
                assert found.id == client.id
                assert io.from_thread(io.count()) == 1
                io.from_thread(io.emit("awaited"))
                with pytest.raises(KeyError, match="in the loop"):
                    io.from_thread(fail())

            await asyncio.to_thread(thread)
            assert await client.receive("awaited") == ()
            with pytest.raises(NotRunning, match="here, use await"):
                io.from_thread(io.count())

    run(scene)


def test_what_must_be_awaited_says_so_in_another_threads_loop() -> None:
    io = Server()

    async def scene() -> None:
        async with connect(io):
            (socket,) = io.sockets.values()

            async def elsewhere() -> None:
                for question in (io.fetch_sockets, io.count, lambda: io.emit_with_ack("x"),
                                 lambda: socket.emit_with_ack("x")):  # fmt: skip
                    with pytest.raises(NotRunning, match="from_thread"):
                        await question()
                with pytest.raises(NotRunning, match="from_thread"):
                    io.create_task(fine())

            await asyncio.to_thread(asyncio.run, elsewhere())

    run(scene)


async def fine() -> None:
    pass
