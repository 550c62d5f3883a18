"""A server's loop, the threads around it, and the tasks in it: each has an owner, who sees to its end and its error.

Knows coroutines and functions of the user; does not know what they are for.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from threading import get_ident
from typing import Any, TypeVar

from flocket.engine.deadlines import Deadlines
from flocket.errors import AckTimeout, NotRunning
from flocket.observe import Counters
from flocket.sockets.contracts import LoopRuntime

__all__ = ["Tasks"]

log = logging.getLogger("flocket")

R = TypeVar("R")


class Tasks:
    """The part of a Server that runs things. `_tasks` end with the server, `_handlers` are given time to."""

    counters: Counters
    _runtime: LoopRuntime
    _deadlines: Deadlines
    _tasks: set[asyncio.Task[Any]]
    _handlers: set[asyncio.Task[Any]]

    def _elsewhere(self) -> bool:
        """Whether the caller is in another thread than the loop. Raises NotRunning when there is no loop."""
        thread = self._runtime.thread
        if get_ident() == thread:
            return False
        if not thread:
            raise NotRunning("the server is not running; from outside a cluster, use flocket.Emitter")
        return True

    def _only_here(self, what: str) -> None:
        """What must be awaited is awaited in the loop."""
        if self._elsewhere():
            raise NotRunning(f"{what} is awaited in the server's loop; from another thread, use io.from_thread")

    def create_task(self, coroutine: Coroutine[Any, Any, R]) -> asyncio.Task[R]:
        """Run a coroutine beside; its error is logged, and it is cancelled when the server closes."""
        return self._own_task(coroutine, self._tasks)

    def _own_task(self, coroutine: Coroutine[Any, Any, R], owner: set[asyncio.Task[Any]]) -> asyncio.Task[R]:
        try:
            self._only_here("create_task")
        except NotRunning:
            coroutine.close()
            raise
        task = self._runtime.create_task(coroutine)
        owner.add(task)

        def ended(task: asyncio.Task[Any]) -> None:
            owner.discard(task)
            if not task.cancelled() and task.exception() is not None:
                self.counters.handler_errors += 1
                log.error("a background task failed", exc_info=task.exception())

        task.add_done_callback(ended)
        return task

    def _run_handler(
        self, coroutine: Coroutine[Any, Any, Any], ended: Callable[[asyncio.Task[Any]], None] | None = None
    ) -> None:
        """Run what calls the user's functions and sees to their errors. No disconnect cancels it.

        `ended` is told of its end in place of `_handler_ended`, and passes that on: one callback is cheaper than two.
        """
        task = self._runtime.create_task(coroutine)
        self._handlers.add(task)
        task.add_done_callback(ended or self._handler_ended)

    def _handler_ended(self, task: asyncio.Task[Any]) -> None:
        self._handlers.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self.counters.handler_errors += 1
            log.error("a handler's task failed", exc_info=task.exception())

    async def _settled(self, wait: Callable[[], Awaitable[None]]) -> None:
        """What an Emission awaits, wherever it is awaited: from another thread's loop, by way of ours."""
        thread = self._runtime.thread
        if get_ident() == thread:
            await wait()
            return
        await asyncio.sleep(0)
        if not thread:
            return  # the end has come meanwhile: nothing is waited for any more
        loop = asyncio.get_running_loop()
        done = loop.create_future()

        def finish() -> None:
            if not done.done():
                done.set_result(None)

        async def here() -> None:
            try:
                await wait()
            finally:
                with suppress(RuntimeError):  # the other loop has closed: nobody waits
                    loop.call_soon_threadsafe(finish)

        self._runtime.post(lambda: self._run_handler(here()))
        await done

    async def _await_if_needed(self, value: Any) -> Any:
        return await value if inspect.isawaitable(value) else value

    def _call_watcher(self, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        """Call one of the user's observers: plain or async, its error logged."""
        try:
            result = function(*args)
        except (Exception, asyncio.CancelledError):
            self.counters.handler_errors += 1
            log.exception("an observer failed")
            return
        if inspect.isawaitable(result):
            self._run_handler(self._await_if_needed(result))

    async def _within(self, seconds: float, done: asyncio.Event, values: list[Any]) -> None:
        """Wait for `done`. Raises AckTimeout with the values that came, in the wheel's time."""
        late = False

        def too_late() -> None:
            nonlocal late
            late = not done.is_set()
            done.set()

        deadline = self._deadlines.after(seconds, too_late)
        try:
            await done.wait()
        finally:
            self._deadlines.cancel(deadline)
        if late:
            raise AckTimeout(f"not every acknowledgement came within {seconds:g} s", list(values))
