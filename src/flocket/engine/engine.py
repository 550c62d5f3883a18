"""All sessions of this process: open, find, close; and the answers that belong to no session.

Knows requests, sessions and options; does not know which face brought a request or who listens to a session.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from flocket.codec.frames import Frame
from flocket.engine import refusal
from flocket.engine.admission import Admission
from flocket.engine.contracts import Exchange, Handler, Headers, Runtime, Transport, Upgrade
from flocket.engine.cookies import handshake_cookie
from flocket.engine.cors import Cors
from flocket.engine.deadlines import Deadlines
from flocket.engine.handshake import revision, verify
from flocket.engine.nobody import DEAF
from flocket.engine.polling import Polling
from flocket.engine.probe import Probe
from flocket.engine.refusal import Refusal
from flocket.engine.request import Request
from flocket.engine.session import Carrier, Session
from flocket.engine.text_only import carrier_of
from flocket.errors import EncodeError
from flocket.observe import Counters
from flocket.options import EngineOptions

__all__ = ["Engine"]

log = logging.getLogger("flocket")

HIGH_WATER = 65_536  # bytes: asyncio's own mark
# Sessions that are written to before the loop reads again. A write takes some 5 us, nearly all of it in the kernel: a
# room of thousands would hold up everybody else. And what arrives meanwhile is joined to what still waits for the rest:
# with four broadcasts in flight to 500 clients a write carries 3.7 of them on average; 2.4 with one round for all.
AT_ONCE = 64


class Engine:
    """Serves one path. `on_session` is told of each new session and returns its handler."""

    def __init__(
        self,
        options: EngineOptions,
        runtime: Runtime,
        on_session: Callable[[Session], Handler],
        make_sid: Callable[[], str],
        counters: Counters | None = None,
    ) -> None:
        self.options = options
        self.runtime = runtime
        self.counters = counters or Counters()
        self.deadlines = Deadlines(runtime)
        self.sessions: dict[str, Session] = {}
        self.unconnected = 0  # sessions that nobody has vouched for yet; kept by whoever makes the handlers
        self.draining = False  # no new session is opened
        self._admission = Admission(self)
        # From here on a client is slow, and has `send_time` to catch up; at the bound itself it has none.
        self.send_bytes = options.limits.send_bytes // 2
        self.send_packets = options.limits.send_packets // 2
        # The rest is in the transport (the mark from which it is not writable, and the write that went beyond), and in
        # what the allocator needs beside.
        self.most_bytes = options.limits.send_bytes - min(3 * HIGH_WATER, options.limits.send_bytes // 5)
        self.call_soon = runtime.call_soon
        self.cors = Cors(options.cors_origins, options.cors_credentials)
        self._on_session = on_session
        self._make_sid = make_sid
        self.dirty: list[Session] = []
        self._listeners: dict[str, list[Callable[..., object]]] = {}

    # -- events of the engine itself ------------------------------------------------------------------------

    @property
    def clients_count(self) -> int:
        return len(self.sessions)

    def on(self, event: str, listener: Callable[..., object]) -> None:
        """`connection_error` (request, code, message, context), `initial_headers` and `headers` (headers, request)."""
        self._listeners.setdefault(event, []).append(listener)

    def _tell(self, event: str, *args: Any) -> None:
        for listener in self._listeners.get(event, ()):
            try:
                listener(*args)
            except Exception:  # the user's own mistake must cost no client its answer
                self.counters.handler_errors += 1
                log.exception("a listener of %r failed", event)

    # -- requests -------------------------------------------------------------------------------------------

    def handle(self, exchange: Exchange) -> None:
        """Serve one HTTP request, now or when there is something to say."""
        request = exchange.request
        if request.method == "OPTIONS" and request.header(b"access-control-request-method") is not None:
            self._preflight(exchange)
            return
        refused = verify(request, self.sessions, self.options, self.cors, upgrade=False)
        if refused is not None:
            self.refuse(exchange, refused)
            return
        sid = request.query.get("sid")
        if not sid:
            self._admission.decide(exchange, self._open_polling, self.refuse)
            return
        transport = self.sessions[sid].transport
        assert isinstance(transport, Polling)
        transport.on_request(exchange)

    def upgrade(self, upgrade: Upgrade) -> None:
        """Serve one request to become a WebSocket."""
        request = upgrade.request
        refused = verify(request, self.sessions, self.options, self.cors, upgrade=True)
        if refused is not None:
            self.refuse_upgrade(upgrade, refused)
            return
        sid = request.query.get("sid")
        if not sid:
            self._admission.decide(upgrade, self._open_websocket, self.refuse_upgrade)
            return
        session = self.sessions[sid]
        headers = self._headers(request)
        if (
            session.upgrading is not None
            or not isinstance(session.transport, Polling)
            or not self.options.allow_upgrades
        ):
            upgrade.accept(DEAF, headers).close()  # as Node: accepted, then closed
            return
        Probe(self, session, upgrade, headers)

    def refuse(self, exchange: Exchange, refused: Refusal, data: Any = None) -> None:
        """Answer a request with its numbered error."""
        self._count_refusal(exchange.request, refused)
        try:
            body = refused.body(data)
        except EncodeError as error:
            log.error("the data of a ConnectError: %s", error)
            body = refused.body()
        self.respond(exchange, refused.http_status, refused.http_headers(), body)

    def refuse_upgrade(self, upgrade: Upgrade, refused: Refusal, data: Any = None) -> None:
        """Answer an upgrade with its error, in HTTP; there is no place for `data` in it."""
        self._count_refusal(upgrade.request, refused)
        upgrade.refuse(refused.upgrade_status, refused.upgrade_headers(), refused.text.encode())

    def respond(
        self,
        exchange: Exchange,
        status: int,
        headers: Headers,
        body: bytes,
        *,
        close: bool = False,
        greets: str | None = None,
    ) -> None:
        """Answer a request of this path, with the headers that every such answer has; `greets` names a new session."""
        headers.append(("Cache-Control", "no-store"))
        headers += self._headers(exchange.request, greets)
        exchange.respond(status, headers, body, close=close)

    def _headers(self, request: Request, sid: str | None = None) -> Headers:
        headers = self.cors.headers(request)
        if sid is None and not self._listeners:
            return headers  # as nearly all
        if sid is not None:
            if self.options.cookie is not None:
                headers.append(("Set-Cookie", handshake_cookie(self.options.cookie, sid)))
            self._tell("initial_headers", headers, request)
        self._tell("headers", headers, request)
        return headers

    def _preflight(self, exchange: Exchange) -> None:
        if not self.cors.admits(exchange.request):
            context = {"name": "FOREIGN_ORIGIN", "origin": exchange.request.header(b"origin")}
            self.refuse(exchange, Refusal(refusal.FORBIDDEN, context))
            return
        exchange.respond(204, self.cors.preflight(exchange.request), b"")

    def _count_refusal(self, request: Request, refused: Refusal) -> None:
        self.counters.refused += 1
        self._tell("connection_error", request, refused.code, refusal.MESSAGES[refused.code], refused.details)

    # -- handshake ------------------------------------------------------------------------------------------

    def _open_polling(self, exchange: Exchange) -> None:
        sid = self._make_sid()
        transport = Polling(self, greets=sid)
        session = transport.session = self._add(sid, exchange.request, transport)
        transport.attach(exchange)
        transport.send([self._greeting(session)])
        self._begin(session)

    def _open_websocket(self, upgrade: Upgrade) -> None:
        sid = self._make_sid()
        # Until the session exists, within this call, nobody listens.
        transport: Transport = upgrade.accept(DEAF, self._headers(upgrade.request, sid))
        session = self._add(sid, upgrade.request, carrier_of(transport, upgrade.request))
        transport.receiver = session
        session.send(self._greeting(session))
        self._begin(session)

    def _add(self, sid: str, request: Request, transport: Carrier) -> Session:
        session = Session(sid, revision(request.query), request, self, transport)
        self.sessions[sid] = session
        self.counters.handshakes += 1
        return session

    def _begin(self, session: Session) -> None:
        if self.options.initial_packet is not None:
            session.send_message(self.options.initial_packet)
        session.handler = self._on_session(session)

    def _greeting(self, session: Session) -> Frame:
        options = self.options
        may_upgrade = (
            session.transport_name == "polling"
            and options.allow_upgrades
            and "websocket" in options.transports
        )
        upgrades = '"websocket"' if may_upgrade else ""
        text = (
            f'0{{"sid":"{session.id}","upgrades":[{upgrades}],"pingInterval":{round(options.ping_interval * 1000)},'
            f'"pingTimeout":{round(options.ping_timeout * 1000)},"maxPayload":{options.max_payload}}}'
        )
        return Frame.of(text.encode(), compress=False)

    # -- sessions -------------------------------------------------------------------------------------------

    def flush_soon(self) -> None:
        """Flush at the end of the turn the sessions that sent something: `dirty`, of which the first asks for this."""
        self.call_soon(self._flush)

    def _flush(self) -> None:
        dirty, self.dirty = self.dirty[:AT_ONCE], self.dirty[AT_ONCE:]
        if self.dirty:
            self.call_soon(self._flush)
        for session in dirty:
            try:
                session.flush()
            except Exception:  # a face's fault with one client is not to silence the others
                log.exception("%r could not be written to", session)
                session.drop("transport error")

    def forget(self, session: Session, reason: str) -> None:
        """A session has ended; it calls this itself."""
        self.sessions.pop(session.id, None)

    def reopen(self) -> None:
        """Begin anew after `close`, in another life of the runtime."""
        self.deadlines.clear()
        self.dirty = []
        self.draining = False

    def close(self, reason: str = "server shutting down") -> None:
        """End every session: polls under way are answered, WebSockets closed as going away (1001)."""
        self.draining = True
        for session in list(self.sessions.values()):
            session.close(reason, 1001)
            session.drop(reason, code=1001)  # nobody waits for a poll that may never come, or for a slow reader
