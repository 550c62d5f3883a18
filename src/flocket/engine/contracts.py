"""What the engine asks of the face below it, and what it tells the handler above it.

A face (serving/asgi.py, serving/fast.py) and a relay implement the first four; sockets/client.py or a user of
`EngineServer` implements `Handler`. Everything here is a plain call in the loop's thread.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol

from flocket.codec.frames import Frame
from flocket.engine.request import Request

__all__ = ["Exchange", "Handler", "Headers", "Receiver", "Runtime", "Transport", "Upgrade"]

Headers = list[tuple[str, str]]  # response headers, in the order in which they leave


class Runtime(Protocol):
    """The outside world that the engine may not know: time, turns of the loop, tasks."""

    def now(self) -> float:
        """Monotonic seconds."""

    def call_soon(self, callback: Callable[[], None]) -> None:
        """Run `callback` at the end of this turn of the loop."""

    def wake_at(self, when: float) -> None:
        """Call `Deadlines.run` at `when` (monotonic seconds), or earlier; the last wish replaces those before."""

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine as an owned task; it reports its own errors."""


class Exchange(Protocol):
    """One HTTP request whose answer is owed: made by a face, answered exactly once by the engine."""

    request: Request
    on_gone: Callable[[], None] | None  # set by the engine: called if the client goes before it was answered

    def read(self, limit: int, done: Callable[[bytes | None], None]) -> None:
        """Read the whole body and pass it to `done`; None as soon as it exceeds `limit` bytes: answer and close."""

    def respond(self, status: int, headers: Headers, body: bytes, *, close: bool = False) -> None:
        """Answer. The face adds Content-Length, Date and what its protocol needs; `close` ends the connection."""


class Upgrade(Protocol):
    """One request to become a WebSocket: made by a face, accepted or refused once by the engine."""

    request: Request
    on_gone: Callable[[], None] | None

    def accept(self, receiver: Receiver, headers: Headers) -> Transport:
        """Switch to WebSocket with these extra headers; frames that come go to `receiver` (which may be exchanged)."""

    def refuse(self, status: int, headers: Headers, body: bytes) -> None:
        """Answer in HTTP and close the connection."""


class Receiver(Protocol):
    """Who is told what a WebSocket does: a Session, or a probe before it is one."""

    def receive(self, frame: str | bytes) -> None:
        """One whole message: text as str (valid UTF-8 by then), binary as bytes."""

    def on_writable(self) -> None:
        """The transport, which was not, is `writable` again."""

    def on_lost(self, reason: str) -> None:
        """The connection is gone, for "transport close" or "transport error". Told once, and nothing after it."""


class Transport(Protocol):
    """An open WebSocket as the engine sees it."""

    name: str  # "websocket"
    receiver: Receiver  # may be exchanged at any time (the probe becomes a session)
    writable: bool  # False while what was written waits above the high-water mark

    def send(self, frames: Sequence[Frame]) -> None:
        """Write all of these now, in one write."""

    def pending(self) -> int:
        """Bytes written that have not left this process."""

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Send a close frame behind what was written; the face ends the connection if no answer comes in time."""

    def abort(self) -> None:
        """Drop the connection at once."""


class Handler(Protocol):
    """Who is told what a session does."""

    def on_message(self, data: str | bytes) -> None:
        """One Engine.IO message, its type removed. Text may be empty."""

    def on_drain(self) -> None:
        """Everything that was buffered has been handed to the transport."""

    def on_close(self, reason: str, description: str) -> None:
        """The session ended. Reasons are Node's: "ping timeout", "transport close", "transport error", "parse
        error", "forced close"; ours besides: "slow consumer", "server shutting down"."""
