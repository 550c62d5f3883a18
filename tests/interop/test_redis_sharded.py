"""A mixed cluster over sharded pub/sub, on one Redis and on a Redis Cluster of three masters."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from tests.interop.redis_behaviour import CHECKS, TOGETHER
from tests.support.fleet import LocalClient, fleet
from tests.support.mixed import Mixed, mixed_cluster
from tests.support.redis import RedisServer, redis_cluster

from flocket.adapters.redis_sharded import ShardedRedisAdapter


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture(scope="module")
def masters() -> Iterator[list[RedisServer]]:
    with redis_cluster() as servers:
        yield servers


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_in_a_mixed_cluster(redis: RedisServer, check: Callable[[Mixed], Awaitable[None]]) -> None:
    async def test() -> None:
        async with mixed_cluster("sharded", redis.url, lambda: ShardedRedisAdapter(redis.url), {}) as cluster:
            await check(cluster)

    asyncio.run(test())


@pytest.mark.parametrize("mode", ["static", "dynamic-private"])
def test_in_the_other_modes_and_with_another_prefix(redis: RedisServer, mode: Any) -> None:
    options = {"subscriptionMode": mode, "channelPrefix": "mine"}

    async def test() -> None:
        async with mixed_cluster(
            "sharded",
            redis.url,
            lambda: ShardedRedisAdapter(redis.url, subscription_mode=mode, channel_prefix="mine"),
            options,
        ) as cluster:
            for check in TOGETHER:
                await check(cluster)

    asyncio.run(test())


def test_rooms_on_two_shards_have_no_mutual_order_and_each_keeps_its_own(masters: list[RedisServer]) -> None:
    def master_of(room: str) -> RedisServer:
        channel = f"socket.io#/#{room}#"
        return next(master for master in masters if "MOVED" not in master.command("SPUBLISH", channel, ""))

    slow = master_of("room 0")
    other = next(room for room in (f"room {n}" for n in range(1, 100)) if master_of(room) is not slow)

    async def test() -> None:
        async with fleet(2, lambda: ShardedRedisAdapter(masters[0].url)) as nodes:
            client = await LocalClient(nodes[1]).connected()
            await nodes[1].sockets[client.sid].join("room 0", other)
            await nodes[1].of("/").adapter.settled()
            os.kill(slow.pid, signal.SIGSTOP)
            try:
                for number in range(100):
                    nodes[0].to("room 0").emit("first", number)
                    nodes[0].to(other).emit("second", number)
                await client.has(100)
            finally:
                os.kill(slow.pid, signal.SIGCONT)
            await client.has(200)
            assert client.events == [[name, number] for name in ("second", "first") for number in range(100)]

    asyncio.run(test())


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_on_a_redis_cluster(
    masters: list[RedisServer], check: Callable[[Mixed], Awaitable[None]]
) -> None:
    urls = iter([masters[1].url, masters[2].url])

    async def test() -> None:
        async with mixed_cluster(
            "sharded", masters[0].url, lambda: ShardedRedisAdapter(next(urls)), {}, REDIS_CLUSTER="1"
        ) as cluster:
            await check(cluster)

    asyncio.run(test())
