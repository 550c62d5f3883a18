"""ShardedRedisAdapter: a node in a cluster of Node's nodes with createShardedAdapter, or of ours, on Redis 7.

Joins the sharded dialect to Redis: which channels, who is counted. What is asked is brain.py's, what is
answered answering.py's.
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any, get_args

from flocket.adapters.brain import ClusterNamespace
from flocket.adapters.buses.redis import SHARD
from flocket.adapters.link import Link
from flocket.adapters.redis_factory import RedisFactory
from flocket.adapters.redis_link import RedisLink
from flocket.adapters.wire.sharded import Sharded, SubscriptionMode
from flocket.errors import ConfigError

if TYPE_CHECKING:
    from flocket.sockets.adapter import Adapter
    from flocket.sockets.namespace import Namespace

__all__ = ["ShardedRedisAdapter"]

log = logging.getLogger("flocket")


class ShardedRedisAdapter(RedisFactory):
    """`io.adapter(ShardedRedisAdapter("redis://localhost:7000"))`: one Redis 7, or any node of a Redis
    Cluster.

    `channel_prefix` and `subscription_mode` are those of Node's adapter, and must be the same on all nodes:
    "static" has one channel for a namespace, "dynamic" one more for each room, "dynamic-private" also for
    each socket. Rooms on different shards have no order among each other, nor with what is for everybody. There is no
    `shared_subscription` here: nodes are counted by the channel that carries events, so each worker has its own.
    """

    dialect = "sharded"

    def __init__(
        self,
        url: str | None = None,
        *,
        host: str = "localhost",
        port: int = 6379,
        client: Any = None,
        channel_prefix: str = "socket.io",
        subscription_mode: SubscriptionMode = "dynamic",
        requests_timeout: float = 5.0,
        start_timeout: float = 0.0,
    ) -> None:
        if subscription_mode not in get_args(SubscriptionMode):
            raise ConfigError(f"subscription_mode={subscription_mode!r}: one of {get_args(SubscriptionMode)}")
        super().__init__(url, host, port, client, requests_timeout, start_timeout)
        self.channel_prefix = channel_prefix
        self.subscription_mode: SubscriptionMode = subscription_mode

    @property
    def prefix(self) -> str:
        return self.channel_prefix

    def __call__(self, nsp: Namespace[Any]) -> Adapter:
        return _Namespace(nsp, self)


class _Namespace(ClusterNamespace):
    def __init__(self, nsp: Namespace[Any], factory: ShardedRedisAdapter) -> None:
        super().__init__(nsp, factory.requests_timeout)
        self._factory = factory

    def make_link(self) -> Link:
        return _Link(self, self._factory)


class _Link(RedisLink):
    def __init__(self, adapter: ClusterNamespace, factory: ShardedRedisAdapter) -> None:
        uid, mode = os.urandom(8).hex(), factory.subscription_mode
        self._dialect = wire = Sharded(adapter.nsp.name, uid, factory.channel_prefix, mode=mode)
        super().__init__(factory, wire, SHARD, wire.base, wire.base)
        self._adapter = adapter
        self._rooms: set[str] = set()  # those whose channel is heard

    async def close(self) -> None:
        for room in list(self._rooms):
            self.room_deleted(room)
        await super().close()

    def room_created(self, room: str) -> None:
        # A socket's own room has its id for a name; Node's publishers leave it to the base channel.
        if self._dialect.subscribes(room, own=room in self._adapter.sids):
            self._rooms.add(room)
            self._bus.listen(SHARD, self._dialect.room_channel(room), self.on_message)

    def room_deleted(self, room: str) -> None:
        if room in self._rooms:
            self._rooms.discard(room)
            self._bus.forget(SHARD, self._dialect.room_channel(room))
