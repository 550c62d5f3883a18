"""What one worker reads for all: to its siblings over the unix bus, and in one order to the namespaces that it is for.

Knows channels of Redis by how they begin; does not know who reads, nor how that is decided.
"""

from __future__ import annotations

import asyncio
import logging

from flocket.adapters.buses.lanes import Lane
from flocket.adapters.buses.redis import channel_bytes
from flocket.adapters.buses.redis_ear import Hear
from flocket.adapters.counters import AdapterCounters
from flocket.adapters.shared_order import Order

__all__ = ["Telling"]

log = logging.getLogger("flocket")

_UID = 16  # characters, of a NodeIdentity
_HELD = 1.0  # seconds for which a new teller's words wait for the end of the old one's


class Telling:
    """`channel` is the lane's, and `base` what those channels of Redis begin with that are known by their beginning."""

    def __init__(self, lane: Lane, uid: str, channel: str, base: str, counters: AdapterCounters) -> None:
        self.channel = channel
        self._lane = lane
        self._uid = uid
        self._base = base
        self._counters = counters
        self._order = Order(self._dispatch)
        self._hearers: dict[str, Hear] = {}  # by the beginning of their channels
        self._longest = 0
        self._exact: dict[str, Hear] = {}
        self._giving_up: asyncio.TimerHandle | None = None

    # -- for the namespaces -----------------------------------------------------------------------------------

    def listen(self, prefix: str, hear: Hear) -> None:
        """Hear what is published on all channels that begin so, whoever of the siblings reads it."""
        self._hearers[prefix] = hear
        self._longest = max(map(len, self._hearers))

    def listen_exactly(self, channel: str, hear: Hear) -> None:
        """Likewise, on this channel."""
        self._exact[channel] = hear

    def forget(self, *names: str) -> None:
        """Hear it no more."""
        for name in names:
            self._hearers.pop(name, None)
            self._exact.pop(name, None)

    def _dispatch(self, channel: str, data: bytes) -> None:
        if not channel.startswith(self._base):
            self._give(self._exact.get(channel), channel, data)
            return
        # A namespace's name may contain "#", and so may a room's: whoever could be meant gets it, as with patterns.
        at = len(self._base) - 1
        while (at := channel.find("#", at + 1, self._longest)) >= 0:
            self._give(self._hearers.get(channel[: at + 1]), channel, data)

    def _give(self, hear: Hear | None, channel: str, data: bytes) -> None:
        try:
            if hear is not None:
                hear(channel, data)
        except Exception:
            # Whatever a message did to one, it must not end the siblings' way here.
            log.exception("a message on %.80r could not be handled", channel)

    # -- what is told -----------------------------------------------------------------------------------------

    def read(self, channel: str, data: bytes, *, alone: bool) -> None:
        """This worker has read a message for all."""
        if not alone:
            self._tell(channel, data)
        self.heard(self._uid + channel, data)

    def _tell(self, channel: str, data: bytes) -> None:
        limit = self._lane.max_message
        if len(data) + 4 * len(channel) > limit and len(data) + len(channel_bytes(channel)) > limit:
            self._counters.publish_dropped += 1
            log.error("%d bytes are too many for the other workers (%d): told to none", len(data), limit)
        else:
            self._lane.publish_any((self.channel,), f"{self.channel}{self._uid}{channel}", data)

    def heard(self, told: str, data: bytes) -> None:
        """A message that somebody read for all: `told` is who, and Redis's channel."""
        self._order.told(told[:_UID], told[_UID:], data)
        self._watch()

    def ended(self, uid: str, successor: str) -> None:
        """`uid` reads no more for all; `successor` does, or whoever it is: ""."""
        self._order.ended(uid, successor)
        self._watch()

    def hung(self, uid: str) -> None:
        self._order.hung(uid)
        self._watch()

    def gone(self, uid: str) -> None:
        self._order.gone(uid)
        self._watch()

    def close(self) -> None:
        if self._giving_up is not None:
            self._giving_up.cancel()

    def _watch(self) -> None:
        """Let nothing wait for longer than `_HELD`."""
        if not self._order.waiting:
            if self._giving_up is not None:
                self._giving_up.cancel()
                self._giving_up = None
        elif self._giving_up is None:
            self._giving_up = asyncio.get_running_loop().call_later(_HELD, self._give_up)

    def _give_up(self) -> None:
        self._giving_up = None
        self._order.give_up()
        self._watch()
