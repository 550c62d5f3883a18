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
from flocket.adapters.buses.redis import CHANNEL, PATTERN, pattern_of
from flocket.adapters.link import Link, Receive
from flocket.adapters.questions import Question
from flocket.adapters.redis_factory import RedisFactory
from flocket.adapters.redis_link import RedisLink
from flocket.adapters.wire.redis_classic import RedisClassic
from flocket.errors import ConfigError

if TYPE_CHECKING:
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
    ) -> None:
        if parser is not None and not (hasattr(parser, "encode") and hasattr(parser, "decode")):
            raise ConfigError(f"parser={parser!r:.80}: an object with encode() and decode()")
        super().__init__(url, host, port, client, requests_timeout, start_timeout)
        self.key = key
        self._specific = publish_on_specific_response_channel
        self._parser = parser

    @property
    def prefix(self) -> str:
        return self.key

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
        self._base = len(wire.broadcasts)

    def channels(self) -> list[str]:
        return [*super().channels(), self._dialect.responses]

    async def open(self, receive: Receive) -> None:
        self._bus.listen(PATTERN, pattern_of(self._dialect.broadcasts), self._on_broadcast)
        await super().open(receive)

    async def close(self) -> None:
        self._bus.forget(PATTERN, pattern_of(self._dialect.broadcasts))
        await super().close()

    def _on_broadcast(self, channel: str, data: bytes) -> None:
        # The room stands in the channel: without members, the message need not even be read.
        room = channel[self._base : -1]
        if not room or room in self._adapter.rooms:
            self.on_message(channel, data)
