"""Calling the user's functions: inline, as a task or in a thread; their errors; the answer to the client.

Does not know packets, nor when it is an event's turn (turns.py).
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable, Coroutine, Sequence
from types import CoroutineType
from typing import TYPE_CHECKING, Any

from flocket.errors import ConnectError, EventError
from flocket.sockets.arguments import ArgumentError
from flocket.sockets.events import COROUTINE, PLAIN, THREAD, EventHandler

if TYPE_CHECKING:
    from flocket.sockets.socket import Socket

__all__ = ["FAILURES", "Answer", "call_all", "call_one", "error_answer", "failed", "failure_of"]

log = logging.getLogger("flocket")

REFUSALS = (EventError, ConnectError)  # raised to refuse, in a handler or by a guard: no failure of ours
FAILURES = (Exception, asyncio.CancelledError)  # what a user's function may end with that ends nothing else
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
        except FAILURES as error:
            failed(socket, event, failure_of(error), answer)
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
    except FAILURES as error:
        failed(socket, event, failure_of(error), answer)
        return
    if answer is not None:
        give(socket, event, answer, value)


def give(socket: Socket[Any], event: str, answer: Answer, value: Any) -> None:
    """Answer; a value that cannot be sent is the handler's error."""
    try:
        answer(value)
    except Exception as error:
        failed(socket, event, error, answer)


def failure_of(error: Exception | asyncio.CancelledError) -> Exception:
    """The error; or, where something was cancelled that a function waited for, one that says so: somebody waits for
    its answer. Raises it again if it is the caller's own end."""
    if isinstance(error, Exception):
        return error
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise error
    failure = RuntimeError("something was cancelled that it waited for")
    failure.__cause__ = error
    return failure


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
        except FAILURES as raised:
            failure_of(raised)
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
