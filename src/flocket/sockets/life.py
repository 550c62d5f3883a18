"""The handlers of a socket's life: `connection`, then `disconnecting` and `disconnect`, none overtaking another.

Knows their order and what waits for them; does not know why a socket came or went.
"""

from __future__ import annotations

import logging
from inspect import isawaitable
from typing import TYPE_CHECKING, Any

from flocket.sockets.calls import FAILURES, call_one, failed, failure_of
from flocket.sockets.events import PLAIN, EventHandler

if TYPE_CHECKING:
    from flocket.sockets.socket import Socket

__all__ = ["say_farewell", "welcome"]

log = logging.getLogger("flocket")

SLOW_CONNECTION = 5.0  # seconds after which a `connection` handler that holds up its client is named in the log

_Call = tuple[str, EventHandler]  # of which event


async def welcome(socket: Socket[Any]) -> None:
    """Call the handlers of `connection`; then the client's events begin."""
    handlers = socket.nsp._events.life["connection"]
    if handlers:
        deadlines = socket.server._deadlines
        warning = deadlines.after(SLOW_CONNECTION, lambda: _warn_slow(socket))
        try:
            for handler in tuple(handlers):
                await call_one(socket, handler, ())
        except FAILURES as error:
            failed(socket, "connection", failure_of(error), None)
            socket.disconnect()
        finally:
            deadlines.cancel(warning)
    socket._turns.open()
    if socket._farewell is not None:
        socket._farewell()


def say_farewell(socket: Socket[Any], reason: str) -> None:
    """Call the handlers of `disconnecting`, then of `disconnect`: inline as far as they are plain."""
    if not socket._turns.ready:
        # Its `connection` handler still runs: what follows it must not overtake it.
        socket._farewell = lambda: say_farewell(socket, reason)
        return
    socket._farewell = None
    server = socket.server
    calls = [*_calls(socket, "disconnecting"), None, *_calls(socket, "disconnect")]
    for index, call in enumerate(calls):
        if call is None:
            socket._last_rooms = None  # `disconnecting` is over
            continue
        event, handler = call
        if handler.kind != PLAIN:
            server._run_handler(_say_rest(socket, calls[index:], reason))
            return
        try:
            fitted = handler.fit((reason,))
            result = handler.function(socket, *fitted) if handler.given else handler.function(*fitted)
            if isawaitable(result):
                server._run_handler(server._await_if_needed(result))
        except FAILURES as error:
            failed(socket, event, failure_of(error), None)


def _calls(socket: Socket[Any], event: str) -> list[_Call | None]:
    own = [] if socket._listeners is None else socket._listeners.life.get(event, [])
    return [(event, handler) for handler in (*socket.nsp._events.life[event], *own)]


async def _say_rest(socket: Socket[Any], calls: list[_Call | None], reason: str) -> None:
    for call in calls:
        if call is None:
            socket._last_rooms = None
            continue
        event, handler = call
        try:
            await call_one(socket, handler, (reason,))
        except FAILURES as error:
            failed(socket, event, failure_of(error), None)


def _warn_slow(socket: Socket[Any]) -> None:
    log.warning(
        "%s: the connection handler of %s has run for %g s; the events of its client wait for it",
        socket.nsp.shown,
        socket.id,
        SLOW_CONNECTION,
    )
