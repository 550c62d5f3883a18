"""How an HTTP connection of the fast face ends: refused, stopped, lost, or handed over to a WebSocket.

uvicorn's protocol with that added: what is owed leaves first, the last word is read, nobody waits for what cannot come.
Does not know how requests are read, or who serves them.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from flocket.engine.contracts import Headers
from flocket.observe import Counters
from flocket.options import Limits
from flocket.serving.connections import Connections
from flocket.serving.exchange import HttpExchange
from flocket.serving.guard import Guard
from flocket.serving.linger import linger
from flocket.serving.response import answer
from flocket.serving.routes import routes_of
from flocket.serving.unheard import unheard_of
from flocket.serving.upgrade import HttpUpgrade
from flocket.serving.websocket import WebSocket

__all__ = ["EndingProtocol"]

LAST_WORD_TIME = 2.0  # seconds in which a refused peer may read why
SHUTDOWN_TIME = 1.0  # seconds that a stopping server waits for an answer that is owed

UNGUARDED = Limits()  # for applications in which no engine has started yet


class EndingProtocol(HttpToolsProtocol):
    """One connection, with what it owes an answer to."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._routes = routes_of(self.app)
        first = self._routes.first
        self._guard = Guard(first.options.limits if first is not None else UNGUARDED, self.loop)
        self._counters = first.counters if first is not None else Counters()
        self._exchange: HttpExchange | None = None  # ours, begun and not answered
        self._upgrade: HttpUpgrade | None = None  # neither accepted nor refused
        self._refusal: tuple[int, str] | None = None  # to be said once the answers before it have left
        self._stopping = False  # uvicorn is; the guard's timer is then that of the end
        self._over = False  # nothing that still comes is looked at
        self._unheard = unheard_of(server_state)

    @property
    def siblings(self) -> Connections:
        return cast(Connections, self.connections)

    def _is_idle(self) -> bool:
        return self._upgrade is None and (self.cycle is None or self.cycle.response_complete)

    # -- what the loop and uvicorn tell -------------------------------------------------------------------

    def connection_lost(self, exc: Exception | None) -> None:
        self._over = True
        self._unheard.discard(self)
        self._guard.stop()
        self._unset_keepalive_if_required()
        exchange, upgrade = self._exchange, self._upgrade
        self._exchange = self._upgrade = None
        self._let_go()  # or uvicorn would set an event that our exchanges have not
        self.pipeline.clear()
        super().connection_lost(exc)
        if exchange is not None:
            exchange.gone()
        if upgrade is not None:
            upgrade.gone()

    def shutdown(self) -> None:
        """uvicorn is stopping. An answer that is owed gets a moment; a poll that nobody ended gets no more."""
        if self._exchange is None and self._upgrade is None:
            super().shutdown()
            return
        self._stopping = True
        if self._exchange is not None:
            self._exchange.keep_alive = False
        self._guard.within(SHUTDOWN_TIME, self.transport.abort)

    def on_response_complete(self) -> None:
        nothing_owed = not self.pipeline
        super().on_response_complete()
        if nothing_owed and self._refusal is not None:
            self._say_refusal()

    # -- refused ------------------------------------------------------------------------------------------

    def _on_late(self) -> None:
        self._refuse(408, "Request Timeout")

    def push_out(self) -> None:
        """Too many have not said a word yet."""
        self._on_late()

    def _refuse(self, status: int, text: str) -> None:
        """Answer for the engine, which never hears of this request; behind the answers that are owed before it."""
        self._count_refusal()
        self._guard.stop()
        self._refusal = (status, text)
        if self._guard.in_message:
            self._drop_half_read()
        if self._over:
            return
        if self._is_idle():
            self._say_refusal()
        else:
            self.flow.pause_reading()

    def _drop_half_read(self) -> None:
        """It is this very request that went wrong, its head long handed on: whoever serves it hears that it ends."""
        cycle = cast(object, self.cycle)
        if self.pipeline and self.pipeline[0][0] is cycle:
            self.pipeline.popleft()  # not begun yet
        elif isinstance(cycle, HttpExchange):
            if cycle.waits_for_body:
                self._exchange = None
                cycle.gone()
        elif not self.cycle.response_complete:
            # As uvicorn's connection_lost tells it; its application would wait for the rest for ever.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            self.flow.resume_writing()
            if self.cycle.response_started:
                self._end()  # half an answer, which no other can follow
            else:
                self.cycle.response_complete = True

    def _say_refusal(self) -> None:
        assert self._refusal is not None
        status, text = self._refusal
        if not self._over and not self.transport.is_closing():
            headers = [("Content-Type", "text/plain; charset=utf-8")]
            defaults = self.server_state.default_headers
            self.transport.write(answer(status, headers, text.encode(), defaults, keep_alive=False))
            self._end()

    def _count_refusal(self) -> None:
        self._counters.http_errors += 1

    # -- the end ------------------------------------------------------------------------------------------

    def _end(self) -> None:
        """Nothing more is answered here; the peer gets the time to read what was."""
        self._over = True
        self._guard.stop()
        self._unset_keepalive_if_required()
        self.pipeline.clear()
        self.connections.discard(self)
        linger(self.transport, self.siblings, LAST_WORD_TIME)

    def _let_go(self) -> None:
        """Nothing is parsed or answered here any more: break the circles that the garbage collector would have to."""
        if isinstance(self.cycle, HttpExchange):
            self.cycle = None  # type: ignore[assignment]  # as it is in uvicorn before the first request
        self.parser = None  # type: ignore[assignment]  # as in uvicorn's connection_lost

    # -- upgrades: what one asks --------------------------------------------------------------------------

    def leave_http(self, head: bytes) -> bool:
        gone = self._over or self.transport.is_closing()
        self._over, self._upgrade = True, None
        self._guard.stop()
        if not gone:
            self.transport.write(head)
            self.connections.discard(self)
        return not gone

    def hand_over(self, websocket: WebSocket) -> None:
        self._let_go()
        websocket.writable = not self.flow.write_paused
        self.transport.set_protocol(websocket)
        self.flow.resume_reading()

    def refuse_upgrade(self, status: int, headers: Headers, body: bytes) -> None:
        self._upgrade = None
        if not self.transport.is_closing():
            self.transport.write(answer(status, headers, body, self.server_state.default_headers, keep_alive=False))
            self._end()
