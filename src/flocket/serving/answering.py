"""The requests of one connection of the fast face, answered one after another, whoever serves them.

Knows whose turn it is, and how an answer of ours is written; does not know how requests are read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from flocket.engine.contracts import Headers
from flocket.serving.ending import EndingProtocol
from flocket.serving.exchange import HttpExchange
from flocket.serving.response import answer

__all__ = ["AnsweringProtocol"]

PIPELINED = 32  # requests that may wait behind one another; no client of ours sends more than two


class AnsweringProtocol(EndingProtocol):
    """uvicorn's `cycle` is the newest request, its `pipeline` those that wait: ours stand there among its own."""

    def _queue(self, exchange: HttpExchange) -> bool:
        """Serve a request when it is its turn; False if too many wait."""
        busy = self.cycle is not None and not self.cycle.response_complete
        self.cycle = cast(RequestResponseCycle, exchange)  # uvicorn asks it for `response_complete`, no more
        if not busy:
            self._start(exchange)
        elif len(self.pipeline) < PIPELINED:
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, self.app))
        else:
            return False
        return True

    def _start(self, exchange: HttpExchange) -> None:
        self._exchange = exchange
        if exchange.waits_for_body:
            self._guard.body_time_begins()
        limit = self.limit_concurrency
        if limit is not None and (len(self.connections) >= limit or len(self.tasks) >= limit):
            exchange.respond(503, [("Content-Type", "text/plain")], b"Service Unavailable", close=True)
        else:
            exchange.start()

    def on_response_complete(self) -> None:
        """An answer has left, ours or uvicorn's: the next request's turn."""
        if self.pipeline and isinstance(self.pipeline[-1][0], HttpExchange):
            self.server_state.total_requests += 1
            if not self.transport.is_closing():
                self.flow.resume_reading()
                self._start(cast(HttpExchange, self.pipeline.pop()[0]))
                if self._half_read():
                    self._guard.expect_body(self._on_late)  # it may never go on
            return
        super().on_response_complete()

    # -- the body -------------------------------------------------------------------------------------------

    @property
    def _in_body(self) -> bool:
        return isinstance(self.cycle, HttpExchange) and self.cycle.waits_for_body

    def _half_read(self) -> bool:
        """Whether a request is being served while its body still comes."""
        exchange, newest = self._exchange, cast(object, self.cycle)
        return exchange is newest and exchange is not None and exchange.waits_for_body

    # -- what an exchange asks ------------------------------------------------------------------------------

    def answer(self, exchange: HttpExchange, status: int, headers: Headers, body: bytes, keep_alive: bool) -> None:
        self._exchange = None
        if self.transport.is_closing():
            return
        defaults: Sequence[tuple[bytes, bytes]] = self.server_state.default_headers
        method = exchange.request.method
        self.transport.write(answer(status, headers, body, defaults, method=method, keep_alive=keep_alive))
        if keep_alive:
            self.on_response_complete()
        else:
            self.server_state.total_requests += 1
            self._end()

    def continue_reading(self, say: bool) -> None:
        if say and not self.transport.is_closing():
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self.flow.resume_reading()

    def stop_reading(self) -> None:
        self.flow.pause_reading()
