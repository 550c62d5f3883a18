"""Decide which worker serves a connection, and see that exactly one does.

Knows the siblings, their loads, and the three ways to stick; does not know how a connection is served, nor
what its worker does with a request whose session is elsewhere (relay.py).
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Literal

from flocket.adapters.buses.mesh import Mesh, Peer
from flocket.cluster.address_hash import slot_of
from flocket.cluster.handoff import MARGIN, Answer, Handoff
from flocket.cluster.heads import Heads
from flocket.cluster.route import Kind, Verdict, peek

__all__ = ["DRAINING", "Placement", "Sticky"]

Sticky = Literal["session", "address", "none"]

DRAINING = 0xFFFF_FFFF  # the load of a worker that wants no new sessions
OWNER_TIME = 5.0  # seconds that a request waits for an owner that hangs; then 503 with Retry-After
NEW_TIME = 0.5  # seconds for a sibling to take a new session that it need not have
TELL_LOAD = 0.05  # seconds between two words about our load, while it changes
_HOLD = 0.25  # seconds until we look again at an owner that could not be asked


class Placement:
    """One worker's part. `adopt` serves a connection here: the socket, and what was read of it already."""

    def __init__(
        self,
        mesh: Mesh,
        adopt: Callable[[socket.socket, bytes], None],
        load: Callable[[], int],
        *,
        sticky: Sticky = "session",
        slots: int = 0,
        chosen: bool = False,
        is_ours: Callable[[str], bool] = lambda path: True,
        warn: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.mesh = mesh
        self.heads = Heads(lambda head: peek(head, is_ours), self._place)
        self.handoff = Handoff(mesh, self._take)
        self.draining = False
        self._closed = False
        self._adopt = adopt
        self._load = load
        self._sticky = sticky
        self._chosen = chosen  # by a balancer, which sends a session's requests where it sent the first
        self._slots = slots  # above 0: address hashing is ours to do, by passing, over so many workers
        self._warn = warn
        self._warned = False
        self._arrived = 0  # adopted since `_load` was last asked: a burst comes faster than it can be counted
        self._known = load()
        self._telling: asyncio.TimerHandle | None = None
        self._holding: dict[socket.socket, asyncio.TimerHandle] = {}
        self._loop = asyncio.get_running_loop()

    @property
    def pending(self) -> int:
        """Connections that are on no worker yet: they count in draining."""
        return len(self.heads) + self.handoff.pending + len(self._holding)

    def arrive(self, sock: socket.socket) -> None:
        """A connection that was just accepted."""
        self.heads.add(sock)

    def drain(self) -> None:
        """From now on new sessions go to siblings, if there are any."""
        self.draining = True
        self.mesh.tell_load(DRAINING)

    def close(self) -> None:
        """Refuse what is on no worker yet, and take nothing any more."""
        self._closed = True
        self.heads.close()
        self.handoff.close()
        for sock, timer in list(self._holding.items()):
            timer.cancel()
            sock.close()
        self._holding.clear()
        if self._telling is not None:
            self._telling.cancel()

    # -- deciding

    def _place(self, sock: socket.socket, verdict: Verdict) -> None:
        if self._sticky == "session" and verdict.kind is Kind.OWNED:
            assert verdict.tag is not None
            self._to_owner(sock, verdict.tag, self._loop.time() + OWNER_TIME - MARGIN)
            return
        peer = None
        if self._sticky == "address":
            if verdict.proxied and not self._warned:
                self._warned = True
                self._warn(
                    "requests come through a proxy, so that all have its address: "
                    'sticky="address" puts them on one worker; use sticky="session"'
                )
            if self._slots:
                peer = self._by_address(sock)
        elif self._sticky == "session" and verdict.kind is Kind.NEW and (self.draining or not self._chosen):
            peer = self._least_loaded()
        if peer is None:
            self._keep(sock)
        else:
            self._to_sibling(sock, peer)

    def _to_owner(self, sock: socket.socket, tag: str, until: float) -> None:
        peer = self.mesh.peers.get(tag)
        if peer is None:
            self._keep(sock)  # it is ours, or its owner is dead: code 1, at once
            return
        left = until - self._loop.time()
        if left <= 0:
            self.heads.refuse(sock, 503)
        elif self.handoff.offer(peer, sock, lambda answer: self._owner_said(sock, answer), seconds=left):
            pass
        elif peer.up:
            self._keep(sock)  # its queue is long: relay, in turn with the rest
        else:
            self._holding[sock] = self._loop.call_later(_HOLD, self._hold, sock, tag, until)

    def _hold(self, sock: socket.socket, tag: str, until: float) -> None:
        del self._holding[sock]
        self._to_owner(sock, tag, until)

    def _owner_said(self, sock: socket.socket, answer: Answer) -> None:
        if answer is Answer.LATE:
            self.heads.refuse(sock, 503)
        elif answer is not Answer.YES:
            self._keep(sock)  # it cannot take it: we relay; or it is dead: code 1

    def _to_sibling(self, sock: socket.socket, peer: Peer) -> None:
        def said(answer: Answer) -> None:
            if answer is not Answer.YES:
                self._keep(sock)

        if not self.handoff.offer(peer, sock, said, seconds=NEW_TIME):
            self._keep(sock)

    def _least_loaded(self) -> Peer | None:
        """A sibling that carries clearly less than this worker, or None."""
        ours = DRAINING if self.draining else self._known + self._arrived
        best = min((p for p in self.mesh.peers.values() if p.up), key=lambda p: p.load, default=None)
        # Passing costs more than serving at once: not for a difference that the kernel's choice evens out.
        if best is None or best.load >= ours - max(1, ours // 16):
            return None
        best.load += 1  # until it says so itself
        return best

    def _by_address(self, sock: socket.socket) -> Peer | None:
        try:
            slot = slot_of(sock.getpeername()[0], self._slots)
        except OSError:
            return None
        if slot == self.mesh.worker:
            return None
        # While a worker is replaced, two have its number: the younger.
        there = [p for p in self.mesh.peers.values() if p.up and p.worker == slot and p.load != DRAINING]
        return max(there, key=lambda p: p.identity.epoch if p.identity else 0, default=None)

    # -- doing

    def _take(self, sock: socket.socket, read: bytes) -> bool:
        if self._closed:
            return False
        self._count()
        self._adopt(sock, read)
        return True

    def _keep(self, sock: socket.socket) -> None:
        self._count()
        self._adopt(sock, b"")

    def _count(self) -> None:
        self._arrived += 1
        if self._telling is None:
            self._telling = self._loop.call_later(TELL_LOAD, self._tell)

    def _tell(self) -> None:
        self._telling = None
        self._known, self._arrived = self._load(), 0
        if not self.draining:
            self.mesh.tell_load(self._known)
