"""One request to become a WebSocket on the portable face, and the WebSocket that becomes of it.

Knows ASGI's messages of WebSocket, which are whole; does not know frames, or who decides.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from flocket.codec.frames import Frame
from flocket.engine.contracts import Headers, Receiver, Transport
from flocket.engine.request import Request
from flocket.options import EngineOptions
from flocket.serving.asgi_types import Receive, Scope, Send, raw_headers
from flocket.serving.rfc6455 import subprotocol

__all__ = ["AsgiUpgrade"]

log = logging.getLogger("flocket")

HIGH_WATER = 65_536  # bytes waiting for a WebSocket from which it is not writable: asyncio's own mark


class AsgiUpgrade:
    """One request to become a WebSocket, and what becomes of it."""

    def __init__(self, request: Request, options: EngineOptions) -> None:
        self.request = request
        self.on_gone: Callable[[], None] | None = None
        self._options = options
        self._accepted: tuple[_WebSocket, Headers] | None = None
        self._refused: tuple[int, Headers, bytes] | None = None
        self._decided = asyncio.Event()

    def accept(self, receiver: Receiver, headers: Headers) -> Transport:
        transport = _WebSocket(receiver, self._options.max_payload)
        self._accepted = (transport, headers)
        self._decided.set()
        return transport

    def refuse(self, status: int, headers: Headers, body: bytes) -> None:
        self._refused = (status, headers, body)
        self._decided.set()

    async def run(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._decided.wait()
        except asyncio.CancelledError:  # some servers end the task of a request whose client has gone
            if self.on_gone is not None:
                self.on_gone()
            raise
        if self._accepted is not None:
            transport, headers = self._accepted
            try:
                protocol = subprotocol(self.request.header(b"sec-websocket-protocol"))
                await send({"type": "websocket.accept", "subprotocol": protocol, "headers": raw_headers(headers)})
            except OSError:  # ASGI's word for a client that went while we decided: its session must not stay
                transport.lost()
                return
            await transport.run(receive, send)
            return
        assert self._refused is not None
        status, headers, body = self._refused
        if "websocket.http.response" not in (scope.get("extensions") or {}):
            await send({"type": "websocket.close", "code": 1008})  # the server makes a 403 of it
            return
        raw = raw_headers(headers)
        raw.append((b"content-length", str(len(body)).encode()))
        await send({"type": "websocket.http.response.start", "status": status, "headers": raw})
        await send({"type": "websocket.http.response.body", "body": body})


class _WebSocket:
    """An accepted WebSocket: the engine's Transport. One task reads, one writes."""

    name = "websocket"

    def __init__(self, receiver: Receiver, max_payload: int) -> None:
        self.receiver = receiver
        self.writable = True
        self._max_payload = max_payload
        self._out: list[Frame] = []
        self._pending = 0
        self._closing: tuple[int, str] | None = None
        self._wake = asyncio.Event()

    def send(self, frames: Sequence[Frame]) -> None:
        self._out.extend(frames)
        for frame in frames:
            self._pending += len(frame.payload)
        if self._pending > HIGH_WATER:
            self.writable = False
        self._wake.set()

    def pending(self) -> int:
        return self._pending

    def close(self, code: int = 1000, reason: str = "") -> None:
        if self._closing is None:
            self._closing = (code, reason)
            self.writable = False
            self._wake.set()

    def abort(self) -> None:
        self._out.clear()
        self.close(1006)

    async def run(self, receive: Receive, send: Send) -> None:
        writer = asyncio.ensure_future(self._write(send))
        reader = asyncio.ensure_future(self._read(receive))
        try:
            await asyncio.wait((reader, writer), return_when=asyncio.FIRST_COMPLETED)
            lost = reader.done()
        finally:
            for task in (reader, writer):
                task.cancel()
            failure, _ = await asyncio.gather(reader, writer, return_exceptions=True)
            if isinstance(failure, Exception):  # ours: a client's end comes as a message
                log.error("a WebSocket could not be served", exc_info=failure)
            code, reason = self.lost()
        if not lost and code != 1006:
            # Behind the reader's end: granian sends no close frame while somebody still receives.
            await send({"type": "websocket.close", "code": code, "reason": reason})

    def lost(self) -> tuple[int, str]:
        """Nobody is there any more, and the receiver is told so; how we wanted to close."""
        code, reason = self._closing = self._closing or (1006, "")
        self.writable = False
        self.receiver.on_lost("transport close")
        return code, reason

    async def _read(self, receive: Receive) -> None:
        while True:
            message = await receive()
            if message["type"] != "websocket.receive":
                return
            text = message.get("text")
            frame: str | bytes = text if text is not None else message["bytes"]
            if self._closing is not None:
                continue
            # Characters are at most as many as bytes, so most messages need no counting.
            if len(frame) * 4 > self._max_payload and _size(frame) > self._max_payload:
                self.close(1009, "message too big")
                continue
            self.receiver.receive(frame)

    async def _write(self, send: Send) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._out:
                frames, self._out = self._out, []
                for frame in frames:
                    if frame.binary:
                        await send({"type": "websocket.send", "bytes": frame.payload})
                    else:
                        await send({"type": "websocket.send", "text": frame.payload.decode()})
                    self._pending -= len(frame.payload)
            if self._closing is not None:
                return
            if not self.writable:
                self.writable = True
                self.receiver.on_writable()


def _size(frame: str | bytes) -> int:
    return len(frame.encode()) if isinstance(frame, str) else len(frame)
