"""What emit returns: it may be dropped, or awaited, and then it waits for those who are behind."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.support.polling import until
from tests.support.typed import Raw, settle

from flocket import Server


def many(io: Server[Any]) -> list[Any]:
    (socket,) = io.sockets.values()
    return [socket.emit("x"), io.emit("x"), io.to("a").emit("x"), socket.volatile.emit("x"), socket.join("a"),
            socket.leave("a"), io.sockets_join("b"), io.sockets_leave("b")]  # fmt: skip


def test_it_is_no_coroutine_and_may_be_dropped_or_awaited_twice() -> None:
    async def scene() -> None:
        async with Server() as io:
            await Raw.connected(io)
            for emission in many(io):
                assert not asyncio.iscoroutine(emission)
                await emission
                await emission
            many(io)

    asyncio.run(scene())  # warnings are errors


def test_awaiting_gives_the_others_a_turn() -> None:
    async def scene() -> None:
        async with Server() as io:
            raw = await Raw.connected(io)
            others = 0

            async def other() -> None:
                nonlocal others
                while True:
                    others += 1
                    await asyncio.sleep(0)

            io.create_task(other())
            for number in range(20):
                await io.emit("x")
                assert others >= number
            assert len(raw.take()) == 20

    asyncio.run(scene())


def test_awaiting_waits_while_a_receiver_is_behind_and_no_longer() -> None:
    async def scene() -> None:
        async with Server() as io:
            slow, fine = await Raw.connected(io), await Raw.connected(io)
            first, second = io.sockets.values()
            slow.transport.stall()
            for emission in (first.emit("x", "x" * 10), io.emit("y")):
                waiting = asyncio.ensure_future(_wait(emission))
                await settle()
                assert not waiting.done()
                await second.emit("z")  # another client is not behind
                slow.transport.drain()
                await asyncio.wait_for(waiting, 5)
                slow.transport.stall()
            waiting = asyncio.ensure_future(_wait(io.emit("x")))
            await settle()
            slow.transport.lose()
            await asyncio.wait_for(waiting, 5)
            await io.emit("to those who are left")
            assert len(fine.take()) == 5

    asyncio.run(scene())


async def _wait(emission: Any) -> None:
    await emission


def test_an_emission_to_many_costs_one_turn_not_one_each() -> None:
    async def scene() -> None:
        async with Server() as io:
            for _ in range(50):
                await Raw.connected(io)
            turns = 0

            async def count() -> None:
                nonlocal turns
                while True:
                    turns += 1
                    await asyncio.sleep(0)

            io.create_task(count())
            await asyncio.sleep(0)
            await io.emit("x")
            assert turns < 5

    asyncio.run(scene())


def test_it_may_be_awaited_in_another_threads_loop_and_waits_there_too() -> None:
    async def scene() -> None:
        async with Server() as io:
            slow = await Raw.connected(io)
            (socket,) = io.sockets.values()
            turns: list[str] = []

            async def elsewhere() -> None:
                for emission in many(io):
                    await emission
                turns.append("free")
                await socket.emit("y")
                turns.append("drained")
                await io.emit("z")

            slow.transport.stall()
            thread = asyncio.create_task(asyncio.to_thread(asyncio.run, elsewhere()))
            await until(lambda: slow.transport.unread and socket.conn._out)
            assert turns == []
            slow.transport.drain()
            await thread
            assert turns == ["free", "drained"]

    asyncio.run(scene())


def test_an_emission_of_a_server_that_closed_meanwhile_is_waited_for_no_longer() -> None:
    async def scene() -> None:
        async with Server() as io:
            await Raw.connected(io)
            emissions = many(io)
        for emission in emissions:
            await emission

    asyncio.run(scene())
