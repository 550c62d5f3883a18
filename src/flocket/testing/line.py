"""A WebSocket without a network: what the engine writes to it, a function is given, in the loop's next turn.

Fulfils the engine's contracts; does not know what the frames say.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from flocket.codec.frames import Frame
from flocket.engine.contracts import Headers, Receiver
from flocket.engine.request import Request

__all__ = ["Line", "LineUpgrade"]


class Line:
    """The server's end. `on_frame` hears each frame, `on_end` that there will be none any more; told once."""

    name = "websocket"

    def __init__(
        self, receiver: Receiver, on_frame: Callable[[str | bytes], None], on_end: Callable[[], None]
    ) -> None:
        self.receiver = receiver
        self.writable = True
        self._on_frame = on_frame
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._open = True

    # -- what the engine asks -----------------------------------------------------------------------------

    def send(self, frames: Sequence[Frame]) -> None:
        if self._open:
            self._loop.call_soon(self._deliver, list(frames))

    def pending(self) -> int:
        return 0

    def close(self, code: int = 1000, reason: str = "") -> None:
        if self._open:
            self._open = False
            self._loop.call_soon(self._end)

    def abort(self) -> None:
        self.close()

    def _deliver(self, frames: list[Frame]) -> None:
        for frame in frames:
            self._on_frame(frame.payload if frame.binary else frame.payload.decode())

    def _end(self) -> None:
        self._on_end()
        self.receiver.on_lost("transport close")

    # -- what the client does -----------------------------------------------------------------------------

    def say(self, frame: str | bytes) -> None:
        """A frame of the client's."""
        if self._open:
            self.receiver.receive(frame)

    def lose(self) -> None:
        """The connection breaks, without a word."""
        if self._open:
            self._open = False
            self.receiver.on_lost("transport close")
            self._on_end()


class LineUpgrade:
    """A request to become a Line. `settled` has it, or the server's words of refusal."""

    def __init__(
        self, request: Request, on_frame: Callable[[str | bytes], None], on_end: Callable[[], None]
    ) -> None:
        self.request = request
        self.on_gone: Callable[[], None] | None = None
        self.settled: asyncio.Future[Line | str] = asyncio.get_running_loop().create_future()
        self._on_frame = on_frame
        self._on_end = on_end

    def accept(self, receiver: Receiver, headers: Headers) -> Line:
        line = Line(receiver, self._on_frame, self._on_end)
        if not self.settled.done():
            self.settled.set_result(line)
        return line

    def refuse(self, status: int, headers: Headers, body: bytes) -> None:
        if not self.settled.done():
            self.settled.set_result(body.decode(errors="replace"))
