"""One request and one upgrade of the fast face, as the engine sees them.

Knows what the engine may ask of a request; everything that concerns the connection it asks of a `Line`, and does
not know who that is.
"""

from __future__ import annotations

import logging
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Callable
from hashlib import sha1
from typing import Protocol

from flocket.engine.contracts import Headers, Receiver
from flocket.engine.request import Request
from flocket.serving.deflate import Deflate, negotiate
from flocket.serving.response import switching
from flocket.serving.routes import EngineLike
from flocket.serving.websocket import WebSocket

__all__ = ["HttpExchange", "HttpUpgrade", "Line", "accept_key"]

logger = logging.getLogger("flocket")

HIGH_WATER = 65_536  # bytes of a body that may wait before the engine asks for it; uvicorn's own mark
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3


class Line(Protocol):
    """The connection that requests come from."""

    def answer(self, exchange: HttpExchange, status: int, headers: Headers, body: bytes, keep_alive: bool) -> None:
        """Write the answer, then serve the next request or end."""

    def continue_reading(self, say: bool) -> None:
        """The body is wanted; with `say` the client waits to hear that (100 Continue)."""

    def stop_reading(self) -> None:
        """Nobody wants more of the body at present."""

    def become_websocket(
        self, head: bytes, receiver: Receiver, engine: EngineLike, deflate: Deflate | None
    ) -> WebSocket:
        """Write `head`, and hand the connection over with what the client sent behind its request."""

    def refuse_upgrade(self, status: int, headers: Headers, body: bytes) -> None:
        """Answer in HTTP, then end."""


class HttpExchange:
    """One HTTP request whose answer is owed. `response_complete` is the name by which uvicorn asks for it."""

    __slots__ = (
        "_body", "_complete", "_done", "_expects", "_length", "_limit", "_line", "engine", "keep_alive", "on_gone",
        "request", "response_complete",
    )  # fmt: skip

    def __init__(
        self, line: Line, engine: EngineLike, request: Request, length: int | None, keep_alive: bool, expects: bool
    ) -> None:
        """`length` is the body's, None if it is not announced (chunked)."""
        self.request = request
        self.engine = engine
        self.keep_alive = keep_alive
        self.on_gone: Callable[[], None] | None = None
        self.response_complete = False
        self._line = line
        self._length = length
        self._expects = expects
        self._complete = length == 0
        self._body: bytes | bytearray = b""
        self._limit = 0
        self._done: Callable[[bytes | None], None] | None = None

    @property
    def waits_for_body(self) -> bool:
        """Whether the next word is the client's."""
        return not self._complete and not self.response_complete

    # -- what the engine asks -----------------------------------------------------------------------------

    def read(self, limit: int, done: Callable[[bytes | None], None]) -> None:
        if len(self._body) > limit or (self._length is not None and self._length > limit):
            done(None)
        elif self._complete:
            done(bytes(self._body))
        else:
            self._limit = limit
            self._done = done
            self._line.continue_reading(self._expects)

    def respond(self, status: int, headers: Headers, body: bytes, *, close: bool = False) -> None:
        if self.response_complete:
            return  # the client has gone, and the engine was told
        self._forget()
        self._line.answer(self, status, headers, body, self.keep_alive and self._complete and not close)

    # -- what the connection tells ------------------------------------------------------------------------

    def start(self) -> None:
        """It is this request's turn."""
        self._guard(lambda: self.engine.handle(self))

    def on_body(self, data: bytes) -> None:
        if self.response_complete:
            return
        if not self._body:
            self._body = data
        elif isinstance(self._body, bytearray):
            self._body += data
        else:
            self._body = bytearray(self._body) + data
        if self._done is None:
            if len(self._body) > HIGH_WATER:
                self._line.stop_reading()
        elif len(self._body) > self._limit:
            self._give(None)

    def on_complete(self) -> None:
        self._complete = True
        if self._done is not None:
            self._give(bytes(self._body))

    def gone(self) -> None:
        """Nobody is there to hear the answer."""
        on_gone = self.on_gone
        self._forget()
        if on_gone is not None:
            on_gone()

    def _give(self, body: bytes | None) -> None:
        done, self._done = self._done, None
        assert done is not None
        self._body = b""
        self._guard(lambda: done(body))

    def _guard(self, call: Callable[[], None]) -> None:
        try:
            call()
        except Exception:
            logger.exception("a request could not be served")
            self.respond(500, [], b"", close=True)

    def _forget(self) -> None:
        self.response_complete = True
        self.on_gone = None
        self._done = None
        self._body = b""


class HttpUpgrade:
    """One request to become a WebSocket."""

    __slots__ = ("_accept", "_engine", "_line", "_settled", "on_gone", "request")

    def __init__(self, line: Line, engine: EngineLike, request: Request, accept: str) -> None:
        self.request = request
        self.on_gone: Callable[[], None] | None = None
        self._line = line
        self._engine = engine
        self._accept = accept
        self._settled = False

    def accept(self, receiver: Receiver, headers: Headers) -> WebSocket:
        agreed = None
        if self._engine.options.per_message_deflate:
            agreed = negotiate(self.request.headers.get("sec-websocket-extensions", ""))
        deflate, extensions = agreed if agreed is not None else (None, None)
        self._settle()
        head = switching(self._accept, extensions, headers)
        return self._line.become_websocket(head, receiver, self._engine, deflate)

    def refuse(self, status: int, headers: Headers, body: bytes) -> None:
        if not self._settled:
            self._settle()
            self._line.refuse_upgrade(status, headers, body)

    def start(self) -> None:
        try:
            self._engine.upgrade(self)
        except Exception:
            logger.exception("an upgrade could not be served")
            self.refuse(500, [], b"")

    def gone(self) -> None:
        """Nobody is there to hear the answer."""
        on_gone = self.on_gone
        self._settle()
        if on_gone is not None:
            on_gone()

    def _settle(self) -> None:
        self._settled = True
        self.on_gone = None


def accept_key(request: Request) -> str | None:
    """Sec-WebSocket-Accept for this request; None if its key is none (RFC 6455, 4.2.1)."""
    key = request.header(b"sec-websocket-key")
    try:
        if key is None or len(b64decode(key, validate=True)) != 16:
            return None
    except (ValueError, Base64Error):  # ValueError: not ASCII
        return None
    return b64encode(sha1(key.encode() + GUID).digest()).decode()
