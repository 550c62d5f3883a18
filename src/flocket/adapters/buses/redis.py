"""RedisBus: what a node says and hears on one Redis server, over a connection for each. Redis pub/sub as a
Bus.

Knows channels and commands; does not know what is said.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from flocket.adapters.bus import Bus, NodeIdentity, OnMessage
from flocket.adapters.buses.redis_address import RedisAddress, require_redis
from flocket.adapters.buses.redis_ear import Ear, Hear, Kind
from flocket.adapters.buses.redis_endpoint import Endpoint
from flocket.adapters.buses.redis_pipe import Pipe, Words
from flocket.adapters.buses.resp import ReplyError
from flocket.adapters.outbox import Overflow

__all__ = ["CHANNEL", "PATTERN", "SHARD", "RedisBus", "channel_bytes", "pattern_of"]

log = logging.getLogger("flocket")

CHANNEL: Kind = b"subscribe"
PATTERN: Kind = b"psubscribe"
SHARD: Kind = b"ssubscribe"
_PUBLISH = {CHANNEL: b"PUBLISH", SHARD: b"SPUBLISH"}
_COUNT = {CHANNEL: "NUMSUB", SHARD: "SHARDNUMSUB"}
_TELL_EVERY = 60.0  # seconds between two lines about what is refused
_OVERHEAD = 64  # bytes of a command around its channel and data, roughly


def channel_bytes(channel: str) -> bytes:
    """A channel's name as Redis has it. A lone surrogate, which JavaScript allows in a room, survives."""
    return channel.encode("utf-8", "surrogatepass")


def pattern_of(prefix: str) -> str:
    """The pattern of all channels that begin so: what means something in a pattern is escaped."""
    return "".join(f"\\{letter}" if letter in "*?[]\\" else letter for letter in prefix) + "*"


