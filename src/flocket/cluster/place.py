"""Decide which worker serves a connection, and see that exactly one does.

Knows the siblings, their loads, and the three ways to stick; does not know how a connection is served, nor
what its worker does with a request whose session is elsewhere (relay.py).
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Container
from typing import Literal

from flocket.adapters.buses.mesh import NO_MORE, Mesh, Peer
from flocket.cluster.address_hash import slot_of
from flocket.cluster.handoff import MARGIN, Answer, Handoff
from flocket.cluster.heads import Heads
from flocket.cluster.route import Kind, Verdict, peek
from flocket.observe import Counters
from flocket.options import Limits

__all__ = ["Placement", "Sticky"]

Sticky = Literal["session", "address", "none"]

OWNER_TIME = 5.0  # seconds for an owner to take a connection; then its requests are relayed, as it may hang
NEW_TIME = 0.5  # seconds for a sibling to take a new session that it need not have
TELL_LOAD = 0.05  # seconds between two words about our load, while it changes


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
        limits: Limits | None = None,
        counters: Counters | None = None,
        warn: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.mesh = mesh
        limits = limits or Limits()
        most = limits.header_bytes
        self.heads = Heads(lambda head: peek(head, is_ours, most), self._place, limits=limits, counters=counters)
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
        self._loop = asyncio.get_running_loop()
        mesh.tell_load(self._known)  # from now on it can be passed connections

    @property
    def pending(self) -> int:
        """Connections that are on no worker yet: they count in draining."""
        return len(self.heads) + self.handoff.pending

    def arrive(self, sock: socket.socket) -> None:
        """A connection that was just accepted."""
        self.heads.add(sock)

    def drain(self) -> None:
        """From now on new sessions go to siblings, if there are any."""
        self.draining = True
        self.mesh.tell_load(NO_MORE)

    def close(self) -> None:
        """Refuse what is on no worker yet, and take nothing any more."""
        self._closed = True
        self.heads.close()
        self.handoff.close()
        if self._telling is not None:
            self._telling.cancel()

    # -- deciding

    def _place(self, sock: socket.socket, verdict: Verdict) -> None:
        if self._sticky == "session" and verdict.kind is Kind.OWNED:
            assert verdict.tag is not None
            self._to(self._owner(verdict.tag), sock, OWNER_TIME - MARGIN)
            return
        peer = None
        if self._sticky == "address":
            if self._slots:
                peer = self._by_address(sock)
            if verdict.proxied and peer is None and not self._warned:  # by the worker that is to have them all
                self._warned = True
                self._warn(
                    "requests come through a proxy, so that all have its address: "
                    'sticky="address" puts them on one worker; use sticky="session"'
                )
        elif self._sticky == "session" and verdict.kind is Kind.NEW and (self.draining or not self._chosen):
            self._to_least_loaded(sock, frozenset())
            return
        self._to(peer, sock, NEW_TIME)

    def _owner(self, tag: str) -> Peer | None:
        """Who has the session, if it can take a connection. What hangs is waited for by the relay, not here."""
        peer = self.mesh.peers.get(tag)
        return peer if peer is not None and peer.up else None

    def _least_loaded(self, tried: Container[Peer]) -> Peer | None:
        """A sibling that carries clearly less than this worker, and has not been tried; or None."""
        ours = NO_MORE if self.draining else self._known + self._arrived
        best = min((p for p in self.mesh.peers.values() if p.up and p not in tried), key=lambda p: p.load, default=None)
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
        there = [p for p in self.mesh.peers.values() if p.up and p.worker == slot and p.load != NO_MORE]
        return max(there, key=lambda p: p.identity.epoch if p.identity else 0, default=None)

    # -- doing

    def _take(self, sock: socket.socket, read: bytes) -> bool:
        if self._closed:
            return False
        self._count()
        self._adopt(sock, read)
        return True

    def _to(self, peer: Peer | None, sock: socket.socket, seconds: float, tried: frozenset[Peer] | None = None) -> None:
        """Pass it on; keep it if that cannot be: it is relayed then, or refused, or ours after all.

        `tried` are those who did not take a new session; a worker that drains asks the next.
        """

        def not_taken() -> None:
            if peer is not None and tried is not None and self.draining and not self._closed:
                self._to_least_loaded(sock, tried | {peer})
            else:
                self._keep(sock)

        def said(answer: Answer) -> None:
            if answer is not Answer.YES:
                not_taken()

        if peer is None or not self.handoff.offer(peer, sock, said, seconds=seconds):
            not_taken()

    def _to_least_loaded(self, sock: socket.socket, tried: frozenset[Peer]) -> None:
        """Let somebody have a new session who has fewer."""
        self._to(self._least_loaded(tried), sock, NEW_TIME, tried)

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
