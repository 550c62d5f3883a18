"""The fast face's WebSocket: bytes of one connection to whole messages and back (RFC 6455, server side).

Frames are read here, over the loop's own transport, and not by picows. Echo of 50 bytes, CPU per frame, side by
side with a bare picows echo and Node's `ws`: 7.5, 7.3 and 9.8 us (100 clients, four in flight), 12.1, 11.6 and 18.3
(one in flight); the reading alone costs 0.45 us here and 0.60 through picows, whose frames are asked five questions,
one through an enum. So it measures as well, and spares us a class that is not public, answers errors by itself and
never gives its read buffer back: an idle client here has none. The unmasking is C (`websockets.speedups`).

Knows frames and limits; does not know HTTP, Engine.IO, or who receives.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Sequence

from flocket.codec.frames import Frame, websocket_header
from flocket.engine.contracts import Receiver
from flocket.engine.nobody import DEAF
from flocket.observe import Counters
from flocket.options import EngineOptions
from flocket.serving.connections import Connections
from flocket.serving.deflate import Deflate
from flocket.serving.fragments import Fragments
from flocket.serving.linger import linger
from flocket.serving.rfc6455 import (
    BINARY,
    CLOSE,
    CLOSE_CODES,
    CONTINUATION,
    FIN,
    GOING_AWAY,
    INVALID_DATA,
    NORMAL,
    OPCODE,
    PING,
    PONG,
    PROTOCOL_ERROR,
    RSV1,
    RSV23,
    TEXT,
    TOO_BIG,
)  # fmt: skip

try:
    from websockets.speedups import apply_mask
except ImportError:  # a platform without the compiled part
    from websockets.utils import apply_mask

__all__ = ["WebSocket"]

WHOLE_TEXT, WHOLE_BINARY = FIN | TEXT, FIN | BINARY
WHOLE = (WHOLE_TEXT, WHOLE_BINARY)  # most of all frames

SMALL = 2_048  # bytes; below it a copy is cheaper than a memoryview
SHUTDOWN_TIME = 1.0  # seconds that a stopping server waits for the answer to its close frame


class WebSocket(asyncio.Protocol):
    """A `Transport` for the engine, and the asyncio protocol of its connection from the 101 on."""

    __slots__ = (
        "_buffer",
        "_connections",
        "_counters",
        "_deadline",
        "_deflate",
        "_limits",
        "_lost",
        "_max",
        "_message",
        "_need",
        "_open",
        "_pong",
        "_pongs",
        "_transport",
        "receiver",
        "writable",
    )

    name = "websocket"

    def __init__(
        self,
        transport: asyncio.Transport,
        receiver: Receiver,
        options: EngineOptions,
        counters: Counters,
        connections: Connections,
        deflate: Deflate | None = None,
        head: bytes = b"",
    ) -> None:
        self.receiver = receiver
        self.writable = True
        self._transport = transport
        self._limits = options.limits
        self._max = options.max_payload
        self._counters = counters
        self._connections = connections
        self._deflate = deflate
        self._open = not transport.is_closing()  # nothing was closed from either side
        self._lost = False  # the receiver was told
        self._deadline: asyncio.TimerHandle | None = None
        # Bytes of a frame that is not there yet, and how many make it worth looking again.
        self._buffer: bytearray | None = None
        self._need = 0
        self._message: Fragments | None = None  # that is not there yet
        self._pongs: bytearray | None = None  # due at the end of this read
        self._pong: bytes | None = None  # due once the transport is writable
        connections.add(self)
        if head:
            # Behind the request came frames. They wait until whoever accepts has its transport.
            self._buffer = bytearray(head)
            asyncio.get_running_loop().call_soon(self._read_head)

    # -- what the engine asks -----------------------------------------------------------------------------

    def send(self, frames: Sequence[Frame]) -> None:
        """Write all of these now, in one write."""
        if not self._open:
            return
        if self._deflate is not None:
            wire = self._deflate.wire
            self._transport.write(b"".join([wire(frame) for frame in frames]))
        elif len(frames) == 1:
            self._transport.write(frames[0].wire)
        else:
            self._transport.write(b"".join([frame.wire for frame in frames]))

    def pending(self) -> int:
        """Bytes written that have not left this process."""
        return self._transport.get_write_buffer_size()

    def close(self, code: int = NORMAL, reason: str = "") -> None:
        """Send a close frame; the connection ends when the peer answers, or after `Limits.close_time`."""
        if self._open:
            self._say_close(code.to_bytes(2, "big") + reason.encode()[:120].decode(errors="ignore").encode())
            self._end_within(self._limits.close_time)

    def abort(self) -> None:
        """Drop the connection at once."""
        self._open = False
        self._transport.abort()

    # -- what the loop and uvicorn tell -------------------------------------------------------------------

    def data_received(self, data: bytes | bytearray) -> None:
        buffer = self._buffer
        if buffer is not None:
            buffer += data
            if len(buffer) < self._need:
                return
            self._buffer = None
            data = buffer
        at, end, need = 0, len(data), 6  # a masked frame's smallest header
        while end - at >= need:
            first, size, start = data[at], data[at + 1] - 0x80, at + 6
            if size > 125:
                start += 2 if size == 126 else 8
                if start > end:
                    need = start - at
                    break
                size = int.from_bytes(data[at + 2 : start - 4], "big")
            plain = first in WHOLE and self._message is None and 0 <= size <= self._max
            if not plain and (code := self._refusal(first, size, start - at > 6)):
                self._fail(code)
                return
            stop = start + size
            if stop > end:
                need = stop - at
                break
            mask = data[start - 4 : start]
            payload = apply_mask(data[start:stop] if size < SMALL else memoryview(data)[start:stop], mask)
            at = stop
            if not plain:
                self._frame(first, payload)
            elif self._open:
                if first == WHOLE_TEXT:
                    try:
                        text = payload.decode()
                    except UnicodeDecodeError:
                        self._fail(INVALID_DATA)
                        return
                    self.receiver.receive(text)
                else:
                    self.receiver.receive(payload)
            if self._lost:
                return
        if at < end:
            if end - at >= 2 and data[at + 1] < 0x80:
                self._fail(PROTOCOL_ERROR)  # not masked (5.1); shorter than any masked frame, it would wait for ever
                return
            self._buffer = bytearray(memoryview(data)[at:])
            self._need = need
        if self._pongs is not None:
            self._flush_pongs()

    def eof_received(self) -> None:
        self._open = False
        self._end_within(self._limits.close_time)  # what was written may never be read

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel_deadline()
        self._connections.discard(self)
        self._buffer = None
        self._tell_lost("transport close" if exc is None else "transport error")
        self.receiver = DEAF  # or session and transport would hold each other until the garbage collector comes

    def pause_writing(self) -> None:
        self.writable = False

    def resume_writing(self) -> None:
        self.writable = True
        if self._pong is not None and self._open:
            self._transport.write(self._pong)
        self._pong = None
        if self._open:
            self.receiver.on_writable()

    def shutdown(self) -> None:
        """uvicorn is stopping."""
        self.close(GOING_AWAY)
        self._end_within(min(SHUTDOWN_TIME, self._limits.close_time))

    # -- frames -------------------------------------------------------------------------------------------

    def _read_head(self) -> None:
        if self._buffer is not None and not self._lost:
            self.data_received(b"")

    def _refusal(self, first: int, size: int, wide: bool) -> int:
        """The close code for a frame of which the header is known; 0 if it may come. Its payload is not here yet."""
        opcode = first & OPCODE
        if size < 0 or first & RSV23:
            return PROTOCOL_ERROR
        if first & RSV1 and (self._deflate is None or opcode not in (TEXT, BINARY)):
            return PROTOCOL_ERROR
        if opcode >= CLOSE:
            return PROTOCOL_ERROR if opcode > PONG or wide or not first & FIN else 0
        if opcode > BINARY or (opcode == CONTINUATION) != (self._message is not None):
            return PROTOCOL_ERROR
        so_far = 0 if self._message is None else self._message.size
        return TOO_BIG if so_far + size > self._max else 0

    def _frame(self, first: int, payload: bytes) -> None:
        """A control frame, a fragment, or a compressed message."""
        opcode = first & OPCODE
        if opcode == CLOSE:
            self._on_close(payload)
        elif not self._open or opcode == PONG:
            pass  # behind our close frame the peer may still speak, but is not heard
        elif opcode == PING:
            self._on_ping(payload)
        elif first & RSV1 and first & FIN:
            self._deliver_inflated(opcode, payload)
        else:
            self._on_fragment(first, payload)

    def _on_fragment(self, first: int, payload: bytes) -> None:
        message = self._message
        if message is None:
            message = self._message = Fragments(first)
        wrong = message.add(payload, bool(first & FIN), self._limits.fragments)
        if wrong:
            self._fail(wrong)
        elif first & FIN:
            self._message = None
            self._flush_pongs()  # pings came between the fragments: they are answered before the message
            text = message.text
            if message.deflated:
                self._deliver_inflated(message.opcode, message.data)
            else:
                self.receiver.receive(message.data if text is None else text)

    def _deliver_inflated(self, opcode: int, payload: bytes) -> None:
        assert self._deflate is not None
        try:
            message = self._deflate.inflate(payload, self._max)
            if message is None:
                self._fail(TOO_BIG)
                return
            received = message.decode() if opcode == TEXT else message
        except (zlib.error, UnicodeDecodeError):
            self._fail(INVALID_DATA)
            return
        self.receiver.receive(received)

    # -- pings --------------------------------------------------------------------------------------------

    def _on_ping(self, payload: bytes) -> None:
        pong = websocket_header(PONG, len(payload)) + payload
        if not self.writable:
            self._pong = pong  # only the newest is owed (5.5.3), and the peer reads none at present
        elif self._pongs is None:
            self._pongs = bytearray(pong)
        else:
            self._pongs += pong

    def _flush_pongs(self) -> None:
        pongs, self._pongs = self._pongs, None
        if pongs is not None and self._open:
            self._transport.write(bytes(pongs))

    # -- the end ------------------------------------------------------------------------------------------

    def _on_close(self, payload: bytes) -> None:
        if not self._open:
            self._finish("transport close")
            return
        if len(payload) == 1 or (payload and int.from_bytes(payload[:2], "big") not in CLOSE_CODES):
            self._fail(PROTOCOL_ERROR)
            return
        try:
            payload[2:].decode()
        except UnicodeDecodeError:
            self._fail(INVALID_DATA)
            return
        self._say_close(payload[:2])  # an empty close is answered empty
        self._finish("transport close")

    def _say_close(self, payload: bytes) -> None:
        self._flush_pongs()
        self._transport.write(websocket_header(CLOSE, len(payload)) + payload)
        self._open = False

    def _finish(self, reason: str) -> None:
        """Both sides have said close: the server ends the connection (7.1.1)."""
        self._transport.close()
        self._end_within(self._limits.close_time)
        self._tell_lost(reason)

    def _fail(self, code: int) -> None:
        """Fail the connection (7.1.7): the peer broke a rule, and hears which kind."""
        self._counters.bad_packets += 1
        if self._open:
            self._say_close(code.to_bytes(2, "big"))
        self._buffer = None
        self._cancel_deadline()
        self._connections.discard(self)
        linger(self._transport, self._connections, self._limits.close_time)
        self._tell_lost("transport error")

    def _end_within(self, seconds: float) -> None:
        self._cancel_deadline()
        self._deadline = asyncio.get_running_loop().call_later(seconds, self._transport.abort)

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _tell_lost(self, reason: str) -> None:
        self._open = False
        if not self._lost:
            self._lost = True
            self._message = None
            self.receiver.on_lost(reason)
