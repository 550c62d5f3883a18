"""What can be heard of one client alone: its own listeners, guards and watchers, as a set of methods of Socket.

Most clients have none, so the registry is made when the first is registered. Registers; does not call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from flocket.errors import ConfigError, Disconnected
from flocket.sockets.events import LIFE_EVENTS, EventHandler
from flocket.sockets.listeners import Listeners

__all__ = ["Hears"]


class Hears:
    """The part of a Socket that registers. Both registries are None until they are needed."""

    __slots__ = ("_listeners", "_outgoing")

    id: str
    _listeners: Listeners | None
    _outgoing: list[Callable[..., object]] | None

    @property
    def connected(self) -> bool:
        raise NotImplementedError

    def on(self, event: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Hear this client's event: `function(*args)`."""
        self._own().add(event, EventHandler(function, given=0))
        return function

    def once(self, event: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Hear its next one only."""
        self._own().add(event, EventHandler(function, given=0), once=True)
        return function

    def off(self, event: str, function: Callable[..., Any] | None = None) -> None:
        """Stop hearing; without `function`, all listeners of that event."""
        if self._listeners is not None:
            self._listeners.remove(event, function)

    def on_any(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """See each of its events first: `function(event, *args)`."""
        self._own().any.append(function)
        return function

    def on_any_outgoing(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """See each event that is sent to it: `function(event, *args)`."""
        if self._outgoing is None:
            self._outgoing = []
        self._outgoing.append(function)
        return function

    def use(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Guard its events: `function(event, args)`; raise to refuse one."""
        self._own().guards.append(function)
        return function

    async def wait_for(self, event: str, timeout: float | None = None) -> tuple[Any, ...]:
        """The arguments of its next such event. Raises TimeoutError, or Disconnected when it goes first."""
        if event in LIFE_EVENTS:
            raise ConfigError(f'"{event}" is a reserved event name')
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

    def _own(self) -> Listeners:
        if self._listeners is None:
            self._listeners = Listeners()
        return self._listeners
