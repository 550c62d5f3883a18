"""RedisAdapter: a node in a cluster of Node's nodes with @socket.io/redis-adapter, or of ours, on one Redis.

Joins the classic dialect to RedisBus: which channels, who is counted. What is asked and answered is
brain.py's.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from typing import TYPE_CHECKING, Any, Protocol

from flocket.adapters import messages as m
from flocket.adapters.brain import ClusterNamespace
from flocket.adapters.buses.redis import CHANNEL, PATTERN, RedisBus, pattern_of
from flocket.adapters.link import Link, Receive
from flocket.adapters.questions import Question
from flocket.adapters.redis_factory import RedisFactory, expect_counted
from flocket.adapters.translate import options_of
from flocket.adapters.wire.redis_classic import RedisClassic
from flocket.codec.errors import DecodeError
from flocket.codec.socketio import Packet
from flocket.errors import AdapterError, ConfigError
from flocket.sockets.parsers import Encoded
from flocket.sockets.target import Target

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
    Node's adapter, and must be the same on all nodes (but for the timeout).
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
        publish_on_specific_response_channel: bool = False,
        parser: RedisParser | None = None,
    ) -> None:
        if parser is not None and not (hasattr(parser, "encode") and hasattr(parser, "decode")):
            raise ConfigError(f"parser={parser!r:.80}: an object with encode() and decode()")
        super().__init__(url, host, port, client, requests_timeout)
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


class _Link(Link):
    def __init__(self, adapter: ClusterNamespace, factory: RedisAdapter) -> None:
        self._adapter = adapter
        self._bus: RedisBus = factory.bus
        self._wire = factory.wire(adapter.nsp.name)
        self._base = len(self._wire.broadcasts)
        self._receive: Receive | None = None
        self.uid = self._wire.uid
        self.counters = factory.counters

    async def open(self, receive: Receive) -> None:
        self._receive = receive
        wire = self._wire
        self._bus.listen(PATTERN, pattern_of(wire.broadcasts), self._on_broadcast)
        for channel in (wire.requests, wire.responses, wire.own_responses):
            self._bus.listen(CHANNEL, channel, self._on_message)
        await self._bus.settled()

    async def close(self) -> None:
        wire = self._wire
        self._bus.forget(PATTERN, pattern_of(wire.broadcasts))
        for channel in (wire.requests, wire.responses, wire.own_responses):
            self._bus.forget(CHANNEL, channel)

    # -- hearing ------------------------------------------------------------------------------------------

    def _on_broadcast(self, channel: str, data: bytes) -> None:
        # The room stands in the channel: without members, the message need not even be read.
        room = channel[self._base : -1]
        if not room or room in self._adapter.rooms:
            self._on_message(channel, data)

    def _on_message(self, channel: str, data: bytes) -> None:
        try:
            message = self._wire.decode(channel, data)
        except DecodeError as error:
            self.counters.bad_messages += 1
            log.debug("a message on %.80r is ignored: %s", channel, error)
            return
        assert self._receive is not None
        self._receive(message, "")

    # -- saying -------------------------------------------------------------------------------------------

    def say(self, message: m.Message, to: str = "") -> bool:
        if isinstance(message, m.ClientGone):
            return True  # Node's dialect has no word for it: the asker waits for its timeout, as in Node
        queued = self._bus.say(CHANNEL, *self._wire.encode(message, to))
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
        expect_counted(question, self._bus.count(CHANNEL, self._wire.requests))
        self.say(message)

    async def recount(self, question: Question) -> None:
        with contextlib.suppress(AdapterError, asyncio.TimeoutError):
            question.expect_count(await asyncio.wait_for(self._count(), 2.0) - 1)

    def _count(self) -> asyncio.Future[int]:
        return self._bus.count(CHANNEL, self._wire.requests)

    async def server_count(self) -> int:
        return await self._count()

    async def drained(self) -> None:
        await self._bus.drained()
