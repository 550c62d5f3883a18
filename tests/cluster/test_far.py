"""The nodes of other machines: greetings, frames that a broker loses, silence, rubbish. Over lines of a test's own."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from tests.cluster.tools import identity, until

from flocket.adapters.bus import NodeIdentity
from flocket.cluster import far
from flocket.cluster.far import FarMesh, FarPeer
from flocket.cluster.relay_words import GONE, REQUEST
from flocket.engine.sid import make_tag

PREFIX = "some/socket.io"


class Broker:
    """Channels of one process, each message in a turn of its own; `lose` says which are lost."""

    def __init__(self, *, counts: bool = True) -> None:
        self.hearers: dict[str, list[Callable[[bytes], None]]] = {}
        self.lose: Callable[[bytes], bool] = lambda data: False
        self.counts = counts

    def publish(self, channel: str, data: bytes) -> None:
        if not self.lose(data):
            for hear in self.hearers.get(channel, []):
                asyncio.get_running_loop().call_soon(hear, data)


class TestLines:
    __test__ = False

    def __init__(self, broker: Broker) -> None:
        self.prefix = "some"
        self.full = False
        self._broker = broker

    def say(self, channel: str, data: bytes) -> bool:
        if not self.full:
            self._broker.publish(channel, data)
        return not self.full

    def listen(self, channel: str, hear: Callable[[bytes], None]) -> None:
        self._broker.hearers.setdefault(channel, []).append(hear)

    async def settled(self) -> None:
        pass

    async def count(self, channel: str) -> int | None:
        return len(self._broker.hearers[channel]) if self._broker.counts else None


class Node:
    """A mesh, what it heard, and what it was told of others."""

    def __init__(self, broker: Broker, tag: str = "") -> None:
        found = identity()
        self.node = NodeIdentity(found.uid, tag or found.tag, found.epoch)
        self.time = 0.0
        self.lines = TestLines(broker)
        self.mesh = FarMesh(self.lines, self.node, PREFIX, now=lambda: self.time)
        self.heard: list[bytes] = []
        self.down: list[tuple[str, str]] = []
        for kind in (REQUEST, GONE):
            self.mesh.receive(kind, lambda peer, data, fd: self.heard.append(data))
        self.mesh.on_down.append(lambda peer, why: self.down.append((peer.tag, why)))

        self.drawn = 0

    @property
    def tag(self) -> str:
        return self.mesh.tag

    async def start(self) -> None:
        await self.mesh.start(self.draw)

    def draw(self) -> str:
        self.drawn += 1
        return make_tag(os.urandom)

    def peer(self, other: Node) -> FarPeer:
        return self.mesh.peers[other.tag]

    def say(self, other: Node, *said: bytes) -> None:
        for each in said:
            assert self.mesh.send(self.peer(other), REQUEST, each)

    def tick(self) -> None:
        """Two seconds have passed."""
        assert self.mesh._timer is not None
        self.mesh._timer.cancel()
        self.mesh._tick()


async def started(broker: Broker, count: int) -> list[Node]:
    nodes = [Node(broker) for _ in range(count)]
    for node in nodes:
        await node.start()
    return nodes


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(main(), 10))


async def turns() -> None:
    """What was published is heard, and what follows from it."""
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.mark.parametrize("counts", [True, False], ids=["counted", "uncounted"])
def test_nodes_know_each_other_once_the_last_has_started(counts: bool) -> None:
    async def main() -> None:
        nodes = await started(Broker(counts=counts), 4)
        for node in nodes:
            assert set(node.mesh.peers) == {other.tag for other in nodes if other is not node}
            assert node.mesh.garbage == 0

    run(main)


def test_a_node_that_is_counted_and_dead_delays_a_start_by_a_moment_only() -> None:
    async def main() -> None:
        broker = Broker()
        broker.hearers[f"{PREFIX}-relay#"] = [lambda data: None]
        loop = asyncio.get_running_loop()
        began = loop.time()
        await started(broker, 1)
        assert loop.time() - began < far.MEET_TIME + 0.5

    run(main)


def test_frames_arrive_in_order_at_the_node_that_is_meant() -> None:
    async def main() -> None:
        a, b, c = await started(Broker(), 3)
        a.say(b, b"1", b"2")
        c.say(b, b"other")
        b.say(a, b"back")
        await turns()
        assert (a.heard, b.heard, c.heard) == ([b"back"], [b"1", b"2", b"other"], [])
        assert a.down == b.down == c.down == []

    run(main)


def test_a_frame_that_is_lost_ends_all_that_is_between_the_two_at_both() -> None:
    async def main() -> None:
        broker = Broker()
        a, b, c = await started(broker, 3)
        a.say(b, b"1")
        broker.lose = lambda data: True
        a.say(b, b"2")
        broker.lose = lambda data: False
        a.say(b, b"3", b"4")
        await turns()
        assert b.heard == [b"1", b"4"]  # 4 is for what ended, too: both ends have forgotten it by the next line
        assert (a.down, b.down[0], c.down) == ([(b.tag, "gone")], (a.tag, "gone"), [])
        a.say(b, b"5")
        b.say(a, b"6")
        await turns()
        assert (b.heard[-1], a.heard, b.mesh.holes, a.mesh.holes) == (b"5", [b"6"], 1, 0)

    run(main)


def test_that_the_last_frame_is_lost_is_noticed_without_another() -> None:
    async def main() -> None:
        broker = Broker()
        a, b = await started(broker, 2)
        broker.lose = lambda data: data.endswith(b"only")
        a.say(b, b"only")
        a.tick()
        await turns()
        assert (b.heard, b.mesh.holes, a.down) == ([], 1, [(b.tag, "gone")])
        a.tick()
        await turns()
        assert b.mesh.holes == 1

    run(main)


def test_nothing_is_given_up_for_what_was_never_published() -> None:
    async def main() -> None:
        a, b = await started(Broker(), 2)
        a.say(b, b"1")
        a.lines.full = True
        assert not a.mesh.send(a.peer(b), REQUEST, b"2")
        a.lines.full = False
        a.say(b, b"3")
        a.tick()
        await turns()
        assert (b.heard, b.down, a.down) == ([b"1", b"3"], [], [])

    run(main)


def test_a_frame_that_comes_twice_is_heard_once() -> None:
    async def main() -> None:
        broker = Broker()
        a, b = await started(broker, 2)
        hearers = broker.hearers[f"{PREFIX}-relay#{b.tag}"]
        hearers.append(hearers[0])
        a.say(b, b"1", b"2")
        await turns()
        assert (b.heard, b.down) == ([b"1", b"2"], [])

    run(main)


def test_silence_is_hung_and_then_gone_and_a_word_ends_it() -> None:
    async def main() -> None:
        broker = Broker()
        a, b = await started(broker, 2)
        broker.lose = lambda data: True
        a.time = far.HUNG_AFTER
        a.tick()
        assert (a.peer(b).up, a.down) == (False, [(b.tag, "hung")])
        a.tick()
        assert a.down == [(b.tag, "hung")]
        broker.lose = lambda data: False
        b.tick()
        await turns()
        assert a.peer(b).up
        broker.lose = lambda data: True
        a.time += far.GONE_AFTER
        a.tick()
        assert (a.mesh.peers, a.down[1:]) == ({}, [(b.tag, "gone")])

    run(main)


def test_two_that_lost_sight_of_each_other_begin_anew() -> None:
    async def main() -> None:
        broker = Broker()
        a, b = await started(broker, 2)
        a.say(b, b"1", b"2")
        await turns()
        a.mesh.forget(b.tag)  # a had too long a silence, b did not
        b.tick()
        await turns()
        a.say(b, b"3")
        await turns()
        assert b.heard == [b"1", b"2", b"3"]
        b.mesh.forget(a.tag)  # and the other way round: b knows no more how far a had come
        a.tick()
        await turns()
        assert a.down == [(b.tag, "gone")] * 2  # it was told so
        a.say(b, b"4")
        await turns()
        assert b.heard == [b"1", b"2", b"3", b"4"]

    run(main)


def test_whoever_closes_is_gone_at_once() -> None:
    async def main() -> None:
        a, b = await started(Broker(), 2)
        b.mesh.close()
        await turns()
        assert (a.mesh.peers, a.down) == ({}, [(b.tag, "gone")])

    run(main)


def test_another_life_of_a_tag_is_another_node() -> None:
    async def main() -> None:
        broker = Broker()
        a, b = await started(broker, 2)
        a.say(b, b"1")
        old = a.peer(b)
        for channel in (f"{PREFIX}-relay#", f"{PREFIX}-relay#{b.tag}"):
            broker.hearers[channel].pop()  # b is dead, and nobody has noticed
        again = Node(broker, b.tag)
        await again.start()
        await until(lambda: a.mesh.peers[b.tag] is not old)
        assert a.down == [(b.tag, "gone")]

    run(main)


def test_a_node_that_drew_the_tag_of_another_draws_again_and_takes_nothing_from_it() -> None:
    async def main() -> None:
        broker = Broker()
        a, c = await started(broker, 2)
        b = Node(broker, a.tag)
        await b.start()
        assert (b.drawn, a.drawn) == (1, 0)
        assert a.tag != b.tag
        a.tick()
        await turns()
        for node in (a, b, c):
            assert {peer.uid for peer in node.mesh.peers.values()} == {
                other.node.uid for other in (a, b, c) if other is not node
            }
        c.say(a, b"for a")
        c.say(b, b"for b")
        a.say(b, b"from a")
        await turns()
        assert (a.heard, b.heard) == ([b"for a"], [b"for b", b"from a"])
        b.mesh.close()
        await turns()
        assert set(c.mesh.peers) == {a.tag}

    run(main)


def test_two_that_draw_one_tag_at_the_same_time_end_with_two() -> None:
    async def main() -> None:
        broker = Broker()
        (c,) = await started(broker, 1)
        a = Node(broker)
        b = Node(broker, a.tag)
        await asyncio.gather(a.start(), b.start())
        a.tick()
        b.tick()
        await turns()
        assert a.tag != b.tag
        assert set(c.mesh.peers) == {a.tag, b.tag}
        c.say(a, b"for a")
        await turns()
        assert (a.heard, b.heard) == ([b"for a"], [])

    run(main)


def test_rubbish_is_counted_and_makes_no_peer() -> None:
    async def main() -> None:
        broker = Broker()
        a, b = await started(broker, 2)
        said = far._HEAD.pack(far.VERSION, REQUEST, b.tag.encode(), b.node.uid.encode(), 1, 1)
        rubbish = [b"", b"{}", os.urandom(200), said[:-1], b"\x02" + said[1:], said[:1] + b"\xff" + said[2:]]
        rubbish += [said[:2] + b"#\0\xff " + said[6:], said[:6] + b"\xff" * 16 + said[22:]]
        for channel in (f"{PREFIX}-relay#", f"{PREFIX}-relay#{a.tag}"):
            for data in rubbish:
                broker.publish(channel, data)
        await turns()
        assert a.mesh.garbage == 2 * len(rubbish)
        assert (set(a.mesh.peers), a.heard, a.down) == ({b.tag}, [], [])

    run(main)
