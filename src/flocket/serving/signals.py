"""Hears, beside a host that is not ours, that the process is asked to end.

uvicorn and its like wait for every request before they tell an application to end; a poll that waits would hold them
for ever, or until they cut it. Their own handlers stay in charge. Knows signals; does not know what is done about them.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

__all__ = ["Overheard", "is_hosted"]

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT)  # the last is gunicorn's, to its workers


def is_hosted() -> bool:
    """Whether a server runs this process: it handles SIGTERM, which ends any other program at once."""
    return callable(signal.getsignal(signal.SIGTERM))


class Overheard:
    """Calls `told` within `loop` when one of the signals comes, and then whoever heard it before."""

    def __init__(self, loop: asyncio.AbstractEventLoop, told: Callable[[], object]) -> None:
        self._loop = loop
        self._told = told
        self._before: dict[int, Callable[[int, FrameType | None], Any]] = {}
        if threading.current_thread() is not threading.main_thread():
            return  # only there may handlers be set
        for number in SIGNALS:
            handler = signal.getsignal(number)
            # Nobody who would end it, or Python's own KeyboardInterrupt, which ends whoever serves: nothing to do.
            if callable(handler) and handler is not signal.default_int_handler:
                self._before[number] = handler
                signal.signal(number, self._on_signal)
                signal.siginterrupt(number, False)  # as a loop's own handlers have it

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._told)
        self._before[number](number, frame)

    def restore(self) -> None:
        """Put back what was there, unless somebody has taken our place."""
        if threading.current_thread() is threading.main_thread():
            for number, handler in self._before.items():
                if signal.getsignal(number) == self._on_signal:
                    signal.signal(number, handler)
