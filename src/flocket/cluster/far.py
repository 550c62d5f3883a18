"""The nodes of other machines, over the bus of their adapter: for requests that a load balancer took to the wrong one.

Knows greetings, sequence numbers and silence; does not know which broker carries the bytes, nor what frames say.
A broker may lose what is published, and what a session sends must have no hole: each node counts its frames to each
other one, and once one is missing both give up all that is between them, so that clients connect anew.
"""

from __future__ import annotations

import asyncio
import re
import struct
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import NamedTuple, Protocol

from flocket.adapters.bus import NodeIdentity
from flocket.adapters.buses.mesh import NO_MORE

__all__ = ["FarMesh", "FarPeer", "Lines"]

VERSION = 1
GREET_EVERY = 2.0  # seconds
HUNG_AFTER, GONE_AFTER = 6.0, 12.0  # seconds of silence: three greetings missed, six
MEET_TIME = 1.0  # seconds at most that a start waits for the others' greetings
UNCOUNTED_TIME = 0.2  # the same, where the broker does not say how many there are
# To all: that a node is there, the same and who else, that it goes. To one: how many frames it should have by now,
# that some were lost. Kinds that are relaying's own are above 31, and counted.
_GREETING, _QUESTION, _FAREWELL, _CHECK, _RESET = range(5)
# version, kind, the sender's tag and uid; the line (one run of frames from 1 on) and the frame's number on it
_HEAD = struct.Struct("!BB4s16sQQ")
_SENDER = re.compile(rb"[A-Za-z0-9_-]{4}[0-9a-f]{16}")


class Lines(Protocol):
    """What an adapter's bus offers: named channels, at most once, in order from each node."""

    prefix: str  # what the channels of this adapter begin with

    def say(self, channel: str, data: bytes) -> bool:
        """Publish and return at once; False if it is lost."""

    def listen(self, channel: str, hear: Callable[[bytes], None]) -> None:
        """Hear what others publish there."""

    async def settled(self) -> None:
        """Return once every `listen` so far is in effect."""

    async def count(self, channel: str) -> int | None:
        """How many listen there, this node included; None if the broker does not say."""


class FarPeer:
    """A node that greeted, or sent something."""

    def __init__(self, tag: str, uid: str, now: float, line: int) -> None:
        self.tag = tag
        self.uid = uid
        self.up = True
        self.heard = now
        self.load = NO_MORE  # new sessions come to each machine by its balancer
        self.line = line  # to it
        self.sent = 0  # frames on that line
        self.checked = 0  # how many of them it has been told of
        self.its_line = 0
        self.got = 0  # frames on its line

    def __repr__(self) -> str:
        return f"<FarPeer {self.tag} {'up' if self.up else 'silent'}>"


class _Said(NamedTuple):
    kind: int
    line: int
    number: int


