"""Who is alive: every node that was heard of lately. Knows uids and times; does not know how they are heard
of.

Time is an argument, in monotonic seconds.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection

__all__ = ["Order", "Peers"]

HEARTBEAT_INTERVAL = 5.0  # seconds; Node's heartbeatInterval
HEARTBEAT_TIMEOUT = 10.0  # seconds of silence after which a node is taken for dead; Node's heartbeatTimeout
_WINDOW = 64  # sequence numbers behind the last that are remembered, to tell late from double


class Peers:
    """The other nodes, by uid, and when each was last heard."""

    def __init__(self, timeout: float = HEARTBEAT_TIMEOUT) -> None:
        self.timeout = timeout
        self._seen: OrderedDict[str, float] = OrderedDict()  # in order of time: the most silent first

    @property
    def uids(self) -> Collection[str]:
        return self._seen.keys()

    def heard(self, uid: str, now: float) -> bool:
        """Note a sign of life; True if this node was not known."""
        new = uid not in self._seen
        self._seen[uid] = now
        self._seen.move_to_end(uid)
        return new

    def left(self, uid: str) -> bool:
        """A node says that it leaves, or is known to be gone; False if it was not known."""
        return self._seen.pop(uid, None) is not None

    def sweep(self, now: float) -> list[str]:
        """Forget the nodes that have been silent for too long, and name them."""
        silent = []
        for uid, seen in self._seen.items():
            if now - seen <= self.timeout:
                break
            silent.append(uid)
        for uid in silent:
            del self._seen[uid]
        return silent


class Order:
    """In which order one node's numbered messages come on one channel: what is missing, late or double.

    `holes` counts numbers that have not come; a late one fills its hole again.
    """

    __slots__ = ("_epoch", "_last", "_window", "holes")

    def __init__(self) -> None:
        self.holes = 0
        self._epoch = 0
        self._last = 0
        self._window = 0  # bit n: number last - n has come

    def arrived(self, epoch: int, seq: int) -> str:
        """ "next", "late" or "double" (which also means: of a life that is over)."""
        if epoch != self._epoch:
            if epoch < self._epoch:
                return "double"
            self._epoch, self._last, self._window = epoch, seq, 1
            return "next"
        ahead = seq - self._last
        if ahead > 0:
            self.holes += ahead - 1
            self._last = seq
            self._window = (self._window << ahead | 1) & ((1 << _WINDOW) - 1) if ahead < _WINDOW else 1
            return "next"
        bit = 1 << -ahead
        if -ahead >= _WINDOW or self._window & bit:
            return "double"
        self._window |= bit
        self.holes = max(self.holes - 1, 0)  # what came before the first that we saw was no hole
        return "late"
