"""What a server shows of the engine below it: how many clients, and the events of the engine itself.

Knows their names; does not know when they happen.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, overload

from flocket.engine.engine import Engine
from flocket.errors import ConfigError

__all__ = ["ENGINE_EVENTS", "EngineEvents"]

F = TypeVar("F", bound=Callable[..., Any])

ENGINE_EVENTS = ("connection_error", "initial_headers", "headers")


class EngineEvents:
    """A Server's `io.engine`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @property
    def clients_count(self) -> int:
        """Sessions of this process, of any transport."""
        return self._engine.clients_count

    @overload
    def on(self, event: str, listener: None = None) -> Callable[[F], F]: ...

    @overload
    def on(self, event: str, listener: F) -> F: ...

    def on(self, event: str, listener: F | None = None) -> F | Callable[[F], F]:
        """`connection_error` (request, code, message, context), `initial_headers` and `headers` (headers, request).

        `headers` is the list of an answer's (name, value) pairs, yours to append to.
        """
        if event not in ENGINE_EVENTS:
            raise ConfigError(
                f"{event!r}: the engine below a Server tells of {', '.join(ENGINE_EVENTS)}; "
                "of clients io.on tells, and of sessions alone an EngineServer"
            )

        def register(function: F) -> F:
            self._engine.on(event, function)
            return function

        return register if listener is None else register(listener)
