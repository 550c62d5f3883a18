"""A Node node beside workers of ours that have one subscription for all: each event once, and the counts agree."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from tests.interop.redis_behaviour import CHECKS
from tests.support.machine import Machine, machine
from tests.support.mixed import NodeNode, mixed_cluster
from tests.support.polling import until
from tests.support.redis import RedisServer

from flocket import Emitter, RedisAdapter


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


async def hears(node: NodeNode, *events: list[Any]) -> None:
    """Both clients of Node's node get these events, and nothing else."""
    await until(lambda: all(len(got) >= len(events) for got in node.events))
    for got in node.events:
        assert got == list(events)
        got.clear()


async def check(node: NodeNode, there: Machine, redis: RedisServer) -> None:
    everybody = there.all()
    red = [peers[0] for peers in there.clients.values()]
    for peer in red:
        peer.ask("join", "red")
    ids = [peer.sid for peer in red]
    await node.do("emit", "all", 1)
    await node.do("emit", "red", rooms=["red"])
    await node.do("emit", "not red", **{"except": ["red"]})
    await node.do("emit", "binary", b"\1\2")
    await node.do("emit", "last", rooms=[*ids, *(peer.sid for peer in everybody)])
    for peer in everybody:
        assert peer.receive() == '42["all",1]'
        assert peer.receive() == ('42["red"]' if peer in red else '42["not red"]')
        assert [peer.receive(), peer.receive()] == ['451-["binary",{"_placeholder":true,"num":0}]', b"\1\2"]
        assert peer.receive() == '42["last"]'
    await hears(node, ["all", 1], ["not red"], ["binary", {"$bytes": "0102"}])

    Emitter(redis.url).emit("from outside")
    for peer in everybody:
        assert peer.receive() == '42["from outside"]'
    await hears(node, ["from outside"])
    for worker, peers in there.clients.items():
        peers[0].emit("shout", worker)
        for peer in everybody:
            assert peer.receive() == f'42["heard",{worker}]'
        await hears(node, ["heard", worker])

    assert await node.do("serverCount") == 5
    assert red[0].ask("count") == [5, len(everybody) + 2]
    assert redis.command("PUBSUB", "NUMSUB", "socket.io-request#/#").split()[1] == "5"
    assert sorted(await node.do("ask", "number")) == [0, 1, 2, 3]
    sockets = await node.do("fetchSockets")
    assert sorted(socket["id"] for socket in sockets) == sorted([*node.ids, *(peer.sid for peer in everybody)])
    await node.do("join", rooms=["red"], to="blue")
    await node.do("emit", "blue", rooms=["blue"])
    for peer in red:
        assert peer.receive() == '42["blue"]'
    assert len(await node.do("fetchSockets", rooms=["blue"])) == len(red)


def test_four_workers_that_share_a_subscription_beside_a_node_of_nodes(redis: RedisServer) -> None:
    async def test() -> None:
        node = NodeNode("classic", redis.url, "node", {})
        await node.start()
        try:
            with machine(redis) as there:
                there.holder()
                await check(node, there, redis)
                assert there.patterns() == [0, 0, 0, 1, 2]  # Node's own, and one of all four workers'
        finally:
            await node.aclose()

    asyncio.run(test())


@pytest.mark.parametrize("check", CHECKS[:2], ids=lambda check: check.__name__)
def test_without_siblings_the_option_changes_nothing(redis: RedisServer, check: Any) -> None:
    async def test() -> None:
        adapters = (RedisAdapter(redis.url, shared_subscription=True) for _ in range(2))
        async with mixed_cluster("classic", redis.url, lambda: next(adapters), {}) as cluster:
            assert redis.command("PUBSUB", "NUMPAT") == "1"  # the very one of Node's nodes
            assert redis.command("PUBSUB", "CHANNELS", "socket.io-holder#*") == ""
            await check(cluster)

    asyncio.run(test())
