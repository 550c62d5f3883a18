"""Nodes in one loop that share a subscription to a real Redis: what may go wrong between them, and with it."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.cluster.tools import identity, runtime_folder
from tests.support.polling import until
from tests.support.proxy import FaultProxy
from tests.support.redis import RedisServer

from flocket.adapters.buses.lanes import Lanes
from flocket.adapters.buses.mesh import Mesh
from flocket.adapters.buses.redis import CHANNEL, RedisBus
from flocket.adapters.buses.redis_endpoint import Endpoint
from flocket.adapters.counters import AdapterCounters
from flocket.adapters.shared_claim import State
from flocket.adapters.shared_subscription import SharedSubscription


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


class Node:
    """`got` is what is published to everybody in "/"."""

    def __init__(self, folder: Path, redis: RedisServer, port: int = 0) -> None:
        node = identity()
        self.mesh = Mesh(folder, node, make_folder=lambda: folder.mkdir(exist_ok=True))
        self.lanes = Lanes(self.mesh)
        self.lane = self.lanes.lane("/socket.io")
        # All say that they reach the same Redis, whichever way they go.
        self.bus = RedisBus(Endpoint(host="127.0.0.1", port=port or redis.port, shown="redis://here"))
        self.counters = AdapterCounters()
        self.got: list[bytes] = []
        self.asked: list[bytes] = []

    async def start(self) -> None:
        await self.mesh.start()
        await self.mesh.met(1.0)
        await self.bus.open()
        self.shared = SharedSubscription(self.bus, self.lane, self.mesh.node, "key", self.counters)
        self.shared.listen("key#/#", self._hear, "key-request#/#", lambda _, data: self.asked.append(data))
        await self.shared.start()

    def listen(self, name: str, heard: list[tuple[str, str]]) -> None:
        """Note in `heard` what is published to this namespace, or could be."""
        self.shared.listen(f"key#{name}#", lambda channel, _: heard.append((name, channel)), name, print)

    def _hear(self, channel: str, data: bytes) -> None:
        self.got.append(data)
        assert data != b"a bug"

    @property
    def holds(self) -> bool:
        return self.shared._claim.state is State.HOLDING

    @property
    def hears(self) -> bool:
        return bool(self.shared.health(self.bus.health())["hears"])

    def say(self, data: bytes, channel: str = "key#/#") -> None:
        self.bus.say(CHANNEL, channel, data)

    def mark(self, marker: bytes) -> None:
        self.say(marker, self.shared._markers + self.shared._machine)

    async def leave(self) -> None:
        await self.shared.aclose()
        await self.bus.aclose()
        await self.lanes.aclose()
        await self.mesh.aclose()


@asynccontextmanager
async def nodes(redis: RedisServer, *ports: int) -> AsyncIterator[list[Node]]:
    """The first one holds."""
    with runtime_folder() as folder:
        async with AsyncExitStack() as stack:
            made = []
            for port in ports:
                made.append(Node(folder, redis, port))
                await made[-1].start()
                stack.push_async_callback(made[-1].leave)
            assert [node.holds for node in made] == [True, *(False for _ in ports[1:])]
            yield made


async def hear(said: bytes, by: Node, *everybody: Node) -> None:
    """What `by` publishes comes next, everywhere."""
    by.say(said)
    await until(lambda: all(node.got[-1:] == [said] for node in everybody))


def test_rubbish_of_a_sibling_or_among_the_markers_is_counted_and_ignored(redis: RedisServer) -> None:
    async def test() -> None:
        async with nodes(redis, 0, 0) as (one, two):
            for rubbish in (b"", b"\xc1", b"\x90", b"\x93\x01\x02\x03", bytes(1_000)):
                two.lane.publish(two.shared._words, rubbish)
            one.mark(b"rubbish")
            one.mark(b"\xff 1")
            await until(lambda: one.counters.bad_messages == 7)
            two.lane.publish_any((two.shared._telling.channel,), two.shared._telling.channel + "short", b"x")
            await hear(b"1", two, one, two)
            assert one.holds

    asyncio.run(test())


def test_a_mistake_of_who_hears_ends_nobody_elses_hearing(redis: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        async with nodes(redis, 0, 0) as (one, two):
            one.say(b"a bug")
            await hear(b"1", one, one, two)
            assert one.got == two.got == [b"a bug", b"1"]
            assert caplog.text.count("could not be handled") == 2

    asyncio.run(test())


def test_what_is_too_large_for_the_siblings_way_is_counted_and_the_way_stays(redis: RedisServer) -> None:
    async def test() -> None:
        async with nodes(redis, 0, 0) as (one, two):
            one.lane.max_message = 1_000
            one.say(bytes(2_000))
            one.say(b"room", "key#/#" + "r" * 2_000 + "#")
            await hear(b"1", one, one, two)
            assert one.got == [bytes(2_000), b"room", b"1"]
            assert two.got == [b"1"]
            assert one.counters.publish_dropped == 2

    asyncio.run(test())


def test_names_with_a_hash_reach_whom_a_pattern_would(redis: RedisServer) -> None:
    async def test() -> None:
        async with nodes(redis, 0, 0) as (one, two):
            heard: list[tuple[str, str]] = []
            for name in ("/a", "/a#b", "/a#b#c"):
                two.listen(name, heard)
            for channel in ("key#/a#", "key#/a#b#", "key#/a#b#c#r#", "key#" + "#" * 100_000, "key#/", "key#"):
                one.say(b"x", channel)
            await hear(b"1", one, two)
            assert heard == [
                ("/a", "key#/a#"),
                *((name, "key#/a#b#") for name in ("/a", "/a#b")),
                *((name, "key#/a#b#c#r#") for name in ("/a", "/a#b", "/a#b#c")),
            ]
            one.say(b"2", "key-request#/#x#")
            one.say(b"3", "key-request#/#")
            await until(lambda: two.asked)
            assert one.asked == two.asked == [b"3"]

    asyncio.run(test())


def test_a_marker_of_nobody_leaves_nobody_deaf(redis: RedisServer) -> None:
    async def test() -> None:
        async with nodes(redis, 0, 0) as (one, two):
            before = one.shared._claim.marker
            one.mark(b"0123456789abcdef 1")
            await until(lambda: one.holds and one.shared._claim.marker != before, 1.0)
            await hear(b"1", two, one, two)
            assert one.got == two.got == [b"1"]

    asyncio.run(test())


def test_a_marker_that_comes_after_its_claim_is_over_makes_its_author_claim_anew(redis: RedisServer) -> None:
    async def test() -> None:
        async with nodes(redis, 0, 0) as (one, two):
            one.mark(f"{two.mesh.node.uid} 0".encode())
            await until(lambda: two.holds)
            assert not one.holds
            await hear(b"1", one, one, two)

    asyncio.run(test())


def test_whoever_cannot_come_back_to_redis_is_replaced_and_takes_nothing_back(redis: RedisServer) -> None:
    async def test() -> None:
        async with FaultProxy(redis.port) as proxy, nodes(redis, proxy.port, 0, 0) as (one, two, three):
            await hear(b"1", three, one, two, three)
            proxy.hold()
            proxy.cut()
            lost = time.monotonic()
            await until(lambda: not (one.hears or two.hears or three.hears))
            await until(lambda: two.holds or three.holds)  # both lose patience at once: the later marker counts
            assert 1.9 < time.monotonic() - lost < 3.5
            await hear(b"2", three, one, two, three)  # by its siblings, although it has no connection of its own
            assert two.hears
            assert not one.hears
            proxy.release()
            await until(lambda: one.hears)
            await hear(b"3", one, one, two, three)
            assert not one.holds
            assert two.holds or three.holds
            assert [node.got for node in (one, two, three)] == [[b"1", b"2", b"3"]] * 3

    asyncio.run(test())


def test_two_that_met_too_late_agree_whose_markers_count(redis: RedisServer) -> None:
    async def test() -> None:
        with runtime_folder() as folder:
            one = Node(folder, redis)
            await one.start()
            old = folder.rename(f"{folder}-old")  # so that the new one has another inode
            folder.mkdir(mode=0o700)
            shutil.rmtree(old)
            two = Node(folder, redis)  # only now: it is the younger one
            await two.start()
            # Both hold, as a rule; on a busy machine they may have met by now.
            await until(lambda: two.mesh.peers and one.holds and not two.holds)
            assert two.shared._machine == one.shared._machine
            await until(lambda: two.hears)
            await hear(b"1", two, one, two)
            await one.leave()
            assert two.holds
            await hear(b"2", two, two)
            assert two.got == [b"1", b"2"]
            await two.leave()

    asyncio.run(test())


def test_all_who_start_and_end_at_once_agree_and_wait_for_nobody(redis: RedisServer) -> None:
    async def test() -> None:
        with runtime_folder() as folder:
            made = [Node(folder, redis) for _ in range(4)]
            await asyncio.gather(*(node.start() for node in made))
            assert all(node.hears for node in made)
            await until(lambda: sum(node.holds for node in made) == 1)
            await hear(b"1", made[0], *made)
            begun = time.monotonic()
            await asyncio.gather(*(node.leave() for node in made))
            assert time.monotonic() - begun < 0.9
            assert redis.command("PUBSUB", "CHANNELS") == ""

    asyncio.run(test())


def test_those_who_use_another_redis_or_key_are_no_siblings(redis: RedisServer) -> None:
    async def test() -> None:
        async with nodes(redis, 0) as (one,):
            two = Node(one.mesh.folder, redis)
            two.bus.endpoint = Endpoint(host="127.0.0.1", port=redis.port, shown="redis://there")
            await two.start()
            assert one.holds
            assert two.holds
            await hear(b"1", one, one, two)
            assert one.got == two.got == [b"1"]
            await two.leave()

    asyncio.run(test())


def test_who_opens_while_nobody_hears_is_told_so(redis: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        async with nodes(redis, 0) as (one,):
            stopped: Any = one.shared._keeper
            stopped.cancel()  # so that nobody takes over
            one.mark(b"0123456789abcdef 1")
            await until(lambda: not one.hears)
            with pytest.raises(Exception, match="no worker of this machine hears the other nodes"):
                await one.shared.settled()

    monkeypatch.setattr("flocket.adapters.shared_subscription._OPEN_TIME", 0.2)
    asyncio.run(test())
