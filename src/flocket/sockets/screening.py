"""The longer way of a client's event to its handlers: past those who guard this client, or watch all events.

Knows whom to ask and in which order; does not know how events come, or how handlers are called.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from inspect import isawaitable
from typing import TYPE_CHECKING, Any

from flocket.sockets.calls import FAILURES, Answer, call_all, failed, failure_of

if TYPE_CHECKING:
    from flocket.sockets.socket import Socket

__all__ = ["screen"]


def screen(socket: Socket[Any], name: str, args: list[Any], answer: Answer | None) -> None:
    """Ask this client's guards. The first that has to be awaited holds up the events behind, so none overtakes."""
    guards = () if socket._listeners is None else tuple(socket._listeners.guards)
    for index, guard in enumerate(guards):
        try:
            result = guard(name, args)
        except FAILURES as error:
            failed(socket, name, failure_of(error), answer)
            return
        if isawaitable(result):
            socket._turns.hold(_screen_on(socket, result, guards[index + 1 :], name, args, answer))
            return
    _hand_over(socket, name, args, answer)


async def _screen_on(
    socket: Socket[Any],
    begun: Awaitable[Any],
    guards: Sequence[Callable[..., Any]],
    name: str,
    args: list[Any],
    answer: Answer | None,
) -> None:
    socket._turns.beginning -= 1
    try:
        await begun
        for guard in guards:
            await socket.nsp.server._await_if_needed(guard(name, args))
    except FAILURES as error:
        failed(socket, name, failure_of(error), answer)
    else:
        _hand_over(socket, name, args, answer)
    finally:
        socket._turns.release()


def _hand_over(socket: Socket[Any], name: str, args: list[Any], answer: Answer | None) -> None:
    """Show an event to those who watch all, then call its handlers: the namespace's, then this client's."""
    call = socket.nsp.server._call_watcher
    for watcher in tuple(socket.nsp._events.any):
        call(watcher, (socket, name, *args))
    for watcher in () if socket._listeners is None else tuple(socket._listeners.any):
        call(watcher, (name, *args))
    if not socket.connected:
        return
    own = [] if socket._listeners is None else socket._listeners.taken(name)
    handlers = [*socket.nsp._events.handlers.get(name, ()), *own]
    if handlers:  # or nobody answers, and the client's own timeout tells it so
        call_all(socket, name, handlers, args, answer)
