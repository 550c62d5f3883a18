"""Who stands in where nobody listens: before a session is there, and after its end.

Once it stands there, session and transport no longer hold each other until the garbage collector comes.
"""

from __future__ import annotations

from flocket.engine.contracts import Handler, Receiver

__all__ = ["DEAF", "UNHEARD"]


class _Deaf:
    """Hears nothing of a WebSocket."""

    __slots__ = ()

    def receive(self, frame: str | bytes) -> None:
        pass

    def on_writable(self) -> None:
        pass

    def on_lost(self, reason: str) -> None:
        pass


class _Unheard:
    """Hears nothing of a session."""

    __slots__ = ()

    def on_message(self, data: str | bytes) -> None:
        pass

    def on_drain(self) -> None:
        pass

    def on_close(self, reason: str, description: str) -> None:
        pass


DEAF: Receiver = _Deaf()
UNHEARD: Handler = _Unheard()
