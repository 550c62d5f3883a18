"""How large a request's head may be, and how long its head and body may take, on one connection of the fast face.

Is told what the parser meets; says what is too large, and calls back when it is too late. Does not know the parser,
who serves a request, or how a client is refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from flocket.options import Limits

__all__ = ["Guard"]


class Guard:
    """Counts what came that nobody serves yet, and keeps the connection's one timer."""

    __slots__ = (
        "_behind", "_body_end", "_limits", "_loop", "_received", "_timer", "_untold", "in_head", "in_message",
    )  # fmt: skip

    def __init__(self, limits: Limits, loop: asyncio.AbstractEventLoop) -> None:
        self._limits = limits
        self._loop = loop
        # Whether a head is being read, as the parser's callbacks say; and bytes that came since it began.
        self.in_head = False
        self._received = 0
        # Behind a head: whether its body may still come, and bytes since the parser told of any: trailers, chunk
        # extensions.
        self.in_message = False
        self._untold = 0
        self._behind = False  # whether the newest bytes hold the end of a request, or of its body
        self._body_end = 0.0  # when all of the body must be there
        self._timer: asyncio.TimerHandle | None = None

    # -- what the parser meets ------------------------------------------------------------------------------

    def reads(self, size: int, in_body: bool) -> None:
        """The parser gets `size` bytes; `in_body`: it is in the body of a request of ours."""
        self._behind = in_body
        self._received = self._received + size if self.in_head else size
        self._untold += size

    def fits(self) -> bool:
        """It has told all that it found in them. Whether that is no more than a head may have."""
        if not self.in_head:
            return self._untold <= self._limits.header_bytes  # of what the parser keeps or skips without a word
        if self._behind:
            self._received = 0  # it began somewhere behind another request: counted from the next bytes on
        return self._received <= self._limits.header_bytes

    def head_ends(self) -> None:
        self.in_head = False
        self._untold = 0
        self.stop()

    def admits(self, url: bytes, headers: Sequence[tuple[bytes, bytes]]) -> bool:
        """Whether a whole head is small enough."""
        if len(headers) > self._limits.headers:
            return False
        if self._received <= self._limits.header_bytes:
            return True  # all that came since it began is less: no need to count
        size = len(url) + sum(len(name) + len(value) + 4 for name, value in headers)
        return size <= self._limits.header_bytes

    def body_comes(self) -> None:
        self._untold = 0

    def message_ends(self) -> None:
        self._behind = True
        self.in_message = False
        self._untold = 0

    # -- times ----------------------------------------------------------------------------------------------

    def expect_head(self, on_late: Callable[[], None]) -> None:
        """A head has its time from here on, or from when it was first expected."""
        if self._timer is None:
            self.within(self._limits.header_time, on_late)

    def body_time_begins(self) -> None:
        self._body_end = self._loop.time() + self._limits.poll_time

    def expect_body(self, on_late: Callable[[], None]) -> None:
        """A part of a body came: the next has its time."""
        # Each part in time is not enough: a byte now and then would hold the connection for days.
        left = self._body_end - self._loop.time()
        self.within(max(0.0, min(self._limits.body_idle, left)), on_late)

    def within(self, seconds: float, on_late: Callable[[], None]) -> None:
        """Whatever was expected: now it is this."""
        self.stop()
        self._timer = self._loop.call_later(seconds, self._late, on_late)

    def stop(self) -> None:
        """Nothing is expected."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _late(self, on_late: Callable[[], None]) -> None:
        self._timer = None
        on_late()
