"""The order of what several tellers tell one worker, each on a way of its own, while they follow one another.

The new one's words may come before the last of the old one's, and wait for them; but not for somebody who is gone or
hangs. Knows uids and ends; does not know what is told, nor why tellers change.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

__all__ = ["HELD_LIMIT", "Order"]

HELD_LIMIT = 8_388_608  # bytes that wait for an end; as much as a sibling's queue takes

Told = tuple[str, bytes]  # channel, data


class Order:
    """`deliver` gets each message once. Whoever has time calls `give_up` when `waiting` has lasted too long."""

    def __init__(self, deliver: Callable[[str, bytes], None]) -> None:
        self._deliver = deliver
        self._now = ""  # whose turn it is; "": whoever tells first
        self._late: set[str] = set()  # whose turn is over, although their end has not come: waited for no longer
        self._held: dict[str, deque[Told | str]] = {}  # of each, in its order; a str is its end: who follows
        self._size = 0

    @property
    def waiting(self) -> bool:
        """Whether something is held back."""
        return bool(self._held)

    def told(self, uid: str, channel: str, data: bytes) -> None:
        """`uid` tells a message."""
        if uid == self._now:
            self._deliver(channel, data)
        else:
            self._take(uid, (channel, data))

    def ended(self, uid: str, successor: str) -> None:
        """`uid` has told all before the turn of `successor`, or of somebody whom it does not know: ""."""
        self._take(uid, successor)

    def hung(self, uid: str) -> None:
        """`uid` hangs: nobody waits for it. When it comes back, what it still has to tell is late."""
        if uid == self._now:
            self._late.add(uid)
            self._turn("")

    def gone(self, uid: str) -> None:
        """`uid` has ended, and has told all that it will."""
        self.hung(uid)
        self._late.discard(uid)

    def give_up(self) -> None:
        """Wait no longer for whose turn it is."""
        if self._held:
            self._late.add(self._now)
            self._turn("")

    def _take(self, uid: str, item: Told | str) -> None:
        if uid in self._held:
            self._hold(uid, item)
        elif uid in self._late:
            if isinstance(item, str):
                self._late.discard(uid)
            else:
                self._deliver(*item)
        elif self._now in ("", uid):
            self._now = uid
            if isinstance(item, str):
                self._turn(item)
            else:
                self._deliver(*item)
        else:
            self._hold(uid, item)

    def _hold(self, uid: str, item: Told | str) -> None:
        self._held.setdefault(uid, deque()).append(item)
        self._size += len(item) if isinstance(item, str) else len(item[0]) + len(item[1])
        if self._size > HELD_LIMIT:
            self.give_up()

    def _turn(self, uid: str) -> None:
        """It is the turn of `uid`, or of who has waited longest; then of who follows, as far as they have told."""
        while True:
            self._now = uid or next(iter(self._held), "")
            held = self._held.pop(self._now, None)
            if held is None:
                return
            uid = self._now
            while held:
                item = held.popleft()
                if isinstance(item, str):
                    self._size -= len(item)
                    uid = item
                    break
                self._size -= len(item[0]) + len(item[1])
                self._deliver(*item)
            else:
                return
            if held:
                self._held[self._now] = held  # of its next turn, behind all that others told meanwhile
