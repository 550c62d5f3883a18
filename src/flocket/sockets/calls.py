"""Calling the user's functions: inline, as a task or in a thread; their errors; the answer to the client.

Knows one socket's turn-taking (order, overlap, waiting); does not know packets.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from flocket.errors import ConnectError, EventError
from flocket.sockets.arguments import ArgumentError
from flocket.sockets.events import COROUTINE, PLAIN, EventHandler

if TYPE_CHECKING:
    from flocket.sockets.socket import Socket

__all__ = ["Turns", "call_all", "error_answer"]

log = logging.getLogger("flocket")

REFUSALS = (EventError, ConnectError)  # raised to refuse, in a handler or by a guard: no failure of ours
INTERNAL = {"error": {"message": "internal error"}}
MISSING = object()

Answer = Callable[[Any], None]


async def call_one(socket: Socket[Any], handler: EventHandler, args: Sequence[Any]) -> Any:
    """Call one handler with arguments that already fit, whatever its kind."""
    if handler.kind == COROUTINE:
        return await handler.function(*args)
    if handler.kind == PLAIN:
        return handler.function(*args)
    return await socket.server._runtime.in_thread(handler.function, *args)


def call_all(
    socket: Socket[Any],
    event: str,
    handlers: Sequence[EventHandler],
    args: Sequence[Any],
    answer: Answer | None,
    given: tuple[Any, ...],
) -> None:
    """Call the handlers of one event, one after another; the first value that is not None answers.

    Plain functions run here and now; from the first that is not, a task goes on.
    """
    value: Any = None
    for index, handler in enumerate(handlers):
        if handler.kind != PLAIN:
            socket._turns.start(_call_rest(socket, event, handlers[index:], args, answer, given, value))
            return
        try:
            result = handler.function(*given, *handler.fit(args))
        except Exception as error:
            failed(socket, event, error, answer)
            return
        if value is None:
            value = result
    if answer is not None:
        give(socket, event, answer, value)


async def _call_rest(
    socket: Socket[Any],
    event: str,
    handlers: Sequence[EventHandler],
    args: Sequence[Any],
    answer: Answer | None,
    given: tuple[Any, ...],
    value: Any,
) -> None:
    for handler in handlers:
        try:
            result = await call_one(socket, handler, (*given, *handler.fit(args)))
        except Exception as error:
            failed(socket, event, error, answer)
            return
        if value is None:
            value = result
    if answer is not None:
        give(socket, event, answer, value)


def give(socket: Socket[Any], event: str, answer: Answer, value: Any) -> None:
    """Answer; a value that cannot be sent is the handler's error."""
    try:
        answer(value)
    except Exception as error:
        failed(socket, event, error, answer)


def failed(socket: Socket[Any], event: str, error: Exception, answer: Answer | None) -> None:
    """A handler failed: that event only. Log it, tell `on_error`, and answer the client that waits."""
    counters = socket.server.counters
    if isinstance(error, ArgumentError):
        counters.bad_arguments += 1
        log.info("%s: event %r from %s refused: %s", socket.nsp.name, event[:80], socket.id, error)
    elif not isinstance(error, REFUSALS):
        counters.handler_errors += 1
        log.error("%s: the handler of %r failed", socket.nsp.name, event[:80], exc_info=error)
    hooks = socket.nsp._events.errors
    if not hooks:
        if answer is not None:
            answer(error_answer(error))
        return
    socket.server._drive(_tell_hooks(socket, event, error, answer, hooks))


async def _tell_hooks(
    socket: Socket[Any],
    event: str,
    error: Exception,
    answer: Answer | None,
    hooks: Sequence[Callable[..., Any]],
) -> None:
    replacement: Any = None
    for hook in hooks:
        result = hook(socket, event, error)
        if inspect.isawaitable(result):
            result = await result
        if replacement is None:
            replacement = result
    if answer is not None:
        answer(error_answer(error) if replacement is None else replacement)


def error_answer(error: Exception) -> dict[str, Any]:
    """What the client is told: the user's words, what was wrong with its argument, or nothing of our insides."""
    if isinstance(error, REFUSALS):
        told: dict[str, Any] = {"message": error.message}
        if error.data is not None:
            told["data"] = error.data
        return {"error": told}
    if isinstance(error, ArgumentError):
        return {"error": {"message": str(error)}}
    return INTERNAL


class Turns:
    """One socket's handlers in order: which run, which events wait. None starts before `connection` has returned."""

    __slots__ = ("_limit", "_running", "_socket", "_waiting", "idle", "ready")

    def __init__(self, socket: Socket[Any], limit: int) -> None:
        self._socket = socket
        self._limit = limit
        self._running = 0
        self._waiting: deque[Callable[[], None]] | None = None
        self.ready = False
        self.idle = False  # the next event may start at once: the hot path asks no more than this

    def take(self, start: Callable[[], None], bound: int) -> bool:
        """Start an event's handlers, now or in its turn. False: too many wait already."""
        if self.idle:
            start()
            return True
        if self._waiting is None:
            self._waiting = deque()
        if len(self._waiting) >= bound:
            return False
        self._waiting.append(start)
        return True

    def open(self) -> None:
        """The `connection` handlers have returned."""
        self.ready = True
        self._pump()

    def start(self, coroutine: Any) -> None:
        """Run the rest of an event's handlers as a task, which takes one of the places."""
        server = self._socket.server
        task = server._runtime.create_task(coroutine)
        self._running += 1
        self.idle = self.idle and self._running < self._limit
        server._work.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running -= 1
        self._socket.server._work.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("%s: a task failed", self._socket.nsp.name, exc_info=task.exception())
        self._pump()

    def _pump(self) -> None:
        while self._waiting and self._running < self._limit and self.ready:
            self._waiting.popleft()()
        self.idle = self.ready and self._running < self._limit and not self._waiting

    def drop_waiting(self) -> None:
        """The client is gone: events that have not started never do. Those that run go on."""
        self._waiting = None
