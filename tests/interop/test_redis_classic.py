"""A mixed cluster on one Redis, joined by @socket.io/redis-adapter and by RedisAdapter."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from tests.interop.redis_behaviour import CHECKS, TOGETHER
from tests.support.mixed import Mixed, mixed_cluster
from tests.support.redis import RedisServer

from flocket.adapters.redis_classic import RedisAdapter


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_in_a_mixed_cluster(redis: RedisServer, check: Callable[[Mixed], Awaitable[None]]) -> None:
    async def test() -> None:
        async with mixed_cluster("classic", redis.url, lambda: RedisAdapter(redis.url), {}) as cluster:
            await check(cluster)

    asyncio.run(test())


@pytest.mark.parametrize("specific", [False, True])
def test_with_ioredis_another_key_and_specific_response_channels(redis: RedisServer, specific: bool) -> None:
    options: dict[str, Any] = {"key": "mine", "publishOnSpecificResponseChannel": specific}

    async def test() -> None:
        async with mixed_cluster(
            "classic-ioredis",
            redis.url,
            lambda: RedisAdapter(redis.url, key="mine", publish_on_specific_response_channel=not specific),
            options,
        ) as cluster:
            for check in TOGETHER:
                await check(cluster)
                for inbox in cluster.inboxes.values():
                    inbox.clear()

    asyncio.run(test())


def test_all_rooms_of_all_nodes_are_known_to_either_side(redis: RedisServer) -> None:
    async def test() -> None:
        async with mixed_cluster("classic", redis.url, lambda: RedisAdapter(redis.url), {}) as cluster:
            adapter: Any = cluster.ours[0].of("/").adapter
            rooms = {*cluster.ids.values(), "everyone"}
            assert await adapter.all_rooms() == rooms
            assert set(await cluster.theirs[0].do("allRooms")) == rooms

    asyncio.run(test())
