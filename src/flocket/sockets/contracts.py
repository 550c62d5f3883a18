"""What the sockets floor asks of the world below, and of the parsers and adapters plugged into it.

Implemented by serving/runtime.py, sockets/parsers.py and whoever writes a parser of his own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol, TypeVar

from flocket.codec.socketio import Packet
from flocket.engine.contracts import Runtime

__all__ = ["Decoder", "LoopRuntime", "Parser"]

R = TypeVar("R")


class LoopRuntime(Runtime, Protocol):
    """The event loop of a running server."""

    thread: int  # threading.get_ident() of the loop's thread

    def wall(self) -> float:
        """Seconds since 1970, for what is shown to people; never for a deadline."""

    def post(self, callback: Callable[[], object]) -> None:
        """From another thread: run `callback` in the loop, in the order of posting."""

    def create_task(self, coroutine: Coroutine[Any, Any, R]) -> asyncio.Task[R]:
        """Run a coroutine as a task; the caller owns it."""

    def in_thread(self, function: Callable[..., R], *args: Any) -> asyncio.Future[R]:
        """Run a plain function in a worker thread."""


class Decoder(Protocol):
    """One client's half-read packet. It is given each Engine.IO message of that client."""

    def add(self, message: str | bytes) -> Packet | None:
        """The packet that this message completes, or None while attachments are missing. Rubbish raises DecodeError."""


class Parser(Protocol):
    """How packets become Engine.IO messages. Both ends must use the same."""

    def encode(self, packet: Packet) -> Sequence[str | bytes]:
        """The packet as messages, in order: text as str, binary as bytes. Raises EncodeError."""

    def decoder(self) -> Decoder:
        """A new decoder, for one client."""
