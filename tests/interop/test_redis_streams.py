"""A mixed cluster over Redis streams, on one Redis and on a Redis Cluster of three masters."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from tests.interop.redis_behaviour import CHECKS, TOGETHER
from tests.support.fleet import LocalClient, fleet
from tests.support.mixed import Mixed, mixed_cluster
from tests.support.redis import RedisServer, redis_cluster

from flocket import AsyncEmitter, RedisStreamsAdapter, Server


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_in_a_mixed_cluster(redis: RedisServer, check: Callable[[Mixed], Awaitable[None]]) -> None:
    async def test() -> None:
        async with mixed_cluster("streams", redis.url, lambda: RedisStreamsAdapter(redis.url), {}) as cluster:
            await check(cluster)

    asyncio.run(test())


def run_together(kind: str, url: str, make: Callable[[], Any], options: Any, **more: Any) -> None:
    async def test() -> None:
        async with mixed_cluster(kind, url, make, options, **more) as cluster:
            for check in TOGETHER:
                await check(cluster)

    asyncio.run(test())


def test_with_ioredis_several_streams_and_other_names(redis: RedisServer) -> None:
    run_together(
        "streams-ioredis",
        redis.url,
        lambda: RedisStreamsAdapter(
            redis.url, stream_name="mine", stream_count=4, channel_prefix="also", use_sharded_pub_sub=True
        ),
        {"streamName": "mine", "streamCount": 4, "channelPrefix": "also", "useShardedPubSub": True},
    )


def test_namespaces_whose_hash_is_negative_are_written_under_nodes_name_and_read_by_us(redis: RedisServer) -> None:
    def setup(server: Server[Any]) -> None:
        server.of("/notifications")

    async def test() -> None:
        made = iter([RedisStreamsAdapter(redis.url, stream_name="signed", stream_count=4) for _ in range(2)])
        async with fleet(2, lambda: next(made), setup) as nodes:
            clients = [await LocalClient(node, "/notifications").connected() for node in nodes]
            nodes[0].of("/notifications").emit("hi")
            url = redis.url.replace("redis", "redis+streams")
            async with AsyncEmitter(url, stream_name="signed", stream_count=4) as other:
                await other.of("/notifications").emit("from outside")
            for client in clients:
                await client.got("hi")
                await client.got("from outside")
        assert redis.command("XLEN", "signed--3") == "2"

    asyncio.run(test())


def test_on_a_redis_cluster() -> None:
    with redis_cluster() as masters:
        urls = iter([masters[1].url, masters[2].url])
        run_together(
            "streams",
            masters[0].url,
            lambda: RedisStreamsAdapter(next(urls), stream_count=3, use_sharded_pub_sub=True),
            {"streamCount": 3, "useShardedPubSub": True},
            REDIS_CLUSTER="1",
        )
