"""What the links of the three Redis adapters have in common: one bus, nodes counted by a channel's subscriptions.

Knows which channel counts; does not know the dialects, but that a wire writes and reads them.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Protocol

from flocket.adapters import messages as m
from flocket.adapters.buses.redis_ear import Hear, Kind
from flocket.adapters.link import Link, Receive
from flocket.adapters.questions import Question
from flocket.adapters.translate import options_of
from flocket.codec.errors import DecodeError
from flocket.codec.socketio import Packet
from flocket.errors import AdapterError
from flocket.sockets.parsers import Encoded
from flocket.sockets.target import Target

if TYPE_CHECKING:
    from flocket.adapters.redis_factory import RedisFactory

__all__ = ["RedisLink", "Wire"]

log = logging.getLogger("flocket")

_COUNT_TIME = 2.0  # seconds for an answer of Redis while a question waits


class Wire(Protocol):
    """One namespace's dialect, as one node speaks it."""

    nsp: str
    uid: str

    def encode(self, message: m.Message, to: str = "") -> tuple[str, bytes]: ...

    def decode(self, channel: str, payload: bytes) -> m.Message: ...


class RedisLink(Link):
    """`kind` is how channels are subscribed; every node is on `counted`; `own` + uid + "#" is a node's own channel."""

    def __init__(self, factory: RedisFactory, wire: Wire, kind: Kind, counted: str, own: str) -> None:
        self.uid = wire.uid
        self.nsp = wire.nsp
        self.counters = factory.counters
        self._bus = factory.bus
        self._wire = wire
        self._kind = kind
        self._counted = counted
        self._own = own
        self._receive: Receive | None = None
        self._heard: list[str] = []

    # -- hearing ------------------------------------------------------------------------------------------

    async def open(self, receive: Receive) -> None:
        self._receive = receive
        for channel in self.channels():
            self._bus.listen(self._kind, channel, self.hearer(channel))
            self._heard.append(channel)
        await self._bus.settled()

    async def close(self) -> None:
        for channel in self._heard:
            self._bus.forget(self._kind, channel)

    def channels(self) -> list[str]:
        """What this node hears from its beginning."""
        return [self._counted, f"{self._own}{self.uid}#"]

    def hearer(self, channel: str) -> Hear:
        """Who hears what is published on it."""
        return self.on_message

    def on_message(self, channel: str, data: bytes) -> None:
        """Something was published; rubbish is counted, and ignored."""
        try:
            message = self._wire.decode(channel, data)
        except DecodeError as error:
            self.ignore(error)
        else:
            self.receive(message)

    def receive(self, message: m.Message, place: str = "") -> None:
        """Give a message to the brain."""
        assert self._receive is not None
        self._receive(message, place)

    def ignore(self, error: DecodeError) -> None:
        """What came is no message of any node."""
        self.counters.bad_messages += 1
        log.debug("%s: a message is ignored: %s", self.nsp, error)

    # -- saying -------------------------------------------------------------------------------------------

    def say(self, message: m.Message, to: str = "") -> bool:
        if isinstance(message, m.ClientGone):
            return True  # Node's dialects have no word for it: the asker waits for its timeout, as in Node
        queued = self.publish(message, to)
        self.counters.published += queued
        self.counters.publish_dropped += not queued
        return queued

    def publish(self, message: m.Message, to: str) -> bool:
        """Hand a message to the bus; False if it is lost."""
        return self._bus.say(self._kind, *self._wire.encode(message, to))

    def event(self, packet: Packet, target: Target) -> m.Broadcast:
        """An emission as nodes say it."""
        return m.Broadcast(uid=self.uid, nsp=self.nsp, data=packet.data, opts=options_of(target))

    def broadcast(self, packet: Packet, target: Target) -> Encoded | None:
        self.say(self.event(packet, target))
        return None

    def ask(self, question: Question, message: m.Message) -> None:
        if isinstance(message, m.CountSockets):  # the dialects have no word for it, but for what includes it
            message = m.FetchSockets(
                uid=message.uid, nsp=message.nsp, request_id=message.request_id, opts=message.opts
            )
        # Counted on the connection that publishes, just before: those who are counted are those who are asked.
        _expect_counted(question, self._bus.count(self._kind, self._counted))
        self.say(message)

    async def recount(self, question: Question) -> None:
        with contextlib.suppress(AdapterError, TimeoutError):
            async with asyncio.timeout(_COUNT_TIME):
                question.expect_count(await self.server_count() - 1)
                for uid in question.owing:
                    # Its clients owe answers: it is gone if nobody hears its own channel any more.
                    if await self._bus.count(self._kind, f"{self._own}{uid}#") == 0:
                        question.lost(uid)

    async def server_count(self) -> int:
        return await self._bus.count(self._kind, self._counted)

    async def drained(self) -> None:
        await self._bus.drained()

    async def settled(self) -> None:
        await self._bus.settled()


def _expect_counted(question: Question, count: asyncio.Future[int]) -> None:
    """Tell a question to expect so many nodes without this one, as soon as the broker has counted them."""

    def counted(future: asyncio.Future[int]) -> None:
        if future.cancelled():
            return
        error = future.exception()
        if error is None:
            question.expect_count(future.result() - 1)
        elif isinstance(error, Exception):
            question.fail(error if isinstance(error, AdapterError) else AdapterError(str(error)))

    count.add_done_callback(counted)
