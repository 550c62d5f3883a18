"""All that can be heard of a namespace: handlers, middlewares, watchers, as one set of methods.

Server and Namespace share it; each says whose registry by `_events`. Registers only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, overload

from flocket.sockets.arguments import check_takes
from flocket.sockets.events import Function, check_name

if TYPE_CHECKING:
    from flocket.sockets.events import Events

__all__ = ["Receives", "on"]

F = TypeVar("F", bound=Callable[..., Any])

MARK = "__flocket_on__"


def on(event: str, *, thread: bool = False) -> Callable[[F], F]:
    """Mark a method of a Namespace class as a handler: `(self, socket, *args)`."""
    check_name(event)

    def mark(function: F) -> F:
        marks = [*getattr(function, MARK, ()), (event, thread)]
        setattr(function, MARK, marks)
        return function

    return mark


class Receives:
    """Whose registry it is, is `_registry`'s to say."""

    __slots__ = ()

    @property
    def _registry(self) -> Events:
        raise NotImplementedError

    @overload
    def on(self, event: str, handler: None = None, *, thread: bool = False) -> Callable[[F], F]: ...

    @overload
    def on(self, event: str, handler: F, *, thread: bool = False) -> F: ...

    def on(self, event: str, handler: F | None = None, *, thread: bool = False) -> F | Callable[[F], F]:
        """Hear a client's event: `handler(socket, *args)`, whose value is the acknowledgement.

        Plain functions run inline, with `thread=True` in a thread; coroutine functions as tasks. Annotated arguments
        are checked and converted. Reserved names: `connection`, `disconnecting`, `disconnect`, `new_namespace`.
        Raises ConfigError for an annotation that cannot be resolved.
        """
        check_name(event)
        if handler is not None:
            self._registry.add(event, handler, thread)
            return handler

        def register(function: F) -> F:
            self._registry.add(event, function, thread)
            return function

        return register

    def use(self, middleware: F) -> F:
        """Guard connections: `middleware(socket)`, plain or async; raise ConnectError to refuse one."""
        return _append(self._registry.middlewares, middleware, "socket")

    def on_any(self, watcher: F) -> F:
        """See every event before its handler: `watcher(socket, event, *args)`."""
        return _append(self._registry.any, watcher, "socket", "event", more=True)

    def on_error(self, hook: F) -> F:
        """See every error of a handler: `hook(socket, event, error)`; what it returns replaces the answer."""
        return _append(self._registry.errors, hook, "socket", "event", "error")

    def on_server_side(self, event: str) -> Callable[[F], F]:
        """Hear other nodes: `handler(*args)`, whose value is the answer. No client can call it."""

        check_name(event)

        def register(function: F) -> F:
            self._registry.add_server_side(event, function)
            return function

        return register


def _append(functions: list[Function], function: F, *given: str, more: bool = False) -> F:
    check_takes(function, *given, more=more)
    functions.append(function)
    return function
