"""One namespace's way to Redis streams and back: what is said is written to the log, what is read there is heard.

Knows entries, and what of our own is on its way; does not know who reads the streams, or what an event means.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flocket.adapters import messages as m
from flocket.adapters.buses.redis_pipe import Words
from flocket.adapters.buses.redis_reader import StreamId
from flocket.adapters.buses.resp import ReplyError
from flocket.adapters.link import Receive
from flocket.adapters.redis_link import RedisLink
from flocket.adapters.stream_log import id_of, place_of
from flocket.adapters.wire.streams import Streams, is_durable
from flocket.codec.errors import DecodeError
from flocket.codec.socketio import Packet
from flocket.sockets.parsers import Encoded
from flocket.sockets.target import Target

if TYPE_CHECKING:
    from flocket.adapters.redis_streams import RedisStreamsAdapter
    from flocket.adapters.streams_namespace import StreamsNamespace
    from flocket.sockets.socket import Socket

__all__ = ["StreamsLink", "Written"]

_BROADCAST = "3"  # the type of an event's entry
_LOG_TIME = 1.0  # seconds after which an event that is not in the log yet is delivered without a place there
_RECENT = 1_000  # events that are kept in memory besides, to join what a client missed to what goes on


@dataclass(slots=True)
class Written:
    """What was said here, and has no place in the log yet; `sockets` are those of this node for whom it was."""

    packet: Packet
    target: Target
    encoded: Encoded
    sockets: list[Socket[Any]]
    timer: asyncio.TimerHandle | None = None


class StreamsLink(RedisLink):
    def __init__(self, adapter: StreamsNamespace, factory: RedisStreamsAdapter) -> None:
        self.wire = Streams(
            adapter.nsp.name,
            os.urandom(8).hex(),
            name=factory.name,
            count=factory.stream_count,
            prefix=factory.channel_prefix,
            only_plaintext=factory.only_plaintext,
        )
        super().__init__(factory, self.wire, factory.kind, self.wire.base, self.wire.base)
        self.stream = self.wire.stream
        self._adapter = adapter
        self._factory = factory
        self._sequence = 0
        self._written: dict[str, Written] = {}  # to the log, and not read there yet
        self._recent: deque[tuple[StreamId, dict[str, str]]] = deque(maxlen=_RECENT)

    async def open(self, receive: Receive) -> None:
        kept = self._adapter.log
        if kept is not None:
            kept.position = place_of(self._factory.position(self.nsp))
        self._factory.enter(self)
        await super().open(receive)

    async def close(self) -> None:
        self._factory.leave(self)
        await super().close()

    # -- hearing the log -----------------------------------------------------------------------------------

    def on_entry(self, entry: StreamId, said: dict[str, str]) -> None:
        """An entry of this namespace's log."""
        kept = self._adapter.log
        if kept is not None:
            kept.position = place_of(entry)
            if said.get("type") == _BROADCAST:
                self._recent.append((entry, said))
        if said.get("uid") == self.uid:
            # Our own: delivered when it was said, but for those that wait for their place in the log.
            seq = said.get("seq", "")
            if seq in self._written:
                self._adapter.deliver_written(entry, self._take_written(seq))
            return
        try:
            message = self.wire.decode_entry(said)
        except DecodeError as error:
            self.ignore(error)
            return
        if isinstance(message, m.Broadcast) and kept is not None:
            self.counters.received += 1
            self._adapter.receive_at(entry, message)
        else:
            self.receive(message, id_of(place_of(entry)))

    # -- the log, for clients that come back ----------------------------------------------------------------

    @property
    def waiting(self) -> Collection[Written]:
        """Oldest first."""
        return self._written.values()

    @property
    def position(self) -> StreamId:
        return self._factory.position(self.nsp)

    def recent(self, after: StreamId) -> list[tuple[StreamId, dict[str, str]]] | None:
        if after < self._forgotten():
            return None
        return [(entry, said) for entry, said in self._recent if entry > after]

    def _forgotten(self) -> StreamId:
        return self._recent[0][0] if len(self._recent) == _RECENT else (0, 0)

    # -- saying -------------------------------------------------------------------------------------------

    def publish(self, message: m.Message, to: str) -> bool:
        if to or not is_durable(message):
            return super().publish(message, to)
        words, size = self._xadd(message)
        return self._bus.command(words, size)

    def _xadd(self, message: m.Message) -> tuple[Words, int]:
        entry = self.wire.encode_entry(message)
        fields = [part for pair in entry.items() for part in pair]
        words: Words = ("XADD", self.wire.stream, "MAXLEN", "~", self._factory.max_len, "*", *fields)
        return words, len(entry.get("data", "")) + 128

    def broadcast_logged(self, packet: Packet, target: Target, encoded: Encoded) -> None:
        """Write an event to the log; it is delivered here when it is read there, or when it cannot be written."""
        self._sequence += 1
        seq = str(self._sequence)
        words, _ = self._xadd(self.event(packet, target))
        sockets = self._adapter.sockets_local(target)
        self._written[seq] = written = Written(packet, target, encoded, sockets)
        asked = self._bus.ask(*words, "seq", seq)

        def done(asked: asyncio.Future[Any]) -> None:
            failed = asked.cancelled() or asked.exception() is not None
            self.counters.published += not failed
            self.counters.publish_dropped += failed
            if failed:
                refusal = None if asked.cancelled() else asked.exception()
                if isinstance(refusal, ReplyError):
                    self._bus.tell_refusal(refusal)
                self._deliver_unlogged(seq)

        asked.add_done_callback(done)
        if seq in self._written:
            loop = asyncio.get_running_loop()
            written.timer = loop.call_later(_LOG_TIME, self._deliver_unlogged, seq)

    def _deliver_unlogged(self, seq: str) -> None:
        # In the order of saying: what was said before is late too.
        while self._written and seq in self._written:
            first = next(iter(self._written))
            self._adapter.deliver_written(None, self._take_written(first))

    def _take_written(self, seq: str) -> Written:
        written = self._written.pop(seq)
        if written.timer is not None:
            written.timer.cancel()
        return written