class RedisBus(Bus):
    """`source` is a URL's address, where a server is, or a redis.asyncio.Redis whose settings are taken.

    While Redis is away, 1,000 messages or 1 MB wait for it (`overflow` says what happens to more); what was
    on its way is lost, and nothing is sent twice.
    """

    def __init__(self, source: RedisAddress | Endpoint | Any, *, overflow: Overflow = "fail") -> None:
        require_redis()
        if isinstance(source, RedisAddress):
            source = Endpoint.of(source)
        self.endpoint = source if isinstance(source, Endpoint) else Endpoint.of_client(source)
        self._overflow = overflow
        self._pipe: Pipe | None = None
        self._ear: Ear | None = None
        self._on_message: OnMessage | None = None
        self.refused = 0  # commands of `say` and `command`
        self._told_at = -_TELL_EVERY

    @property
    def pipe(self) -> Pipe:
        assert self._pipe is not None, "start() comes first"
        return self._pipe

    @property
    def ear(self) -> Ear:
        assert self._ear is not None, "start() comes first"
        return self._ear

    # -- life ---------------------------------------------------------------------------------------------

    async def start(self, node: NodeIdentity, on_message: OnMessage) -> None:
        self._on_message = on_message
        await self.open()

    async def open(self) -> None:
        """Connect. Raises AdapterError."""
        self._pipe, self._ear = Pipe(self.endpoint, self._overflow), Ear(self.endpoint)
        await self._pipe.start()
        try:
            await self._ear.start()
        except BaseException:
            await self._pipe.aclose()
            raise

    async def aclose(self) -> None:
        if self._pipe is not None and self._ear is not None:
            await self._pipe.aclose()
            await self._ear.aclose()

    # -- as a Bus -----------------------------------------------------------------------------------------

    def subscribe(self, channel: str) -> None:
        assert self._on_message is not None
        self.listen(CHANNEL, channel, self._on_message)

    def unsubscribe(self, channel: str) -> None:
        self.forget(CHANNEL, channel)

    def publish(self, channel: str, data: bytes) -> bool:
        if len(data) > self.max_message:
            raise ValueError(f"{len(data)} bytes are too many for one message")
        return self.say(CHANNEL, channel, data)

    async def drained(self) -> None:
        await self.pipe.drained()

    async def settled(self) -> None:
        if self.ear.connection is not None:
            await self.ear.settled()

    async def count_nodes(self, channel: str) -> int:
        return await self.count(CHANNEL, channel)

    # -- for adapters that speak other dialects -----------------------------------------------------------

    def listen(self, kind: Kind, channel: str, hear: Hear) -> None:
        """Hear what is published on a channel, or a pattern's or a shard's channel."""
        self.ear.listen(kind, channel_bytes(channel), hear)

    def forget(self, kind: Kind, channel: str) -> None:
        """Hear it no more."""
        self.ear.forget(kind, channel_bytes(channel))

    def confirmed(self, kind: Kind, channel: str) -> bool:
        """Whether it is heard now, as Redis says."""
        return self.ear.confirmed(kind, channel_bytes(channel))

    def say(self, kind: Kind, channel: str, data: bytes) -> bool:
        """Publish, and return at once; False if it is lost."""
        name = channel_bytes(channel)
        if len(data) > self.max_message:
            return self.too_large(len(data))
        return self.pipe.send((_PUBLISH[kind], name, data), len(name) + len(data) + _OVERHEAD, self._on_refused)

    def count(self, kind: Kind, channel: str) -> asyncio.Future[int]:
        """How many nodes hear a channel; counted before anything that is said from now on arrives there."""
        return _converted(self.pipe.ask("PUBSUB", _COUNT[kind], channel_bytes(channel)), lambda reply: int(reply[1]))

    def command(self, words: Words, size: int = 0) -> bool:
        """Send any command whose key is its second word; False if it is lost."""
        return self.too_large(size) if size > self.max_message else self.pipe.send(words, size, self._on_refused)

    def too_large(self, size: int) -> bool:
        """Say that a message is not published: Redis cuts off subscribers for whom 32 MB wait, all at once."""
        log.error("%d bytes are too many for the other nodes (%d): published to none", size, self.max_message)
        return False

    def _on_refused(self, error: ReplyError) -> None:
        self.refused += 1
        self.tell_refusal(error)

    def tell_refusal(self, error: ReplyError) -> None:
        """Log that what is said reaches nobody: no memory, no right, no master. Not for each command anew."""
        now = asyncio.get_running_loop().time()
        if now - self._told_at >= _TELL_EVERY:
            self._told_at = now
            log.error("Redis at %s refuses what is said to the other nodes: %s", self.endpoint.shown, error)

    def ask(self, *words: bytes | str | int) -> asyncio.Future[Any]:
        """Send any command whose key is its second word, and have its reply."""
        return self.pipe.ask(*words)

    def endpoint_of(self, key: bytes) -> Endpoint:
        """The server that has a key."""
        return self.endpoint

    def look(self) -> None:
        """Something is not where it was."""

    @property
    def pipe_lost(self) -> bool:
        """Whether the way to the server is closed."""
        return self.pipe.connection is None

    # -- health -------------------------------------------------------------------------------------------

    def health(self) -> dict[str, Any]:
        """Whether this node hears and says, and for how long it has not (seconds)."""
        return health_of([self.pipe], [self.ear])

    @property
    def dropped(self) -> int:
        return 0 if self._pipe is None else self._pipe.dropped

    @property
    def reconnects(self) -> int:
        return 0 if self._pipe is None or self._ear is None else self._pipe.reconnects + self._ear.reconnects


def health_of(pipes: list[Pipe], ears: list[Ear]) -> dict[str, Any]:
    """The state of several connections as one: that of the worst."""
    now = asyncio.get_running_loop().time()
    deaf = [now - ear.lost_at for ear in ears if ear.connection is None]
    mute = [now - pipe.lost_at for pipe in pipes if pipe.connection is None]
    return {
        "ok": not deaf and not mute,
        "hears": not deaf,
        "says": not mute,
        "away_for": round(max([*deaf, *mute], default=0.0), 3),
        "unsent": sum(len(pipe.outbox) for pipe in pipes),
    }


def _converted(future: asyncio.Future[Any], convert: Callable[[Any], int]) -> asyncio.Future[int]:
    converted: asyncio.Future[int] = future.get_loop().create_future()

    def done(asked: asyncio.Future[Any]) -> None:
        if converted.done():
            return
        error = None if asked.cancelled() else asked.exception()
        if asked.cancelled():
            converted.cancel()
        elif error is not None:
            converted.set_exception(error)
            converted.exception()  # no warning, if nobody waits
        else:
            converted.set_result(convert(asked.result()))

    future.add_done_callback(done)
    return converted
