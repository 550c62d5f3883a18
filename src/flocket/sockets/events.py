"""What a user registered for a namespace: handlers by event, middlewares, watchers. Registers; does not call.

Knows functions and their kinds; does not know sockets. Handlers belong to the namespace and cost nothing per client.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from flocket.errors import ConfigError
from flocket.sockets.arguments import Signature

__all__ = ["LIFE_EVENTS", "EventHandler", "Events", "check_name", "is_coroutine_function"]

LIFE_EVENTS = {
    "connect": "connection",
    "connection": "connection",
    "disconnecting": "disconnecting",
    "disconnect": "disconnect",
    "new_namespace": "new_namespace",
}  # reserved name: what it stands for

PLAIN, COROUTINE, THREAD = range(3)

Function = Callable[..., Any]


def is_coroutine_function(function: Function) -> bool:
    """Whether calling it gives a coroutine; also for partials and objects with an async `__call__`."""
    if inspect.iscoroutinefunction(function):
        return True
    call = getattr(function, "__call__", None)  # noqa: B004  # of an object; whether it can be called is not asked
    return not inspect.isroutine(function) and inspect.iscoroutinefunction(call)


def check_name(event: object) -> None:
    """Raises ConfigError for what is no event's name; a function, if the name was forgotten."""
    if not isinstance(event, str):
        raise ConfigError(f"an event's name is a string, not {event!r:.80}")


class EventHandler:
    """One function with what we know about it: how to call it and which arguments it takes."""

    __slots__ = ("fit", "function", "given", "kind", "least", "most")

    def __init__(
        self, function: Function, *, given: int, thread: bool = False, most: int | None = None
    ) -> None:
        """`given` is 1 if it gets the socket first; `most` is how many arguments there ever are behind that."""
        if not callable(function):
            raise ConfigError(f"a handler is a function, not {function!r:.80}")
        coroutine = is_coroutine_function(function)
        if thread and coroutine:
            raise ConfigError(f"{function.__qualname__}: thread=True is for plain functions")
        self.function = function
        self.kind = COROUTINE if coroutine else THREAD if thread else PLAIN
        self.given = given
        signature = Signature(function, given, most)
        self.fit = signature.fit  # arguments as the handler gets them; raises ArgumentError
        self.least, self.most = signature.as_they_come  # how many need no fitting


class Events:
    """The registry of one namespace; a dynamic namespace's children share their parent's."""

    def __init__(self) -> None:
        self.handlers: dict[str, list[EventHandler]] = {}
        self.life: dict[str, list[EventHandler]] = {name: [] for name in LIFE_EVENTS.values()}
        self.any: list[Function] = []
        self.errors: list[Function] = []
        self.middlewares: list[Function] = []
        self.server_side: dict[str, list[EventHandler]] = {}

    def add(self, event: str, function: Function, thread: bool) -> None:
        """Register for a reserved name, or for a client's event."""
        check_name(event)
        life = LIFE_EVENTS.get(event)
        if life is not None:
            most = 1 if life in ("disconnecting", "disconnect") else 0  # the reason
            self.life[life].append(EventHandler(function, given=1, thread=thread, most=most))
        else:
            self.handlers.setdefault(event, []).append(EventHandler(function, given=1, thread=thread))

    def add_server_side(self, event: str, function: Function) -> None:
        if event in LIFE_EVENTS:
            raise ConfigError(f'"{event}" is a reserved event name')
        self.server_side.setdefault(event, []).append(EventHandler(function, given=0))

    def include(self, other: Events) -> None:
        """Take in all that another registry has now, behind what is here."""
        for mine, theirs in (
            (self.handlers, other.handlers),
            (self.life, other.life),
            (self.server_side, other.server_side),
        ):
            for event, handlers in theirs.items():
                mine.setdefault(event, []).extend(handlers)
        self.any += other.any
        self.errors += other.errors
        self.middlewares += other.middlewares
