from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from tests.cluster.tools import identity, runtime_folder, until

from flocket.adapters.bus import Interest, NodeIdentity, PeerEvents
from flocket.adapters.buses.mesh import Mesh
from flocket.adapters.buses.unix import UnixBus


class Node:
    """A bus that keeps what it hears."""

    def __init__(self, folder: Path) -> None:
        self.identity = identity()
        self.bus = UnixBus(Mesh(folder, self.identity))
        self.got: list[tuple[str, bytes]] = []
        self.ups: list[str] = []
        self.downs: list[tuple[str, str, float]] = []
        self.bus.on_peer_up = lambda node: self.ups.append(node.uid)
        self.bus.on_peer_down = lambda uid, why: self.downs.append((uid, why, time.monotonic()))

    async def start(self) -> None:
        await self.bus.start(self.identity, lambda channel, data: self.got.append((channel, data)))


@asynccontextmanager
async def nodes(count: int) -> AsyncIterator[list[Node]]:
    with runtime_folder() as folder:
        made = [Node(folder) for _ in range(count)]
        try:
            await asyncio.gather(*(node.start() for node in made))
            await until(lambda: all(len(node.ups) == count - 1 for node in made))
            yield made
        finally:
            for node in made:
                await node.bus.aclose()
            assert os.listdir(folder) == []


@contextmanager
def child(folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], NodeIdentity]]:
    node = identity()
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("bus_node.py")), str(folder), node.uid, node.tag],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield process, node
    finally:
        process.kill()
        process.communicate()


def test_it_has_the_optional_abilities() -> None:
    with runtime_folder() as folder:
        bus = UnixBus(Mesh(folder, identity()))
    assert isinstance(bus, Interest)
    assert isinstance(bus, PeerEvents)


def test_a_message_reaches_every_subscriber_in_order_and_nobody_else() -> None:
    async def main() -> None:
        async with nodes(4) as (a, b, c, d):
            b.bus.subscribe("news")
            c.bus.subscribe("news")
            d.bus.subscribe("other")
            await asyncio.gather(*(node.bus.settled() for node in (b, c, d)))
            expected = [("news", b"%d" % n) for n in range(1000)]
            for channel, data in expected:
                assert a.bus.publish(channel, data)
            await until(lambda: len(b.got) == len(c.got) == 1000)
            assert b.got == c.got == expected
            a.bus.publish("other", b"last")
            await until(lambda: d.got)
            assert d.got == [("other", b"last")]
            assert a.got == []

    asyncio.run(main())


def test_a_join_that_was_settled_is_seen_by_the_next_emission_everywhere() -> None:
    async def main() -> None:
        async with nodes(3) as (a, b, c):
            for n in range(200):
                b.bus.subscribe(f"room {n}")
                await b.bus.settled()
                a.bus.publish(f"room {n}", b"from a")
                c.bus.publish(f"room {n}", b"from c")
            await until(lambda: len(b.got) == 400)

    asyncio.run(main())


def test_an_emission_that_follows_a_join_by_another_way_is_not_lost() -> None:
    """The other way is a direct call: the loop does not turn between join and emission."""

    async def main() -> None:
        async with nodes(2) as (a, b):
            for n in range(200):
                b.bus.subscribe(f"room {n}")
                a.bus.publish(f"room {n}", b"x")
            await until(lambda: len(b.got) == 200)
            b.bus.subscribe("late")
            assert a.bus.interested(["late", "never"]) == [b.identity.uid]

    asyncio.run(main())


def test_after_leaving_nothing_comes() -> None:
    async def main() -> None:
        async with nodes(2) as (a, b):
            b.bus.subscribe("room")
            b.bus.unsubscribe("room")
            b.bus.unsubscribe("never joined")
            b.bus.subscribe("end")
            a.bus.publish("room", b"x")
            a.bus.publish("end", b"x")
            await until(lambda: b.got)
            assert b.got == [("end", b"x")]

    asyncio.run(main())


def test_a_message_for_many_channels_comes_once_to_each_interested_node() -> None:
    async def main() -> None:
        async with nodes(3) as (a, b, c):
            for room in ("red", "blue", "\ud800 lone"):
                b.bus.subscribe(room)
            await b.bus.settled()
            a.bus.publish_any(["red", "blue", "green"], "all", b"1")
            a.bus.publish_any(["\ud800 lone"], "\ud800 lone", b"2")
            a.bus.publish_any(["green"], "all", b"3")
            a.bus.publish("red", b"4")
            await until(lambda: len(b.got) == 3)
            assert b.got == [("all", b"1"), ("\ud800 lone", b"2"), ("red", b"4")]
            assert c.got == []

    asyncio.run(main())


