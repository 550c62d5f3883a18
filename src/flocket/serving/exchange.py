"""One request of the fast face, as the engine sees it.

Knows what the engine may ask of a request; everything that concerns the connection it asks of a `Line`, and does
not know who that is.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol

from flocket.engine.contracts import Headers
from flocket.engine.request import Request
from flocket.serving.routes import EngineLike

__all__ = ["HttpExchange", "Line"]

logger = logging.getLogger("flocket")

HIGH_WATER = 65_536  # bytes of a body that may wait before the engine asks for it; uvicorn's own mark


class Line(Protocol):
    """The connection that requests come from."""

    def answer(self, exchange: HttpExchange, status: int, headers: Headers, body: bytes, keep_alive: bool) -> None:
        """Write the answer, then serve the next request or end."""

    def continue_reading(self, say: bool) -> None:
        """The body is wanted; with `say` the client waits to hear that (100 Continue)."""

    def stop_reading(self) -> None:
        """Nobody wants more of the body at present."""


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
        # Who drains keeps no connection: what comes next on it is another's to serve.
        keep = self.keep_alive and self._complete and not close and not self.engine.draining
        self._line.answer(self, status, headers, body, keep)

    # -- what the connection tells ------------------------------------------------------------------------

    def start(self) -> None:
        """It is this request's turn."""
        try:
            self.engine.handle(self)
        except Exception:
            self._fail()

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
        try:
            done(body)
        except Exception:
            self._fail()

    def _fail(self) -> None:
        logger.exception("a request could not be served")
        self.respond(500, [], b"", close=True)

    def _forget(self) -> None:
        self.response_complete = True
        self.on_gone = None
        self._done = None
        self._body = b""
