"""Connections of which no request's head has come yet: there are so many at most, and one more pushes out the oldest.

Knows their order; does not know what a connection is, nor how long one may take.
"""

from __future__ import annotations

from typing import Protocol
from weakref import WeakKeyDictionary

from flocket.cluster.heads import UNROUTED

__all__ = ["Unheard", "unheard_of"]


class Silent(Protocol):
    def push_out(self) -> None:
        """Make room: end at once."""


class Unheard:
    """The oldest first: all have the same time."""

    def __init__(self, most: int = UNROUTED) -> None:
        self._most = most
        self._waiting: dict[Silent, None] = {}

    def add(self, connection: Silent) -> None:
        self._waiting[connection] = None
        if len(self._waiting) > self._most:
            oldest = next(iter(self._waiting))
            del self._waiting[oldest]
            oldest.push_out()

    def discard(self, connection: Silent) -> None:
        """It has been heard of, or it is over."""
        self._waiting.pop(connection, None)


_of_servers: WeakKeyDictionary[object, Unheard] = WeakKeyDictionary()


def unheard_of(server: object) -> Unheard:
    """Those of one server: they have its object in common, and nothing else."""
    found = _of_servers.get(server)
    if found is None:
        found = _of_servers[server] = Unheard()
    return found
