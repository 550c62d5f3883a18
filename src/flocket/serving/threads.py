"""Threads for the handlers that block. They do not keep the process from ending, as an executor's would.

Knows functions and futures only. A thread cannot be cancelled: one that is still busy at the end is left behind.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Semaphore, Thread
from typing import Any, TypeVar

__all__ = ["Threads"]

R = TypeVar("R")

MOST = min(32, (os.cpu_count() or 1) + 4)  # as asyncio's own executor

_Work = tuple[Future[Any], Callable[..., Any], tuple[Any, ...]]


class Threads:
    """Started one by one, as they are needed. For one caller, which is the loop."""

    def __init__(self) -> None:
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._work: SimpleQueue[_Work | None] = SimpleQueue()
        self._idle = Semaphore(0)
        self._started = 0

    def submit(self, function: Callable[..., R], *args: Any) -> Future[R]:
        """Call a function in a thread, in its turn."""
        future: Future[R] = Future()
        self._work.put((future, function, args))
        if not self._idle.acquire(blocking=False) and self._started < MOST:
            self._started += 1
            name = f"flocket handler {self._started}"
            Thread(target=_serve, args=(self._work, self._idle), name=name, daemon=True).start()
        return future

    def release(self) -> None:
        """Let each thread end once it is idle; what waits for one is done first."""
        for _ in range(self._started):
            self._work.put(None)
        self._begin_anew()


def _serve(queue: SimpleQueue[_Work | None], idle: Semaphore) -> None:
    while (work := queue.get()) is not None:
        future, function, args = work
        if future.set_running_or_notify_cancel():
            try:
                future.set_result(function(*args))
            except BaseException as error:  # whatever it is, it is the caller's
                future.set_exception(error)
        del work, future, function, args  # or the last call's would live until the next
        idle.release()
