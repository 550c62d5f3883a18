from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.cluster.tools import until

from flocket.adapters.buses.links import QUEUE_LIMIT, Inbound, Outbound

Frame = tuple[int, bytes, int | None]


@asynccontextmanager
async def pair() -> AsyncIterator[tuple[Outbound, Inbound, list[Frame], list[bool]]]:
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    here.setblocking(False)
    there.setblocking(False)
    got: list[Frame] = []
    ends: list[bool] = []
    out = Outbound(here, lambda: None, lambda: None)
    inbound = Inbound(there, lambda kind, payload, fd: got.append((kind, payload, fd)), ends.append)
    try:
        yield out, inbound, got, ends
    finally:
        out.close()
        inbound.close()
        for _, _, fd in got:
            if fd is not None and fd >= 0:
                os.close(fd)


def test_frames_arrive_whole_and_in_order_whatever_their_size() -> None:
    async def main() -> None:
        async with pair() as (out, _, got, _):
            sizes = [0, 1, 4_000_000, 5, 300_000, 0, 17]
            for kind, size in enumerate(sizes):
                assert out.send(kind, bytes([kind]) * size)
            await until(lambda: len(got) == len(sizes))
            assert [(kind, len(payload)) for kind, payload, _ in got] == list(enumerate(sizes))
            assert all(payload == bytes([kind]) * len(payload) for kind, payload, _ in got)
            assert out.waiting == 0

    asyncio.run(main())


def test_who_takes_a_frame_may_read_on_and_none_is_taken_twice() -> None:
    async def main() -> None:
        here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        here.setblocking(False)
        there.setblocking(False)
        got: list[bytes] = []
        out = Outbound(here, lambda: None, lambda: None)

        def take(kind: int, payload: bytes, fd: int | None) -> None:
            got.append(payload)
            if len(got) in (1, 4, 9):  # more comes while this one is being taken
                for number in range(2):
                    out.send(1, b"%d then %d" % (len(got), number), now=True)
                inbound.read_all()

        inbound = Inbound(there, take, lambda garbage: None)
        for number in range(7):
            out.send(1, b"%d" % number)
        out.flush()
        inbound.read_all()
        assert len(got) == len(set(got)) == 7 + 3 * 2
        assert [payload for payload in got if b"then" not in payload] == [b"%d" % number for number in range(7)]
        out.close()
        inbound.close()

    asyncio.run(main())


def test_each_descriptor_arrives_with_its_own_frame_among_others() -> None:
    async def main() -> None:
        async with pair() as (out, inbound, got, _):
            reads = []
            for n in range(40):
                out.send(1, b"plain")
                read, write = os.pipe()
                os.write(write, bytes([n]))
                os.close(write)
                reads.append(read)
                out.send(2, bytes([n]), fd=read)
            out.flush()
            inbound.read_all()
            await until(lambda: len(got) == 80)
            for read in reads:
                os.close(read)
            assert [kind for kind, _, _ in got] == [1, 2] * 40
            for kind, payload, fd in got:
                if kind == 1:
                    assert fd is None
                else:
                    assert fd is not None
                    assert os.read(fd, 10) == payload
                    assert not os.get_inheritable(fd)

    asyncio.run(main())


def test_a_reader_that_stops_costs_a_bounded_queue_and_loses_nothing_that_was_queued() -> None:
    async def main() -> None:
        here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        here.setblocking(False)
        there.setblocking(False)
        out = Outbound(here, lambda: None, lambda: None)
        queued = 0
        while out.send(1, bytes(100_000)):
            queued += 1
            out.flush()
        assert QUEUE_LIMIT <= out.waiting <= QUEUE_LIMIT + 100_005
        got: list[int] = []
        inbound = Inbound(there, lambda kind, payload, fd: got.append(len(payload)), lambda garbage: None)
        await until(lambda: len(got) == queued)
        assert out.waiting == 0
        assert out.send(1, b"again")
        out.close()
        inbound.close()

    asyncio.run(main())


def test_a_frame_that_waits_can_be_taken_back_with_its_descriptor() -> None:
    async def main() -> None:
        async with pair() as (out, _, got, _):
            out.send(1, b"first")
            out.send(2, b"second", fd=0)
            out.send(3, b"third")
            assert out.withdraw(0)
            assert not out.withdraw(0)
            await until(lambda: len(got) == 2)
            assert [kind for kind, _, _ in got] == [1, 3]

    asyncio.run(main())


def test_a_frame_above_the_limit_ends_the_link_as_garbage() -> None:
    async def main() -> None:
        async with pair() as (out, inbound, got, ends):
            inbound.frame_limit = 100
            out.send(1, bytes(100))
            out.send(1, bytes(101))
            await until(lambda: ends)
            assert ends == [True]
            assert len(got) == 1

    asyncio.run(main())


@settings(deadline=None, max_examples=50)
@given(st.binary(max_size=300), st.integers(1, 40))
def test_garbage_in_pieces_never_raises(data: bytes, step: int) -> None:
    async def main() -> None:
        here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        there.setblocking(False)
        ends: list[bool] = []
        inbound = Inbound(there, lambda kind, payload, fd: None, ends.append)
        for at in range(0, len(data), step):
            if not ends:
                here.sendall(data[at : at + step])
                inbound.read_all()
        here.close()
        inbound.read_all()
        assert len(ends) == 1

    asyncio.run(main())
