"""The portable face: any ASGI server's requests and WebSockets, as the engine knows them.

Translates ASGI 3 and decides nothing. Slower than the fast face: a task per request, a writer per WebSocket.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

from flocket.codec.frames import Frame
from flocket.engine.contracts import Headers, Receiver, Transport
from flocket.engine.request import Request
from flocket.options import EngineOptions, Limits
from flocket.serving.routes import EngineLike

__all__ = ["ASGIApp", "AsgiFace", "Receive", "Scope", "Send", "request_of"]

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

HIGH_WATER = 65_536  # bytes waiting for a WebSocket from which it is not writable: asyncio's own mark


def request_of(scope: Scope, options: EngineOptions) -> Request:
    """The head of a request, from its ASGI scope."""
    client = scope.get("client") or ("", 0)
    return Request(
        scope.get("method", "GET"),
        scope["path"],
        scope["query_string"].decode("latin-1"),
        scope["headers"],
        peer=client[0] or "",
        peer_port=client[1] or 0,
        secure=scope.get("scheme") in ("https", "wss"),
        http_version=scope.get("http_version", "1.1"),
        trusted_proxies=options.trusted_proxies,
    )


class AsgiFace:
    """Serves `http` and `websocket` scopes for one engine."""

    def __init__(self, engine: EngineLike) -> None:
        self._engine = engine

    async def http(self, scope: Scope, receive: Receive, send: Send) -> None:
        options = self._engine.options
        exchange = _Exchange(request_of(scope, options), options.limits)
        self._engine.handle(exchange)
        await exchange.run(receive, send)

    async def websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        options = self._engine.options
        message = await receive()
        if message["type"] != "websocket.connect":
            return
        upgrade = _Upgrade(request_of(scope, options), options)
        self._engine.upgrade(upgrade)
        await upgrade.run(scope, receive, send)


class _Exchange:
    """One HTTP request. The engine calls it; the server's task runs `run` meanwhile."""

    def __init__(self, request: Request, limits: Limits) -> None:
        self.request = request
        self.on_gone: Callable[[], None] | None = None
        self._limits = limits
        self._wanted: tuple[int, Callable[[bytes | None], None]] | None = None
        self._body_read = False
        self._answer: tuple[int, Headers, bytes, bool] | None = None
        self._changed = asyncio.Event()

    def read(self, limit: int, done: Callable[[bytes | None], None]) -> None:
        self._wanted = (limit, done)
        self._changed.set()

    def respond(self, status: int, headers: Headers, body: bytes, *, close: bool = False) -> None:
        if self._answer is None:
            self._answer = (status, headers, body, close)
            self._changed.set()

    async def run(self, receive: Receive, send: Send) -> None:
        try:
            while self._answer is None:
                if self._wanted is not None:
                    await self._read(receive)
                else:
                    await self._wait(receive)
        except _Gone:
            if self.on_gone is not None:
                self.on_gone()
            return
        except asyncio.CancelledError:  # some servers end the task of a request whose client has gone
            if self.on_gone is not None:
                self.on_gone()
            raise
        except TimeoutError:
            if self.on_gone is not None:
                self.on_gone()
            self._answer = (408, [], b"", True)
        status, headers, body, close = self._answer
        raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        if status != 204:
            raw.append((b"content-length", str(len(body)).encode()))
        if close and self.request.http_version.startswith("1"):
            raw.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": status, "headers": raw})
        await send({"type": "http.response.body", "body": b"" if self.request.method == "HEAD" else body})

    async def _read(self, receive: Receive) -> None:
        assert self._wanted is not None
        limit, done = self._wanted
        self._wanted = None
        declared = self.request.header(b"content-length")
        if (
            declared is not None
            and declared.isascii()
            and declared.isdigit()
            and (len(declared) > 15 or int(declared) > limit)
        ):
            done(None)
            return
        parts: list[bytes] = []
        size = 0
        now = asyncio.get_running_loop().time
        end = now() + self._limits.poll_time
        while True:
            async with asyncio.timeout_at(min(now() + self._limits.body_idle, end)):
                message = await receive()
            if message["type"] == "http.disconnect":
                raise _Gone
            part = message.get("body", b"")
            size += len(part)
            if size > limit:
                done(None)
                return
            parts.append(part)
            if not message.get("more_body", False):
                self._body_read = True
                done(b"".join(parts))
                return

    async def _wait(self, receive: Receive) -> None:
        """Until the engine wants something, or the client is gone."""
        if self.request.method == "POST" and not self._body_read:
            await self._changed.wait()  # to listen would take parts of the body
            self._changed.clear()
            return
        listener = asyncio.ensure_future(_gone(receive))
        changed = asyncio.ensure_future(self._changed.wait())
        try:
            await asyncio.wait((listener, changed), return_when=asyncio.FIRST_COMPLETED)
            self._changed.clear()
            if listener.done() and self._answer is None:
                raise _Gone
        finally:
            for task in (listener, changed):
                task.cancel()
            await asyncio.gather(listener, changed, return_exceptions=True)


class _Gone(Exception):
    """The client closed the connection."""


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class _Upgrade:
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
        await self._decided.wait()
        if self._accepted is not None:
            transport, headers = self._accepted
            raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
            await send({"type": "websocket.accept", "headers": raw})
            await transport.run(receive, send)
            return
        assert self._refused is not None
        status, headers, body = self._refused
        if "websocket.http.response" not in (scope.get("extensions") or {}):
            await send({"type": "websocket.close", "code": 1008})  # the server makes a 403 of it
            return
        raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
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
            await asyncio.gather(reader, writer, return_exceptions=True)
            code, reason = self._closing = self._closing or (1006, "")
            self.writable = False
            self.receiver.on_lost("transport close")
        if not lost and code != 1006:
            # Behind the reader's end: granian sends no close frame while somebody still receives.
            await send({"type": "websocket.close", "code": code, "reason": reason})

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
