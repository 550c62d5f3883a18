"""The event loop as the floors above know it: time, turns, tasks, threads.

The only place that ties the engine to asyncio. Knows no protocol.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from threading import get_ident
from typing import Any, TypeVar

from flocket.errors import NotRunning
from flocket.serving.threads import Threads

__all__ = ["AsyncioRuntime"]

log = logging.getLogger("flocket")

R = TypeVar("R")


class AsyncioRuntime:
    """Belongs to one loop from `bind` to `release`; made before any loop exists."""

    def __init__(self) -> None:
        self.thread = 0
        self.run_due: Callable[[], None] | None = None  # Deadlines.run
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake: asyncio.TimerHandle | None = None
        self.tasks: set[asyncio.Task[None]] = set()  # spawned, and not ended
        self._threads = Threads()
        self.now = time.monotonic
        self.wall = time.time

    def bind(self) -> None:
        """Belong to the running loop and its thread."""
        self._loop = asyncio.get_running_loop()
        self.thread = get_ident()

    def release(self) -> None:
        """Belong to no loop any more."""
        if self._wake is not None:
            self._wake.cancel()
            self._wake = None
        for task in self.tasks:
            task.cancel()
        self._threads.release()
        self.thread = 0

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            raise NotRunning("the server is not running")
        return self._loop

    def call_soon(self, callback: Callable[[], object]) -> None:
        self.loop.call_soon(callback)

    def wake_at(self, when: float) -> None:
        if self._wake is not None:
            self._wake.cancel()
        self._wake = self.loop.call_later(max(0.0, when - self.now()), self._due)

    def _due(self) -> None:
        # One turn later, so that what had arrived in the meantime is read before anybody is held to be silent.
        self._wake = None
        assert self.run_due is not None
        self.loop.call_soon(self.run_due)

    def post(self, callback: Callable[[], object]) -> None:
        self.loop.call_soon_threadsafe(callback)

    def create_task(self, coroutine: Coroutine[Any, Any, R]) -> asyncio.Task[R]:
        return self.loop.create_task(coroutine)

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = self.loop.create_task(coroutine)
        self.tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("a task of the engine failed", exc_info=task.exception())

    def in_thread(self, function: Callable[..., R], *args: Any) -> asyncio.Future[R]:
        return asyncio.wrap_future(self._threads.submit(function, *args), loop=self.loop)
