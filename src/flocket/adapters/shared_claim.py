"""One worker's claim to tell its siblings what Redis says: what it may tell is decided by the stream itself.

All subscribers of one Redis get what it publishes in one order. So whoever would tell publishes a marker among it, and
the last marker says who does: all agree, however late each reads it. Does not know who claims, and when.
"""

from __future__ import annotations

from enum import Enum

__all__ = ["Claim", "State"]


class State(Enum):
    IDLE = "idle"  # tells nothing, and need not hear anything
    CLAIMING = "claiming"  # hears, and tells nothing yet: the last one still tells it
    HOLDING = "holding"  # tells all that it reads


class Claim:
    """Give it what happens on one connection that subscribes first to what is told and then to the markers.

    A marker of an earlier claim counts for nothing here, although others yield to it: behind it, this connection may
    have missed what they then did not tell.
    """

    def __init__(self, uid: str) -> None:
        self.uid = uid
        self.state = State.IDLE
        self._number = 0  # of the claim, or of the connection on which it is made

    @property
    def marker(self) -> bytes:
        """What to publish once the subscriptions are confirmed; again, if it seems to be lost."""
        return f"{self.uid} {self._number}".encode()

    def begin(self) -> None:
        """Claim."""
        self._number += 1
        self.state = State.CLAIMING

    def resign(self) -> None:
        """Tell nothing any more."""
        self.state = State.IDLE

    def lost(self) -> None:
        """The connection is lost, and with it the markers that were published meanwhile: a new one must follow."""
        if self.state is not State.IDLE:
            self.begin()

    def read(self, marker: bytes) -> str:
        """A marker is read in its place of the stream; the uid of whoever tells from here on in place of us, or "".

        Raises ValueError for what is none.
        """
        uid, _, number = marker.decode().partition(" ")  # a UnicodeDecodeError is a ValueError
        if not uid or not number.isdecimal():
            raise ValueError(f"no marker: {marker[:40]!r}")
        if uid == self.uid:
            if self.state is State.CLAIMING and int(number) == self._number:
                self.state = State.HOLDING
        elif self.state is State.HOLDING:
            return uid  # and `resign` must follow before anything else is read
        return ""