class FarMesh:
    """This node's access to those on other machines: what relaying asks of its neighbours."""

    def __init__(
        self, lines: Lines, node: NodeIdentity, prefix: str, *, now: Callable[[], float] = time.monotonic
    ) -> None:
        self.garbage = 0
        self.holes = 0
        self.peers: dict[str, FarPeer] = {}
        self.on_down: list[Callable[..., None]] = []
        self._lines = lines
        self._node = node
        self._prefix = f"{prefix}-relay#"
        self._now = now
        self._receivers: dict[int, Callable[..., None]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._line = 0  # the last one that began
        self._met = asyncio.Event()
        self._twin = False  # another node has our tag

    @property
    def tag(self) -> str:
        """What this node is found by."""
        return self._node.tag

    async def start(self, draw: Callable[[], str]) -> None:
        """Be found, ask who is there, and wait for the answers: then no request is for a node unknown here.

        If another node has this one's tag, `draw` gives another tag, before any session is found by it.
        """
        self._lines.listen(self._prefix, self._on_greeting)
        self._timer = asyncio.get_running_loop().call_later(GREET_EVERY, self._tick)
        while True:
            self._lines.listen(self._prefix + self.tag, partial(self._on_frame, self.tag))
            await self._lines.settled()
            self._twin = False
            self._say_all(_QUESTION)
            await self._meet()
            if not self._twin:
                break
            self._say_all(_FAREWELL)
            self._node = replace(self._node, tag=draw())

    async def _meet(self) -> None:
        there = await self._lines.count(self._prefix)
        try:
            async with asyncio.timeout(UNCOUNTED_TIME if there is None else MEET_TIME):
                while not self._twin and (there is None or len(self.peers) < there - 1):
                    self._met.clear()
                    await self._met.wait()
        except TimeoutError:
            pass  # a node that died lately is counted, too

    def close(self) -> None:
        """Be gone for the others, at once."""
        if self._timer is not None:
            self._timer.cancel()
            self._say_all(_FAREWELL)

    def forget(self, tag: str) -> None:
        """A node is known to be gone."""
        peer = self.peers.pop(tag, None)
        if peer is not None:
            self._tell(peer, "gone")

    def receive(self, kind: int, receiver: Callable[..., None]) -> None:
        self._receivers[kind] = receiver

    def send(self, peer: FarPeer, kind: int, *parts: bytes) -> bool:
        head = self._head(kind, peer.line, peer.sent + 1)
        if not self._lines.say(self._prefix + peer.tag, head + b"".join(parts)):
            return False  # and no hole: whoever sends knows it
        peer.sent += 1
        return True

    # -- out

    def _head(self, kind: int, line: int = 0, number: int = 0) -> bytes:
        return _HEAD.pack(VERSION, kind, self._node.tag.encode(), self._node.uid.encode(), line, number)

    def _say_all(self, kind: int) -> None:
        self._lines.say(self._prefix, self._head(kind))

    def _next_line(self) -> int:
        self._line += 1
        return self._line

    def _tick(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(GREET_EVERY, self._tick)
        self._say_all(_GREETING)
        self._check()
        self._sweep()

    def _check(self) -> None:
        """Tell each node how many frames it should have: the last one may be what is missing."""
        for peer in self.peers.values():
            if peer.sent != peer.checked and self._lines.say(
                self._prefix + peer.tag, self._head(_CHECK, peer.line, peer.sent)
            ):
                peer.checked = peer.sent

    def _sweep(self) -> None:
        now = self._now()
        for peer in list(self.peers.values()):
            silent = now - peer.heard
            if silent >= GONE_AFTER:
                self.forget(peer.tag)
            elif silent >= HUNG_AFTER and peer.up:
                peer.up = False
                self._tell(peer, "hung")

    def _tell(self, peer: FarPeer, why: str) -> None:
        for told in self.on_down:
            told(peer, why)

    # -- in

    def _on_greeting(self, data: bytes) -> None:
        found = self._read(data)
        if found is None:
            return
        peer, said = found
        if said.kind == _QUESTION:
            self._say_all(_GREETING)
        elif said.kind == _FAREWELL:
            self.forget(peer.tag)
        elif said.kind != _GREETING:
            self.garbage += 1

    def _on_frame(self, tag: str, data: bytes) -> None:
        found = self._read(data) if tag == self.tag else None
        if found is None:
            return
        peer, said = found
        if said.kind == _RESET:
            self._restart(peer)
            return
        receiver = self._receivers.get(said.kind)
        if receiver is None and said.kind != _CHECK:
            self.garbage += 1
        elif self._whole(peer, said) and receiver is not None:
            receiver(peer, data[_HEAD.size :], None)

    def _whole(self, peer: FarPeer, said: _Said) -> bool:
        """Whether this is the next frame, or all that came before a check."""
        if said.line < peer.its_line:
            return False  # of before a restart
        if said.line > peer.its_line:
            if peer.its_line:
                self._tell(peer, "gone")
            peer.its_line, peer.got = said.line, 0
        if said.number <= peer.got:
            return False  # came twice
        if said.kind != _CHECK and said.number == peer.got + 1:
            peer.got = said.number
            return True
        self.holes += 1
        peer.got = said.number
        self._tell(peer, "gone")
        self._lines.say(self._prefix + peer.tag, self._head(_RESET))
        return False

    def _restart(self, peer: FarPeer) -> None:
        """The other node misses frames of ours, and has given up what was between us."""
        self._tell(peer, "gone")
        peer.line, peer.sent, peer.checked = self._next_line(), 0, 0

    def _read(self, data: bytes) -> tuple[FarPeer, _Said] | None:
        """Who says what; None for rubbish, and for our own."""
        if len(data) < _HEAD.size or data[0] != VERSION or not _SENDER.fullmatch(data, 2, 22):
            self.garbage += 1
            return None
        _, kind, raw_tag, raw_uid, line, number = _HEAD.unpack_from(data)
        tag, uid = raw_tag.decode(), raw_uid.decode()
        if uid == self._node.uid:
            return None
        if tag == self.tag:
            self._twin = True
            self._met.set()
            if kind == _QUESTION:
                self._say_all(_GREETING)  # whoever asks has no sessions yet, and draws another
            return None
        peer = self.peers.get(tag)
        if peer is None or peer.uid != uid:
            if kind == _FAREWELL:
                return None  # whoever goes by this tag now stays
            self.forget(tag)  # another life has its tag
            peer = self.peers[tag] = FarPeer(tag, uid, self._now(), self._next_line())
            self._met.set()
        peer.heard = self._now()
        peer.up = True
        return peer, _Said(kind, line, number)