def test_a_newcomer_learns_what_the_others_subscribed_to() -> None:
    async def main() -> None:
        with runtime_folder() as folder:
            old, new = Node(folder), Node(folder)
            await old.start()
            old.bus.subscribe("news")
            await new.start()
            await until(lambda: new.ups and old.ups)
            new.bus.publish("news", b"hello")
            await until(lambda: old.got)
            assert new.bus.peers() == [old.identity]
            await new.bus.aclose()
            await until(lambda: old.downs)
            assert old.downs[0][:2] == (new.identity.uid, "gone")
            assert old.bus.peers() == []
            await old.bus.aclose()

    asyncio.run(main())


def test_the_largest_message_passes_and_a_larger_one_is_refused() -> None:
    async def main() -> None:
        async with nodes(2) as (a, b):
            b.bus.subscribe("big")
            await b.bus.settled()
            a.bus.publish("big", bytes(UnixBus.max_message))
            await asyncio.wait_for(a.bus.drained(), 5)
            await until(lambda: b.got)
            assert len(b.got[0][1]) == UnixBus.max_message
            with pytest.raises(ValueError, match="16777217 bytes"):
                a.bus.publish("big", bytes(UnixBus.max_message + 1))

    asyncio.run(main())


def test_the_death_of_a_process_is_seen_at_once() -> None:
    async def main() -> None:
        with runtime_folder() as folder:
            node = Node(folder)
            await node.start()
            node.bus.subscribe("answer")
            with child(folder) as (process, other):
                await until(lambda: node.bus.interested(["ask"]) == [other.uid])  # it is up before it subscribes
                node.bus.publish("ask", b"are you there?")
                await until(lambda: node.got == [("answer", b"are you there?")])
                killed = time.monotonic()
                process.kill()
                await until(lambda: node.downs)
                assert node.downs[0][:2] == (other.uid, "gone")
                assert node.downs[0][2] - killed < 0.2
                process.wait()
                assert other.tag in os.listdir(folder)  # it could not remove its own name
                await until(lambda: other.tag not in os.listdir(folder))
            await node.bus.aclose()

    asyncio.run(main())


def test_a_hung_process_is_known_within_three_seconds_and_gets_all_when_it_goes_on() -> None:
    async def main() -> None:
        with runtime_folder() as folder:
            node = Node(folder)
            await node.start()
            node.bus.subscribe("answer")
            with child(folder) as (process, other):
                await until(lambda: node.bus.interested(["ask"]) == [other.uid])
                process.send_signal(signal.SIGSTOP)
                stopped = time.monotonic()
                node.bus.publish("ask", b"1")
                await until(lambda: node.downs)
                assert node.downs[0][:2] == (other.uid, "hung")
                assert 1.0 < node.downs[0][2] - stopped <= 3.05
                await asyncio.wait_for(node.bus.settled(), 1)  # it is not waited for
                refused = 0
                for _ in range(200):
                    refused += not node.bus.publish("ask", bytes(100_000))
                    await asyncio.sleep(0)
                assert refused > 100
                assert node.bus.interested(["ask"]) == [other.uid]
                process.send_signal(signal.SIGCONT)
                await until(lambda: node.ups == [other.uid, other.uid])
                node.got.clear()
                node.bus.publish("ask", b"2")
                await until(lambda: ("answer", b"2") in node.got)
            await node.bus.aclose()

    asyncio.run(main())


def test_we_who_hung_ourselves_take_nobody_for_hung() -> None:
    async def main() -> None:
        with runtime_folder() as folder:
            node = Node(folder)
            await node.start()
            with child(folder) as (_, other):
                await until(lambda: node.ups == [other.uid])
                time.sleep(4)  # noqa: ASYNC251  # a handler that blocks the loop
                await asyncio.sleep(0.6)
                assert node.downs == []
            await node.bus.aclose()

    asyncio.run(main())


def test_garbage_is_counted_and_disturbs_nobody() -> None:
    async def main() -> None:
        async with nodes(2) as (a, b):
            b.bus.subscribe("news")
            mesh = b.bus.mesh
            for rubbish in (b"GET / HTTP/1.1\r\n\r\n", b"\0\0\0\1\0x", b"\xff" * 64, b"\0\0\0\0\x0a"):
                before = mesh.garbage
                with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stranger:
                    stranger.connect(str(mesh.folder / mesh.node.tag))
                    stranger.sendall(rubbish)
                    await until(lambda before=before: mesh.garbage > before)  # type: ignore[misc]  # binds the loop's variable
            # Words that a peer of another version might say.
            before = mesh.garbage
            peer = a.bus.mesh.peers.get(b.identity.tag)
            assert peer is not None
            read, write = os.pipe()
            a.bus.mesh.send(peer, 99, b"?", fd=read)
            for kind in range(8, 13):
                a.bus.mesh.send(peer, kind, b"\0\0")
            a.bus.publish("news", b"still here")
            await until(lambda: b.got == [("news", b"still here")])
            os.close(read)
            with pytest.raises(BrokenPipeError):
                os.write(write, b"x")  # the receiver has closed its duplicate
            os.close(write)
            assert mesh.garbage >= before + 4

    asyncio.run(main())
