"""The suite that authors of adapters inherit, on our own: the memory bus, unix sockets, and Redis in its dialects."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.cluster.tools import runtime_folder
from tests.support.redis import RedisServer

from flocket import ClusterAdapter, RedisAdapter, RedisStreamsAdapter, ShardedRedisAdapter
from flocket.adapters.buses.memory import MemoryBroker, MemoryBus
from flocket.adapters.buses.mesh import Mesh
from flocket.adapters.buses.unix import UnixBus
from flocket.cluster.runtime import make_identity
from flocket.testing import AdapterConformance


class TestMemoryBus(AdapterConformance):
    @asynccontextmanager
    async def adapters(self, count: int) -> AsyncIterator[list[Any]]:
        broker = MemoryBroker()
        yield [
            ClusterAdapter(MemoryBus(broker), heartbeat_interval=0.1, heartbeat_timeout=0.5) for _ in range(count)
        ]


class TestUnixBus(AdapterConformance):
    @asynccontextmanager
    async def adapters(self, count: int) -> AsyncIterator[list[Any]]:
        with runtime_folder() as folder:
            yield [_unix_adapter(Path(folder)) for _ in range(count)]


def _unix_adapter(folder: Path) -> ClusterAdapter:
    mesh = Mesh(folder, make_identity(folder))
    return ClusterAdapter(UnixBus(mesh), node=mesh.node)


class OnRedis(AdapterConformance):
    """One Redis server for all tests of a class; a prefix for each test."""

    factory: type[Any]
    prefix = "channel_prefix"
    server: RedisServer
    used = 0

    @classmethod
    def setup_class(cls) -> None:
        cls.server = RedisServer()
        cls.server.start()

    @classmethod
    def teardown_class(cls) -> None:
        cls.server.__exit__(None, None, None)

    @asynccontextmanager
    async def adapters(self, count: int) -> AsyncIterator[list[Any]]:
        OnRedis.used += 1
        yield [self.factory(self.server.url, **{self.prefix: f"test{OnRedis.used}"}) for _ in range(count)]


class TestRedisAdapter(OnRedis):
    factory = RedisAdapter
    prefix = "key"


class TestShardedRedisAdapter(OnRedis):
    factory = ShardedRedisAdapter


class TestRedisStreamsAdapter(OnRedis):
    factory = RedisStreamsAdapter

    @asynccontextmanager
    async def adapters(self, count: int) -> AsyncIterator[list[Any]]:
        OnRedis.used += 1
        name = f"test{OnRedis.used}"
        yield [RedisStreamsAdapter(self.server.url, channel_prefix=name, stream_name=name) for _ in range(count)]
