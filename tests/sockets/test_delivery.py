"""One emission to many: encoded once, and nobody's end or slowness costs another."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.support.typed import Raw, settle

from flocket import Limits, Server
from flocket.testing import connect


def test_one_encoding_serves_all_of_one_protocol() -> None:
    async def scene() -> None:
        async with Server(allow_eio3=True) as io:
            new = [await Raw.connected(io) for _ in range(3)]
            old = [await Raw.connected(io, query="EIO=3") for _ in range(2)]
            io.emit("x", b"\x01")
            await settle()
            frames = [raw.transport.frames[-2:] for raw in (*new, *old)]
            assert all(a is b for mine in frames[1:3] for a, b in zip(mine, frames[0], strict=True))
            assert frames[3][1] is frames[4][1]
            assert frames[3][1] is not frames[0][1]
            assert frames[3][0] is frames[0][0]

    asyncio.run(scene())


def test_nothing_is_encoded_twice_for_those_who_do_not_read_it() -> None:
    async def scene() -> None:
        async with Server() as io:
            raws = [await Raw.connected(io) for _ in range(3)]
            encodings = 0
            encode = io._parser.encode

            def counted(*args: Any) -> Any:
                nonlocal encodings
                encodings += 1
                return encode(*args)

            io._parser.encode = counted  # type: ignore[method-assign, assignment]  # counts
            io.emit("x")
            assert encodings == 1
            await settle()
            assert [raw.take() for raw in raws] == [['42["x"]']] * 3

    asyncio.run(scene())


@pytest.mark.parametrize("room", [None, "red"])
def test_members_that_end_while_others_are_told_take_nobody_along(room: str | None) -> None:
    io = Server(limits=Limits(send_bytes=1000))
    gone: list[str] = []

    @io.on("connection")
    def connection(socket: Any) -> None:
        socket.join("red")
        # The first that is told throws out the others, in the middle of the emission.
        socket.on_any_outgoing(lambda event, *args: [other.disconnect() for other in list(io.sockets.values())])

    io.on("disconnect", lambda socket, reason: gone.append(reason))

    async def scene() -> None:
        async with io:
            raws = [await Raw.connected(io) for _ in range(5)]
            (io if room is None else io.to(room)).emit("x")
            await settle()
            assert all("41" in raw.take() for raw in raws)
            assert gone == ["server namespace disconnect"] * 5

    asyncio.run(scene())


def test_a_slow_member_is_closed_with_its_reason_and_the_room_goes_on() -> None:
    io = Server(limits=Limits(send_bytes=10_000))
    reasons: list[str] = []
    io.on("disconnect", lambda socket, reason: reasons.append(reason))

    async def scene() -> None:
        async with io:
            slow, fine = await Raw.connected(io), await Raw.connected(io)
            slow.transport.stall()
            for number in range(100):
                io.emit("x", number, "x" * 1000)
                await asyncio.sleep(0)
            await settle()
            assert reasons == ["slow consumer"]
            assert slow.transport.closed == (1013, "slow consumer")
            assert len(fine.take()) == 100

    asyncio.run(scene())


def test_what_goes_out_is_shown_to_those_who_watch() -> None:
    seen: list[Any] = []

    async def scene() -> None:
        async with Server() as io, connect(io) as client:
            (socket,) = io.sockets.values()
            socket.on_any_outgoing(lambda *args: seen.append(args))
            io.emit("a", 1)
            socket.emit("b", [2])
            io.to("nobody").emit("c")
            await client.receive("b")

    asyncio.run(scene())
    assert seen == [("a", 1), ("b", [2])]
