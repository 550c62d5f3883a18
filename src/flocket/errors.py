"""Every exception that flocket raises to its user, as one tree, split by whose fault it is.

A peer's mistake is not here: it closes that peer's session with a reason and never reaches a caller.
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "AckTimeout",
    "AdapterError",
    "ConfigError",
    "ConnectError",
    "Disconnected",
    "EncodeError",
    "EventError",
    "FlocketError",
    "NotRunning",
]


class FlocketError(Exception):
    """The root of all that flocket raises."""


class ConfigError(FlocketError):
    """An option, a handler's signature or the installation is wrong; the message says what to do."""


class EncodeError(FlocketError, ValueError):
    """A value cannot be sent: the message names the path within it, as `$[1].when`."""


class NotRunning(FlocketError, RuntimeError):
    """The server has no event loop yet (or no longer)."""


class AckTimeout(FlocketError, TimeoutError):
    """No acknowledgement came in time. `answers` holds what did come, for an emission to many."""

    def __init__(self, message: str, answers: list[Any] | None = None) -> None:
        super().__init__(message)
        self.answers: list[Any] = answers if answers is not None else []


class Disconnected(FlocketError):
    """The socket whose answer was awaited is gone."""


class AdapterError(FlocketError, ConnectionError):
    """The broker that joins the nodes cannot be reached, or refused."""


class ConnectError(FlocketError):
    """Raise it in a middleware, or in `allow_request`, to refuse a client; it receives the message and `data`."""

    def __init__(self, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.message = message
        self.data = data


class EventError(FlocketError):
    """Raise it in a handler to answer the client that waits for an acknowledgement with your own words."""

    def __init__(self, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.message = message
        self.data = data
