"""All that can be heard of one client alone, as JavaScript's socket has it: handlers, watchers, guards.

Registers only, but for `wait_for`. Does not know how events come; handlers of the namespace cost less (receives.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, overload

from flocket.errors import ConfigError, Disconnected
from flocket.sockets.events import LIFE_EVENTS, EventHandler, check_name
from flocket.sockets.listeners import Listeners

if TYPE_CHECKING:
    from flocket.sockets.namespace import Namespace

__all__ = ["Hears"]

F = TypeVar("F", bound=Callable[..., Any])


class Hears:
    """Its functions get no socket: it is this one."""

    __slots__ = ("_listeners", "_outgoing")  # both None until something is registered: most clients have nothing

    id: str
    nsp: Namespace[Any]
    _listeners: Listeners | None
    _outgoing: list[Callable[..., Any]] | None

    @property
    def connected(self) -> bool:
        raise NotImplementedError

    # -- events -----------------------------------------------------------------------------------------------

    @overload
    def on(self, event: str, function: None = None) -> Callable[[F], F]: ...

    @overload
    def on(self, event: str, function: F) -> F: ...

    def on(self, event: str, function: F | None = None) -> F | Callable[[F], F]:
        """Hear this client's event: `function(*args)`."""
        return self._hear(event, function, False)

    @overload
    def once(self, event: str, function: None = None) -> Callable[[F], F]: ...

    @overload
    def once(self, event: str, function: F) -> F: ...

    def once(self, event: str, function: F | None = None) -> F | Callable[[F], F]:
        """Hear its next one only."""
        return self._hear(event, function, True)

    def _hear(self, event: str, function: F | None, once: bool) -> F | Callable[[F], F]:
        check_name(event)

        def register(function: F) -> F:
            self._own().add(event, EventHandler(function, given=0), once)
            return function

        return register if function is None else register(function)

    def off(self, event: str, function: Callable[..., Any] | None = None) -> None:
        """Stop hearing; without `function`, all listeners of that event."""
        if self._listeners is not None:
            self._listeners.remove(event, function)

    async def wait_for(self, event: str, timeout: float | None = None) -> tuple[Any, ...]:
        """The arguments of its next such event. Raises TimeoutError, or Disconnected when it goes first."""
        check_name(event)
        if event in LIFE_EVENTS:
            raise ConfigError(f'"{event}" is a reserved event name')
        self.nsp.server._only_here("wait_for")
        if not self.connected:
            raise Disconnected(f"socket {self.id} is not connected")
        heard: asyncio.Future[tuple[Any, ...]] = asyncio.get_running_loop().create_future()

        def listener(*args: Any) -> None:
            if not heard.done():
                heard.set_result(args)

        self.once(event, listener)
        self._own().waiting.add(heard)
        try:
            async with asyncio.timeout(timeout):
                return await heard
        finally:
            self.off(event, listener)
            self._own().waiting.discard(heard)

    def use(self, function: F) -> F:
        """Guard its events: `function(event, args)`; raise to refuse one. An async one holds up those behind."""
        return _callable(function, self._own().guards.append)

    # -- watchers ---------------------------------------------------------------------------------------------

    def on_any(self, function: F) -> F:
        """See each of its events first: `function(event, *args)`."""
        return _callable(function, self._own().any.append)

    def prepend_any(self, function: F) -> F:
        """As `on_any`, before those that are there."""
        return _callable(function, lambda found: self._own().any.insert(0, found))

    def off_any(self, function: Callable[..., Any] | None = None) -> None:
        """Stop showing them to `function`; without it, to all."""
        _remove(None if self._listeners is None else self._listeners.any, function)

    def on_any_outgoing(self, function: F) -> F:
        """See each event that is sent to it: `function(event, *args)`."""
        return _callable(function, self._own_outgoing().append)

    def prepend_any_outgoing(self, function: F) -> F:
        """As `on_any_outgoing`, before those that are there."""
        return _callable(function, lambda found: self._own_outgoing().insert(0, found))

    def off_any_outgoing(self, function: Callable[..., Any] | None = None) -> None:
        """Stop showing them to `function`; without it, to all."""
        _remove(self._outgoing, function)

    def _own(self) -> Listeners:
        if self._listeners is None:
            self._listeners = Listeners()
        return self._listeners

    def _own_outgoing(self) -> list[Callable[..., Any]]:
        if self._outgoing is None:
            self._outgoing = []
        return self._outgoing

    def _tell_outgoing(self, data: list[Any]) -> None:
        for watcher in tuple(self._outgoing or ()):
            self.nsp.server._call_watcher(watcher, tuple(data))


def _callable(function: F, register: Callable[[F], None]) -> F:
    if not callable(function):
        raise ConfigError(f"a function is needed, not {function!r:.80}")
    register(function)
    return function


def _remove(functions: list[Callable[..., Any]] | None, function: Callable[..., Any] | None) -> None:
    if functions is None:
        return
    if function is None:
        functions.clear()
    elif function in functions:
        functions.remove(function)
