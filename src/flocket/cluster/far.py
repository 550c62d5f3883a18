"""The nodes of other machines, over the bus of their adapter: for requests that a load balancer took to the wrong one.

Knows greetings, sequence numbers and silence; does not know which broker carries the bytes, nor what frames say.
A broker may lose what is published, and what a session sends must have no hole: each node counts its frames to each
other one, and whoever sees one missing gives up all that is between the two.
"""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import Callable
from typing import Protocol

from flocket.adapters.bus import NodeIdentity

__all__ = ["FarMesh", "FarPeer", "Lines"]

VERSION = 1
GREET_EVERY = 2.0  # seconds
HUNG_AFTER, GONE_AFTER = 6.0, 12.0  # seconds of silence: three greetings missed, six
_GREETING, _QUESTION = 0, 1  # kinds; those of relaying are above 31
_HEAD = struct.Struct("!BB4s16sQ")  # version, kind, the sender's tag and uid, number of the frame


class Lines(Protocol):
    """What an adapter's bus offers: named channels, at most once, in order from each node."""

    def say(self, channel: str, data: bytes) -> bool:
        """Publish and return at once; False if it is lost."""

    def listen(self, channel: str, hear: Callable[[bytes], None]) -> None:
        """Hear what others publish there."""


class FarPeer:
    """A node that greeted, or sent something."""

    def __init__(self, tag: str, uid: str, now: float) -> None:
        self.tag = tag
        self.uid = uid
        self.up = True
        self.heard = now
        self.sent = 0  # frames to it
        self.got = 0  # frames of it

    def __repr__(self) -> str:
        return f"<FarPeer {self.tag} {'up' if self.up else 'silent'}>"


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

    def start(self) -> None:
        """Be found, and ask who is there."""
        self._lines.listen(self._prefix + self._node.tag, self._on_frame)
        self._lines.listen(self._prefix, self._on_greeting)
        self._greet(_QUESTION)
        self._timer = asyncio.get_running_loop().call_later(GREET_EVERY, self._tick)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def receive(self, kind: int, receiver: Callable[..., None]) -> None:
        self._receivers[kind] = receiver

    def send(self, peer: FarPeer, kind: int, *parts: bytes) -> bool:
        peer.sent += 1
        return self._lines.say(self._prefix + peer.tag, self._head(kind, peer.sent) + b"".join(parts))

    # -- out

    def _head(self, kind: int, number: int) -> bytes:
        return _HEAD.pack(VERSION, kind, self._node.tag.encode(), self._node.uid.encode(), number)

    def _greet(self, kind: int) -> None:
        self._lines.say(self._prefix, self._head(kind, 0))

    def _tick(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(GREET_EVERY, self._tick)
        self._greet(_GREETING)
        now = self._now()
        for peer in list(self.peers.values()):
            silent = now - peer.heard
            if silent >= GONE_AFTER:
                del self.peers[peer.tag]
                self._tell(peer, "gone")
            elif silent >= HUNG_AFTER and peer.up:
                peer.up = False
                self._tell(peer, "hung")

    def _tell(self, peer: FarPeer, why: str) -> None:
        for told in self.on_down:
            told(peer, why)

    # -- in

    def _on_greeting(self, data: bytes) -> None:
        found = self._known(data)
        if found is not None and found[1] == _QUESTION:
            self._greet(_GREETING)

    def _on_frame(self, data: bytes) -> None:
        found = self._known(data)
        if found is None:
            return
        peer, kind, number = found
        receiver = self._receivers.get(kind)
        if receiver is None:
            self.garbage += 1
            return
        if number != peer.got + 1 and peer.got:
            self.holes += 1
            self._tell(peer, "gone")
        peer.got = number
        receiver(peer, data[_HEAD.size :], None)

    def _known(self, data: bytes) -> tuple[FarPeer, int, int] | None:
        """Whose word it is; None for rubbish, and for our own."""
        if len(data) < _HEAD.size:
            self.garbage += 1
            return None
        version, kind, raw_tag, raw_uid, number = _HEAD.unpack_from(data)
        if version != VERSION or not raw_tag.isascii() or not raw_uid.isascii():
            self.garbage += 1
            return None
        tag, uid = raw_tag.decode(), raw_uid.decode()
        if uid == self._node.uid:
            return None
        peer = self.peers.get(tag)
        if peer is None or peer.uid != uid:
            if peer is not None:
                self._tell(peer, "gone")  # another life has its tag
            peer = self.peers[tag] = FarPeer(tag, uid, self._now())
        peer.heard = self._now()
        peer.up = True
        return peer, kind, number

