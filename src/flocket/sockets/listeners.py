"""What a user registered for one client alone. Made when the first is registered, so that most clients have none."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from flocket.errors import ConfigError
from flocket.sockets.events import LIFE_EVENTS, EventHandler

__all__ = ["Listeners"]


class Listeners:
    """`any` sees every event, `guards` may refuse one, `waiting` are the futures of `wait_for`."""

    __slots__ = ("_by_event", "any", "guards", "life", "waiting")

    def __init__(self) -> None:
        self._by_event: dict[str, list[tuple[EventHandler, bool]]] = {}
        self.life: dict[str, list[EventHandler]] = {}
        self.any: list[Callable[..., Any]] = []
        self.guards: list[Callable[..., Any]] = []
        self.waiting: set[asyncio.Future[Any]] = set()

    def add(self, event: str, handler: EventHandler, once: bool = False) -> None:
        if event in ("disconnect", "disconnecting"):  # (reason), of this client
            self.life.setdefault(event, []).append(handler)
            return
        if event in LIFE_EVENTS:
            raise ConfigError(f'"{event}" is a reserved event name, which a connected socket does not hear')
        self._by_event.setdefault(event, []).append((handler, once))

    def remove(self, event: str, function: Callable[..., Any] | None) -> None:
        if function is None:
            self._by_event.pop(event, None)
            self.life.pop(event, None)
            return
        if event in self._by_event:
            self._by_event[event] = [
                entry for entry in self._by_event[event] if entry[0].function != function
            ]
        if event in self.life:
            self.life[event] = [handler for handler in self.life[event] if handler.function != function]

    def taken(self, event: str) -> list[EventHandler]:
        """The listeners that an event calls; those for one time only are gone with it."""
        entries = self._by_event.get(event)
        if not entries:
            return []
        if any(once for _, once in entries):
            kept = [entry for entry in entries if not entry[1]]
            if kept:
                self._by_event[event] = kept
            else:
                del self._by_event[event]
        return [handler for handler, _ in entries]

    def abandon(self, error: Exception) -> None:
        """The client is gone: whoever waits for its event hears so."""
        for future in self.waiting:
            if not future.done():
                future.set_exception(error)
