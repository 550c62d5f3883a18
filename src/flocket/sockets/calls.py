"""Calling the user's functions: inline, as a task or in a thread; their errors; the answer to the client.

Knows one socket's turn-taking (order, overlap, waiting); does not know packets.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from types import CoroutineType
from typing import TYPE_CHECKING, Any

from flocket.errors import ConnectError, EventError
from flocket.sockets.arguments import ArgumentError
from flocket.sockets.events import COROUTINE, PLAIN, THREAD, EventHandler

if TYPE_CHECKING:
    from flocket.codec.socketio import Packet
    from flocket.sockets.socket import Socket

__all__ = ["Turns", "call_all", "call_one", "error_answer", "failed"]

log = logging.getLogger("flocket")

REFUSALS = (EventError, ConnectError)  # raised to refuse, in a handler or by a guard: no failure of ours
INTERNAL = {"error": {"message": "internal error"}}

Answer = Callable[[Any], None]


async def call_one(socket: Socket[Any], handler: EventHandler, args: Sequence[Any]) -> Any:
    """Call one handler, whatever its kind; `args` are the client's. Raises ArgumentError, or what the handler does."""
    fitted = handler.fit(args)
    if handler.given:
        fitted = (socket, *fitted)
    if handler.kind == THREAD:
        return await socket.server._runtime.in_thread(handler.function, *fitted)
    result = handler.function(*fitted)
    return await result if handler.kind == COROUTINE or result.__class__ is CoroutineType else result


def call_all(
    socket: Socket[Any], event: str, handlers: Sequence[EventHandler], args: Sequence[Any], answer: Answer | None
) -> None:
    """Call the handlers of one event, one after another; the first value that is not None answers.

    Plain functions run here and now, unless a task of an earlier event has yet to begin: events start in order.
    From the first handler that is not plain, a task goes on.
    """
    value: Any = None
    turns = socket._turns
    for handler in handlers:
        if handler.kind != PLAIN or turns.beginning:
            rest = handlers[handlers.index(handler) :]
            turns.start(_call_rest(socket, event, rest, args, answer, value))
            return
        try:
            fitted = args if handler.least <= len(args) <= handler.most else handler.fit(args)
            result = handler.function(socket, *fitted) if handler.given else handler.function(*fitted)
        except Exception as error:
            failed(socket, event, error, answer)
            return
        if result is not None:
            if result.__class__ is CoroutineType:
                handler.kind = COROUTINE  # a decorator hid it; from now on we know
                rest = handlers[handlers.index(handler) + 1 :]
                turns.start(_call_rest(socket, event, rest, args, answer, value, result))
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
    value: Any,
    begun: Coroutine[Any, Any, Any] | None = None,
) -> None:
    socket._turns.beginning -= 1
    try:
        if begun is not None:
            result = await begun
            if value is None:
                value = result
        for handler in handlers:
            result = await call_one(socket, handler, args)
            if value is None:
                value = result
    except Exception as error:
        failed(socket, event, error, answer)
        return
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
        log.info("%s: event %r from %s refused: %s", socket.nsp.shown, event[:80], socket.id, error)
    elif not isinstance(error, REFUSALS):
        counters.handler_errors += 1
        log.error("%s: the handler of %r failed", socket.nsp.shown, event[:80], exc_info=error)
    hooks = tuple(socket.nsp._events.errors)
    if hooks:
        socket.server._run_handler(_tell_hooks(socket, event, error, answer, hooks))
    elif answer is not None:
        _apologize(answer, error_answer(error))


async def _tell_hooks(
    socket: Socket[Any],
    event: str,
    error: Exception,
    answer: Answer | None,
    hooks: Sequence[Callable[..., Any]],
) -> None:
    replacement: Any = None
    for hook in hooks:
        try:
            result = hook(socket, event, error)
            if inspect.isawaitable(result):
                result = await result
        except Exception:
            socket.server.counters.handler_errors += 1
            log.exception("%s: on_error failed", socket.nsp.shown)
            continue
        if replacement is None:
            replacement = result
    if answer is not None:
        _apologize(answer, error_answer(error) if replacement is None else replacement)


def _apologize(answer: Answer, told: Any) -> None:
    """Answer with an error. If the user's words for it cannot be sent, ours can: nobody waits for nothing."""
    try:
        answer(told)
    except Exception:
        log.exception("the answer to an error cannot be sent")
        answer(INTERNAL)


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

    __slots__ = (
        "_held", "_limit", "_running", "_server", "_socket", "_waiting", "_waiting_bytes", "beginning", "idle", "ready",
    )  # fmt: skip

    def __init__(self, socket: Socket[Any], limit: int) -> None:
        self._socket: Socket[Any] | None = socket  # until it is closed: nothing is dispatched from then on
        self._server = socket.nsp.server
        self._limit = limit
        self._running = 0
        self._held = False  # an event is before an async guard: those behind it may not overtake it
        self._waiting: deque[tuple[Packet, int]] | None = None
        self._waiting_bytes = 0
        self.beginning = 0  # tasks that were made and have not begun
        self.ready = False
        self.idle = False  # the next event may start at once: the hot path asks no more than this

    def wait(self, packet: Packet, size: int, events: int, size_bound: int) -> bool:
        """Let an event wait for its turn. False: too many wait already, or too much."""
        if self._waiting is None:
            self._waiting = deque()
        self._waiting_bytes += size
        if len(self._waiting) >= events or self._waiting_bytes > size_bound:
            return False
        self._waiting.append((packet, size))
        return True

    def open(self) -> None:
        """The `connection` handlers have returned."""
        self.ready = True
        self._pump()

    def start(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run the rest of an event's handlers as a task, which takes one of the places."""
        self._running += 1
        self.beginning += 1
        self.idle = self.idle and self._running < self._limit
        self._server._run_handler(coroutine, self._ended)

    def hold(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """As `start`, and no other event starts until `release`."""
        self._held = True
        self.idle = False
        self.start(coroutine)

    def release(self) -> None:
        self._held = False

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._server._handler_ended(task)
        self._running -= 1
        self._pump()

    def _pump(self) -> None:
        socket = self._socket
        while self._waiting and socket is not None and self._running < self._limit and self.ready and not self._held:
            packet, size = self._waiting.popleft()
            self._waiting_bytes -= size
            socket._dispatch(packet)
        self.idle = self.ready and self._running < self._limit and not self._waiting and not self._held

    def drop_waiting(self) -> None:
        """The client is gone: events that have not started never do. Those that run go on."""
        self._waiting = None
        self._waiting_bytes = 0
        self._socket = None  # or they would hold each other until the garbage collector comes
