"""Pass a connection to a sibling: the descriptor goes through the mesh, a copy stays until it says yes.

Knows offers, answers and their time limits; does not know why a connection should move, nor how it is served.

An offer is valid until a moment that both sides read off the same clock (CLOCK_MONOTONIC is the machine's).
A worker that was stopped, and finds an old offer when it goes on, throws it away: by then the other side has
taken the connection back. The margin between the two moments covers a yes that is on its way.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import time
from collections.abc import Callable
from enum import Enum, auto
from typing import NamedTuple

from flocket.adapters.buses.links import LOST, QUEUE_MARK
from flocket.adapters.buses.mesh import Mesh, Peer

__all__ = ["MARGIN", "Answer", "Handoff", "refuse_offers"]

MARGIN = 0.5  # seconds from the end of an offer until its connection is taken back
_OFFER, _YES, _NO = 32, 33, 34  # kinds on the mesh
_OFFERED = struct.Struct("!Qd")  # number of the offer, valid until
_NUMBER = struct.Struct("!Q")


class Answer(Enum):
    YES = auto()  # it is the other's now, and the offerer's copy is closed
    NO = auto()  # the other cannot take it: out of descriptors, or draining
    LATE = auto()  # no answer in time: the other hangs
    GONE = auto()  # the other died first


def refuse_offers(mesh: Mesh) -> None:
    """Say no to every offer, until a `Handoff` is made: without an answer they would wait for their end."""

    def refuse(peer: Peer, payload: bytes, fd: int | None) -> None:
        if fd is not None and fd != LOST:
            os.close(fd)
        mesh.send(peer, _NO, payload[: _NUMBER.size], now=True)

    mesh.receive(_OFFER, refuse)


class _Offer(NamedTuple):
    peer: Peer
    sock: socket.socket
    done: Callable[[Answer], None]
    timer: asyncio.TimerHandle


Take = Callable[[socket.socket, bytes], bool]  # the connection, what was read of it; False: cannot be taken


class Handoff:
    """Both ends of passing, for one worker."""

    def __init__(self, mesh: Mesh, take: Take, *, now: Callable[[], float] = time.monotonic) -> None:
        self.mesh = mesh
        self.passed = 0
        self.taken = 0
        self._take = take
        self._now = now
        self._offers: dict[int, _Offer] = {}
        self._last = 0
        mesh.ignore(_OFFER)  # which is to say that they are refused no longer
        mesh.receive(_OFFER, self._on_offer)
        mesh.receive(_YES, self._on_yes)
        mesh.receive(_NO, self._on_no)
        mesh.on_down.append(self._on_down)

    @property
    def pending(self) -> int:
        """Connections that were offered and not answered for: they count in draining."""
        return len(self._offers)

    def offer(
        self,
        peer: Peer,
        sock: socket.socket,
        done: Callable[[Answer], None],
        *,
        seconds: float,
        read: bytes = b"",
    ) -> bool:
        """Offer `sock`, of which `read` was read, to `peer`. False: it cannot be asked now; nothing happened.

        Otherwise `done` is called once, not before this returns; after YES, `sock` is closed.
        """
        if peer.waiting > QUEUE_MARK:
            return False
        self._last += 1
        number = self._last
        offered = _OFFERED.pack(number, self._now() + seconds)
        if not self.mesh.send(peer, _OFFER, offered, read, fd=sock.fileno()):
            return False
        timer = asyncio.get_running_loop().call_later(seconds + MARGIN, self._late, number)
        self._offers[number] = _Offer(peer, sock, done, timer)
        return True

    def close(self) -> None:
        """Take back every offer: each is answered with GONE."""
        for number in list(self._offers):
            self._settle(number, Answer.GONE)

    def _late(self, number: int) -> None:
        offer = self._offers.get(number)
        if offer is not None and offer.peer.incoming is not None:
            # If it was we who hung, the answer has long been here: a loop runs its timers first.
            offer.peer.incoming.read_all()
        self._settle(number, Answer.LATE)

    def _settle(self, number: int, answer: Answer) -> None:
        offer = self._offers.pop(number, None)
        if offer is None:
            return  # it was taken back, and the other was told by the clock
        offer.timer.cancel()
        if answer is Answer.YES:
            self.passed += 1
            offer.sock.close()
        elif offer.peer.out is not None:
            offer.peer.out.withdraw(offer.sock.fileno())  # its number may soon be another connection's
        offer.done(answer)

    def _on_offer(self, peer: Peer, payload: bytes, fd: int | None) -> None:
        if len(payload) < _OFFERED.size or fd is None:
            self.mesh.garbage += 1
            return
        number, until = _OFFERED.unpack_from(payload)
        if fd == LOST or peer.waiting > QUEUE_MARK:
            # The latter: a yes might come too late, and then two would serve one connection.
            if fd != LOST:
                os.close(fd)
            self.mesh.send(peer, _NO, _NUMBER.pack(number), now=True)
            return
        if self._now() >= until:
            os.close(fd)  # without an answer: it was taken back
            return
        sock = socket.socket(fileno=fd)
        sock.setblocking(False)
        taken = self._take(sock, payload[_OFFERED.size :])
        if not taken:
            sock.close()
        self.taken += taken
        self.mesh.send(peer, _YES if taken else _NO, _NUMBER.pack(number), now=True)

    def _on_yes(self, peer: Peer, payload: bytes, fd: int | None) -> None:
        self._on_answer(payload, Answer.YES)

    def _on_no(self, peer: Peer, payload: bytes, fd: int | None) -> None:
        self._on_answer(payload, Answer.NO)

    def _on_answer(self, payload: bytes, answer: Answer) -> None:
        if len(payload) == _NUMBER.size:
            self._settle(_NUMBER.unpack(payload)[0], answer)
        else:
            self.mesh.garbage += 1

    def _on_down(self, peer: Peer, why: str) -> None:
        if why == "gone":
            for number, offer in list(self._offers.items()):
                if offer.peer is peer:
                    self._settle(number, Answer.GONE)
