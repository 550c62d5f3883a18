"""RedisAdapter: a node in a cluster of Node's nodes with @socket.io/redis-adapter, or of ours, on one Redis.

Joins the classic dialect to RedisBus: which channels, who is counted. What is asked is brain.py's, what is
answered answering.py's.
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any, Protocol

from flocket.adapters import messages as m
from flocket.adapters.brain import ClusterNamespace
from flocket.adapters.buses.redis import CHANNEL, PATTERN, RedisBus, pattern_of
from flocket.adapters.buses.redis_cluster import RedisClusterBus
from flocket.adapters.link import Link, Receive
from flocket.adapters.questions import Question
from flocket.adapters.redis_factory import RedisFactory
from flocket.adapters.redis_link import RedisLink
from flocket.adapters.shared_subscription import SharedSubscription
from flocket.adapters.wire.redis_classic import RedisClassic
from flocket.errors import AdapterError, ConfigError
from flocket.options import check_switches

if TYPE_CHECKING:
    from flocket.adapters.bus import NodeIdentity
    from flocket.adapters.buses.lanes import Lane
    from flocket.adapters.buses.redis_ear import Hear
    from flocket.sockets.adapter import Adapter
    from flocket.sockets.namespace import Namespace

__all__ = ["RedisAdapter", "RedisParser"]

log = logging.getLogger("flocket")

_UID = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


class RedisParser(Protocol):
    """What replaces msgpack, if Node's nodes have another `parser`."""

    def encode(self, value: Any) -> bytes: ...

    def decode(self, data: bytes) -> Any: ...


class RedisAdapter(RedisFactory):
    """`io.adapter(RedisAdapter("redis://localhost:6379"))`, or `host` and `port`, or `client=`.

    `key`, `requests_timeout` (seconds), `publish_on_specific_response_channel` and `parser` are those of
    Node's adapter, and must be the same on all nodes (but for the timeout). A Redis that is not there yet when the
    server starts is tried again for `start_timeout` seconds.

    With `shared_subscription` one of a machine's workers hears what is emitted, and tells its siblings: Redis writes
    it once a machine, and the workers have more to do (docs/multiple-nodes.md). Not on a Redis Cluster, where what
    two masters publish has no common order. The other two adapters have no such option: the channel on which they
    hear events is also the one by which Node counts nodes, or it is a log that each reads at its own position.
    """

    dialect = "classic"

    def __init__(
        self,
        url: str | None = None,
        *,
        host: str = "localhost",
        port: int = 6379,
        client: Any = None,
        key: str = "socket.io",
        requests_timeout: float = 5.0,
        start_timeout: float = 0.0,
        publish_on_specific_response_channel: bool = False,
        parser: RedisParser | None = None,
        shared_subscription: bool = False,
    ) -> None:
        check_switches({"shared_subscription": shared_subscription})
        if parser is not None and not (hasattr(parser, "encode") and hasattr(parser, "decode")):
            raise ConfigError(f"parser={parser!r:.80}: an object with encode() and decode()")
        super().__init__(url, host, port, client, requests_timeout, start_timeout)
        self.key = key
        self._specific = publish_on_specific_response_channel
        self._parser = parser
        self._wants_shared = shared_subscription
        self._siblings: tuple[Lane, NodeIdentity] | None = None
        self._shared: SharedSubscription | None = None

    @property
    def prefix(self) -> str:
        return self.key

    # -- one subscription for all workers of a machine --------------------------------------------------------

    def join_siblings(self, lane: Lane, node: NodeIdentity) -> None:
        """Called before `start` where there are siblings: `lane` reaches them, and `node` is this worker."""
        if self._wants_shared:
            self._siblings = lane, node

    async def start(self) -> None:
        await super().start()
        if self._siblings is not None:
            self._shared = SharedSubscription(self.bus, *self._siblings, self.key, self.counters)
            await self._shared.start()

    async def _make_bus(self) -> RedisBus:
        bus = await super()._make_bus()
        if self._wants_shared and isinstance(bus, RedisClusterBus):
            raise AdapterError(
                f"Redis at {bus.endpoint.shown} is a Redis Cluster: without shared_subscription=True, please, "
                "as what two masters publish has no common order"
            )
        return bus

    async def aclose(self) -> None:
        shared, self._shared, self._siblings = self._shared, None, None
        if shared is not None:
            await shared.aclose()
        await super().aclose()

    def health(self) -> dict[str, Any]:
        health = super().health()
        return health if self._shared is None else self._shared.health(health)

    def stats(self) -> dict[str, int]:
        return super().stats() if self._shared is None else super().stats() | self._shared.stats()

    @property
    def shared(self) -> SharedSubscription | None:
        """What hears for all workers of this machine, if that was wanted and there are any."""
        return self._shared

    # -- namespaces -------------------------------------------------------------------------------------------

    def __call__(self, nsp: Namespace[Any]) -> Adapter:
        return _Namespace(nsp, self)

    def wire(self, nsp: str) -> RedisClassic:
        uid = "".join(_UID[byte & 63] for byte in os.urandom(6))
        if self._parser is None:
            return RedisClassic(nsp, uid, self.key, specific_responses=self._specific)
        return RedisClassic(
            nsp,
            uid,
            self.key,
            specific_responses=self._specific,
            pack=self._parser.encode,
            unpack=self._parser.decode,
        )


class _Namespace(ClusterNamespace):
    def __init__(self, nsp: Namespace[Any], factory: RedisAdapter) -> None:
        super().__init__(nsp, factory.requests_timeout)
        self._factory = factory

    def make_link(self) -> Link:
        return _Link(self, self._factory)

    async def all_rooms(self) -> set[str]:
        """Every room of every node. Raises AckTimeout for the silence of a live node."""
        question = Question(os.urandom(3).hex())
        asked = m.AllRooms(uid=self.link.uid, nsp=self.nsp.name, request_id=question.request_id)
        return {*self.rooms, *await self._ask(question, asked, self.requests_timeout, "all_rooms")}


class _Link(RedisLink):
    def __init__(self, adapter: ClusterNamespace, factory: RedisAdapter) -> None:
        self._dialect = wire = factory.wire(adapter.nsp.name)
        super().__init__(factory, wire, CHANNEL, wire.requests, wire.responses)
        self._adapter = adapter
        self._factory = factory
        self._base = len(wire.broadcasts)

    def channels(self) -> list[str]:
        return [*super().channels(), self._dialect.responses]

    async def open(self, receive: Receive) -> None:
        wire, shared = self._dialect, self._factory.shared
        if shared is None:
            self._bus.listen(PATTERN, pattern_of(wire.broadcasts), self._on_broadcast)
        else:
            shared.listen(wire.broadcasts, self._on_broadcast, wire.requests, self.on_message)
        await super().open(receive)
        if shared is not None:
            await shared.settled()

    async def close(self) -> None:
        wire, shared = self._dialect, self._factory.shared
        if shared is None:
            self._bus.forget(PATTERN, pattern_of(wire.broadcasts))
        else:
            shared.forget(wire.broadcasts, wire.requests)
        await super().close()

    def hearer(self, channel: str) -> Hear:
        if self._factory.shared is not None and channel == self._dialect.requests:
            return _told_otherwise
        return super().hearer(channel)

    def _on_broadcast(self, channel: str, data: bytes) -> None:
        # The room stands in the channel: without members, the message need not even be read.
        room = channel[self._base : -1]
        if not room or room in self._adapter.rooms:
            self.on_message(channel, data)


def _told_otherwise(channel: str, data: bytes) -> None:
    """A request that the shared subscription tells, in its order; this one is there to be counted."""
