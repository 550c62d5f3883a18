"""ShardedRedisAdapter: a node in a cluster of Node's nodes with createShardedAdapter, or of ours, on Redis 7.

Joins the sharded dialect to Redis: which channels, who is counted. What is asked and answered is brain.py's.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from typing import TYPE_CHECKING, Any, get_args

from flocket.adapters import messages as m
from flocket.adapters.brain import ClusterNamespace
from flocket.adapters.buses.redis import SHARD
from flocket.adapters.link import Link, Receive
from flocket.adapters.questions import Question
from flocket.adapters.redis_factory import RedisFactory, expect_counted, name_the_dead
from flocket.adapters.translate import options_of
from flocket.adapters.wire.sharded import Sharded, SubscriptionMode
from flocket.codec.errors import DecodeError
from flocket.codec.socketio import Packet
from flocket.errors import AdapterError, ConfigError
from flocket.sockets.parsers import Encoded
from flocket.sockets.target import Target

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
    each socket. Rooms on different shards have no order among each other.
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
    ) -> None:
        if subscription_mode not in get_args(SubscriptionMode):
            raise ConfigError(f"subscription_mode={subscription_mode!r}: one of {get_args(SubscriptionMode)}")
        super().__init__(url, host, port, client, requests_timeout)
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


class _Link(Link):
    def __init__(self, adapter: ClusterNamespace, factory: ShardedRedisAdapter) -> None:
        self._adapter = adapter
        self._bus = factory.bus
        self.uid = os.urandom(8).hex()
        self._wire = Sharded(adapter.nsp.name, self.uid, factory.channel_prefix, mode=factory.subscription_mode)
        self._rooms: set[str] = set()  # those whose channel is heard
        self._receive: Receive | None = None
        self.counters = factory.counters

    async def open(self, receive: Receive) -> None:
        self._receive = receive
        for channel in (self._wire.base, self._wire.own_responses):
            self._bus.listen(SHARD, channel, self._on_message)
        await self._bus.settled()

    async def close(self) -> None:
        for room in list(self._rooms):
            self.room_deleted(room)
        for channel in (self._wire.base, self._wire.own_responses):
            self._bus.forget(SHARD, channel)

    def room_created(self, room: str) -> None:
        # A socket's own room has its id for a name; Node's publishers leave it to the base channel.
        if self._wire.subscribes(room, own=room in self._adapter.sids):
            self._rooms.add(room)
            self._bus.listen(SHARD, self._wire.room_channel(room), self._on_message)

    def room_deleted(self, room: str) -> None:
        if room in self._rooms:
            self._rooms.discard(room)
            self._bus.forget(SHARD, self._wire.room_channel(room))

    def _on_message(self, channel: str, data: bytes) -> None:
        try:
            message = self._wire.decode(channel, data)
        except DecodeError as error:
            self.counters.bad_messages += 1
            log.debug("a message on %.80r is ignored: %s", channel, error)
            return
        assert self._receive is not None
        self._receive(message, "")

    def say(self, message: m.Message, to: str = "") -> bool:
        if isinstance(message, m.ClientGone):
            return True  # Node's dialect has no word for it: the asker waits for its timeout, as in Node
        queued = self._bus.say(SHARD, *self._wire.encode(message, to))
        self.counters.published += queued
        self.counters.publish_dropped += not queued
        return queued

    def broadcast(self, packet: Packet, target: Target) -> Encoded | None:
        opts = options_of(target)
        self.say(m.Broadcast(uid=self.uid, nsp=self._adapter.nsp.name, data=packet.data, opts=opts))
        return None

    def ask(self, question: Question, message: m.Message) -> None:
        if isinstance(message, m.CountSockets):  # the dialect has no word for it, but for what includes it
            message = m.FetchSockets(uid=message.uid, nsp=message.nsp, request_id=message.request_id, opts=message.opts)
        expect_counted(question, self._bus.count(SHARD, self._wire.base))
        self.say(message)

    async def recount(self, question: Question) -> None:
        with contextlib.suppress(AdapterError, asyncio.TimeoutError):
            question.expect_count(await asyncio.wait_for(self._bus.count(SHARD, self._wire.base), 2.0) - 1)
            await name_the_dead(question, lambda uid: self._bus.count(SHARD, f"{self._wire.base}{uid}#"))

    async def server_count(self) -> int:
        return await self._bus.count(SHARD, self._wire.base)

    async def drained(self) -> None:
        await self._bus.drained()

    async def settled(self) -> None:
        await self._bus.settled()
