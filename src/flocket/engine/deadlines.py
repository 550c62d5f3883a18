"""Who is due when: one wheel for every session and every acknowledgement of a process.

Does not know what is due, and has no clock: it asks its Runtime for the time and to be woken.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable

from flocket.engine.contracts import Runtime

__all__ = ["Deadline", "Deadlines"]

GRAIN = 0.02  # seconds: far below the shortest timeout that anybody sets, and at most 50 wake-ups a second
ROUNDING = 1e-6  # of a grain: a moment computed as `bucket * GRAIN` is that bucket's, whatever the last bit says
STALL = 1.0  # seconds late from which the process, not the peers, is held to have slept


class Deadline:
    """One appointment; keep it to cancel it."""

    __slots__ = ("bucket", "callback", "ours")

    def __init__(self, bucket: int, callback: Callable[[], None], ours: bool) -> None:
        self.bucket = bucket
        self.callback = callback
        self.ours = ours  # to do, and not a peer's


class Deadlines:
    """Appointments in buckets of GRAIN seconds: making and cancelling one costs a dictionary access.

    When the process itself was stopped (SIGSTOP, a laptop's sleep, a handler that blocked), its peers had no chance
    to answer, so what they owe us moves by as much. What we owe them does not: a client counts by its own clock when
    a ping should have come.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._buckets: dict[int, set[Deadline]] = {}
        self._order: list[int] = []
        self._wake: float | None = None  # when we asked to be woken, in the runtime's time

    def after(self, seconds: float, callback: Callable[[], None], *, ours: bool = False) -> Deadline:
        """Call `callback` once, `seconds` from now or up to GRAIN later; a stall does not delay what is `ours`."""
        due = self._time() + seconds
        bucket = int(due / GRAIN) + 1
        deadline = Deadline(bucket, callback, ours)
        members = self._buckets.get(bucket)
        if members is None:
            self._buckets[bucket] = {deadline}
            heapq.heappush(self._order, bucket)
            if self._order[0] == bucket:
                self._ask(bucket)
        else:
            members.add(deadline)
        return deadline

    def cancel(self, deadline: Deadline | None) -> None:
        """Forget an appointment; one that is over or None is ignored."""
        if deadline is not None:
            members = self._buckets.get(deadline.bucket)
            if members is not None:
                members.discard(deadline)

    def clear(self) -> None:
        """Forget all appointments: the runtime wakes us no more, or begins anew."""
        self._buckets.clear()
        self._order.clear()
        self._wake = None

    def run(self) -> None:
        """Call all that is due. The runtime calls this when it was asked to."""
        current = int(self._time() / GRAIN + ROUNDING)
        self._wake = None
        try:
            while self._order and self._order[0] <= current:
                # One by one: a callback may make new appointments, or cancel its neighbours in this very bucket.
                members = self._buckets[self._order[0]]
                if members:
                    members.pop().callback()
                else:
                    del self._buckets[heapq.heappop(self._order)]
        finally:
            # Also when a callback failed: the others keep their appointments.
            if self._order:
                self._ask(self._order[0])

    def _time(self) -> float:
        """Now. Whoever asks first after a stall notes it, or what it sets would be late by as much."""
        now = self._runtime.now()
        if self._wake is not None and now - self._wake > STALL:
            self._move(int((now - self._wake) / GRAIN))
            self._wake = now
        return now

    def _move(self, buckets: int) -> None:
        """Give all peers so much more time."""
        appointments = [deadline for members in self._buckets.values() for deadline in members]
        self._buckets.clear()
        for deadline in appointments:
            if not deadline.ours:
                deadline.bucket += buckets
            self._buckets.setdefault(deadline.bucket, set()).add(deadline)
        self._order = sorted(self._buckets)  # which is a heap

    def _ask(self, bucket: int) -> None:
        when = bucket * GRAIN
        if self._wake is None or when < self._wake:
            self._wake = when
            self._runtime.wake_at(when)
