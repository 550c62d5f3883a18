"""One subscription for all workers of a machine: one hears what Redis says to all nodes, and tells its siblings.

Joins Redis and the unix bus. What may be told is the stream's decision (shared_claim.py), who is to tell the siblings'
(shared_siblings.py), how it reaches them shared_telling.py's. Does not know what is said.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
from typing import Any

import msgspec

from flocket.adapters.bus import NodeIdentity
from flocket.adapters.buses.lanes import Lane
from flocket.adapters.buses.redis import CHANNEL, PATTERN, RedisBus, pattern_of
from flocket.adapters.buses.redis_ear import Hear
from flocket.adapters.counters import AdapterCounters
from flocket.adapters.shared_claim import Claim, State
from flocket.adapters.shared_siblings import Siblings, Word
from flocket.adapters.shared_telling import Telling
from flocket.errors import AdapterError

__all__ = ["SharedSubscription"]

log = logging.getLogger("flocket")

_TICK = 0.25  # seconds between two looks whether somebody hears
_MEETING = 0.5  # seconds for those who are there to say who hears
_PATIENCE = 2.0  # seconds with Redis at hand and nobody who hears, after which the oldest is waited for no longer
_OPEN_TIME = 5.0  # seconds until somebody must hear; as long as for the confirmation of a subscription
_AGAIN = 1.0  # seconds between two words of whoever hears, and until a marker that is not heard is taken for lost
_HANDOVER = 1.0  # seconds for a sibling to take over from one that leaves


class SharedSubscription:
    """One worker's part of it. `key` is what all channels begin with.

    Requests are told like broadcasts, or they would overtake each other: an event for those who have just joined, and
    one before a disconnection. Each worker is subscribed to them nevertheless, so that Node's nodes count it.
    """

    def __init__(self, bus: RedisBus, lane: Lane, node: NodeIdentity, key: str, counters: AdapterCounters) -> None:
        self._bus = bus
        self._lane = lane
        self._node = node
        self._patterns = (pattern_of(f"{key}#"), pattern_of(f"{key}-request#"))
        self._markers = f"{key}-holder#"  # no node of any language listens to what begins so
        self._counters = counters
        self._claim = Claim(node.uid)
        self._siblings = Siblings(node)
        # Siblings may be told to use another Redis, or another key, one after the other: those are no siblings here.
        self._purpose = f"{key} {bus.endpoint.shown}"
        group = hashlib.sha256(self._purpose.encode()).hexdigest()[:8]
        self._words = f"words {group}"  # a channel of the lane
        self._telling = Telling(lane, node.uid, f"told {group} ", f"{key}#", counters)
        self._machine = ""
        self._leaving = False
        self._hears = asyncio.Event()
        self._yielded = asyncio.Event()
        self._wake = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()
        self._deaf_since = self._loop.time()
        self._vacant_since: float | None = None
        self._marked_at = self._said_at = 0.0

    # -- for the namespaces -----------------------------------------------------------------------------------

    def listen(self, prefix: str, on_broadcast: Hear, requests: str, on_request: Hear) -> None:
        """Hear what is published on all channels that begin so, and on that for requests, whoever reads it."""
        self._telling.listen(prefix, on_broadcast)
        self._telling.listen_exactly(requests, on_request)

    def forget(self, prefix: str, requests: str) -> None:
        """Hear it no more."""
        self._telling.forget(prefix, requests)

    async def settled(self) -> None:
        """Return once somebody hears; or at once, if that cannot be now. Raises AdapterError if it takes too long."""
        if self._bus.ear.connection is None:
            return
        try:
            async with asyncio.timeout(_OPEN_TIME):
                await self._hears.wait()
        except TimeoutError:
            raise AdapterError(
                f"Redis at {self._bus.endpoint.shown}: no worker of this machine hears the other nodes"
            ) from None

    # -- life -------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Join the siblings; one of us hears Redis when this returns. Raises AdapterError."""
        lane = self._lane
        self._machine = lane.machine(self._purpose)
        self._bus.ear.on_open.append(self._opened)
        self._bus.ear.on_closed.append(self._closed)
        lane.on_peer_up = self._on_peer_up
        lane.on_peer_down = self._on_peer_down
        await lane.start(self._node, self._on_lane)
        lane.subscribe(self._telling.channel)
        lane.subscribe(self._words)
        self._say(asks=True)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_MEETING):
                await lane.settled()  # they have read the question
                await lane.settled()  # they have answered it
        self._keeper = self._loop.create_task(self._keep())
        await self.settled()

    async def aclose(self) -> None:
        """Leave, and hand over before, if there is somebody to take it."""
        self._leaving = True
        self._yielded.clear()
        self._say()
        if self._claim.state is State.HOLDING and self._siblings.heirs:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_HANDOVER):
                    await self._yielded.wait()
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        self._stand_down("")
        self._telling.close()
        self._bus.ear.on_open.remove(self._opened)
        self._bus.ear.on_closed.remove(self._closed)
        await self._lane.aclose()

    def health(self, health: dict[str, Any]) -> dict[str, Any]:
        """What the bus says of its health, corrected: who hears by a sibling that is deaf is deaf."""
        if self._hears.is_set():
            return health
        away = round(self._loop.time() - self._deaf_since, 3)
        return {**health, "ok": False, "hears": False, "away_for": max(away, health["away_for"])}

    def stats(self) -> dict[str, int]:
        """Of the siblings' bus; and whether it is this worker that hears Redis for all."""
        return {**self._lane.stats(), "holds_subscription": int(self._claim.state is State.HOLDING)}

    # -- who hears --------------------------------------------------------------------------------------------

    async def _keep(self) -> None:
        while True:
            self._consider()
            if self._claim.state is State.CLAIMING:
                await self._mark()
            elif self._claim.state is State.HOLDING and self._loop.time() - self._said_at >= _AGAIN:
                self._say()  # a sibling may have missed it
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_TICK):
                    await self._wake.wait()
            self._wake.clear()

    def _consider(self) -> None:
        """Claim, if nobody hears and it is our turn, or if whoever's turn it is has had time enough."""
        siblings = self._siblings
        if self._claim.state is not State.IDLE or self._leaving:
            return
        if siblings.settled or self._bus.ear.connection is None:
            self._vacant_since = None
            return
        now = self._loop.time()
        if self._vacant_since is None:
            self._vacant_since = now
        if now - self._vacant_since >= _PATIENCE or (not siblings.claimed and siblings.my_turn):
            self._take_over()

    def _take_over(self) -> None:
        self._vacant_since = None
        self._marked_at = 0.0
        self._yielded.clear()
        self._claim.begin()
        # In this order: whoever hears its own marker has heard all that is told behind it.
        for pattern in self._patterns:
            self._bus.listen(PATTERN, pattern, self._on_message)
        self._bus.listen(CHANNEL, self._markers + self._machine, self._on_marker)
        self._say()
        self._wake.set()

    async def _mark(self) -> None:
        """Publish the marker, once it will be heard here."""
        if self._loop.time() - self._marked_at < _AGAIN:
            return
        with contextlib.suppress(AdapterError):  # then at the next look
            await self._bus.settled()
            channel = self._markers + self._machine
            wanted = [*((PATTERN, pattern) for pattern in self._patterns), (CHANNEL, channel)]
            heard = all(self._bus.confirmed(*one) for one in wanted)
            if self._claim.state is State.CLAIMING and heard:
                self._marked_at = self._loop.time()
                self._bus.say(CHANNEL, channel, self._claim.marker)

    def _opened(self) -> None:
        """There is a connection to Redis, again."""
        self._vacant_since = None  # whoever heard may need as long for its own
        self._marked_at = 0.0
        if self._claim.state is State.CLAIMING and self._siblings.settled:
            self._stand_down("")  # another has taken over meanwhile
        self._wake.set()

    def _closed(self) -> None:
        """The connection to Redis is lost."""
        held = self._claim.state is State.HOLDING
        self._claim.lost()
        if held:
            self._end("")

    def _stand_down(self, successor: str) -> None:
        """Tell nothing any more, nor hear it."""
        if self._claim.state is State.IDLE:
            return
        held = self._claim.state is State.HOLDING
        self._claim.resign()
        for pattern in self._patterns:
            self._bus.forget(PATTERN, pattern)
        self._bus.forget(CHANNEL, self._markers + self._machine)
        if held:
            self._end(successor)
        else:
            self._say()

    def _end(self, successor: str) -> None:
        """What was told until now was all; `successor` tells the rest, if it is known."""
        self._say(ended=True, successor=successor)
        self._siblings.yielded_to(successor)
        self._telling.ended(self._node.uid, successor if successor in self._siblings else "")
        self._yielded.set()
        self._wake.set()
        self._look()

    def _look(self) -> None:
        """Note whether somebody hears now."""
        if self._claim.state is State.HOLDING or self._siblings.hear:
            self._hears.set()
        elif self._hears.is_set():
            self._hears.clear()
            self._deaf_since = self._loop.time()
        if self._leaving and not self._siblings.heirs:
            self._yielded.set()  # all end at once

    # -- what Redis says, where it is heard -------------------------------------------------------------------

    def _on_message(self, channel: str, data: bytes) -> None:
        if self._claim.state is not State.HOLDING:
            return  # told by another
        self._telling.read(channel, data, alone=not len(self._siblings))

    def _on_marker(self, channel: str, data: bytes) -> None:
        before = self._claim.state
        try:
            successor = self._claim.read(data)
        except ValueError:
            self._counters.bad_messages += 1
            return
        if successor:
            self._stand_down(successor)
        elif self._claim.state is not before:
            log.info("hearing Redis for all workers of this machine")
            self._say()
            self._look()

    # -- what siblings say ------------------------------------------------------------------------------------

    def _say(self, *, asks: bool = False, ended: bool = False, successor: str = "") -> None:
        self._said_at = self._loop.time()
        node, state = self._node, self._claim.state
        word = Word(node.uid, node.epoch, self._machine, state, self._leaving, asks, ended, successor)
        self._lane.publish(self._words, msgspec.msgpack.encode(word))

    def _on_lane(self, channel: str, data: bytes) -> None:
        if channel.startswith(self._telling.channel):
            self._telling.heard(channel.removeprefix(self._telling.channel), data)
            return
        try:
            word = msgspec.msgpack.decode(data, type=Word)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            self._counters.bad_messages += 1
            return
        if word.uid != self._node.uid:
            self._on_word(word)

    def _on_word(self, word: Word) -> None:
        self._siblings.said(word)
        if word.ended:
            known = word.successor in self._siblings or word.successor == self._node.uid
            self._telling.ended(word.uid, word.successor if known else "")
        if word.asks:
            self._say()
        if word.state is not State.IDLE and word.machine != self._machine:
            self._adopt(word)
        if word.successor == self._node.uid and self._claim.state is State.IDLE and not self._leaving:
            self._take_over()  # it yielded to a marker of ours that we had given up
        self._look()
        self._wake.set()

    def _adopt(self, word: Word) -> None:
        # The folder in which we meet was removed, and made again: it is known by another name since.
        if self._claim.state is State.IDLE:
            self._machine = word.machine
        elif self._siblings.older(word):
            self._stand_down(word.uid)  # markers on two channels decide nothing
            self._machine = word.machine

    def _on_peer_up(self, node: NodeIdentity) -> None:
        self._siblings.up(node.uid)
        self._say(asks=True)
        self._look()

    def _on_peer_down(self, uid: str, why: str) -> None:
        if why == "hung":
            self._siblings.hung(uid)
            self._telling.hung(uid)
        else:
            self._siblings.gone(uid)
            self._telling.gone(uid)
        self._look()
        self._wake.set()
