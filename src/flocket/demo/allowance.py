"""How much one client may still say: a bucket that fills with time. Knows no clock: now is an argument."""

from __future__ import annotations

__all__ = ["Allowance"]

AT_ONCE, EVERY = 10, 0.5  # so many messages in a burst, then one each half second


class Allowance:
    def __init__(self) -> None:
        self._left = float(AT_ONCE)
        self._since = 0.0

    def spend(self, now: float) -> bool:
        """Take one, at `now` in monotonic seconds; False if there is none left."""
        self._left = min(AT_ONCE, self._left + (now - self._since) / EVERY)
        self._since = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
