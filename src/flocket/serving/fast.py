"""The fast face: uvicorn's HTTP protocol, which serves our engines' paths itself and leaves all others to ASGI.

Plain calls from the parser's callbacks to the engine; no scope, no task, no queue. What it says of bad HTTP (400), and
of what the guard finds too large (431) or too late (408), holds for every request on a connection, whoever serves it.
All that is known of uvicorn's inside is in this file, in answering.py and ending.py and, as names, in seam.py. Does
not know sessions, nor how WebSocket frames are read.
"""

from __future__ import annotations

import asyncio
import socket
from urllib.parse import unquote

import httptools

from flocket.engine.request import Request
from flocket.errors import ConfigError
from flocket.serving.answering import AnsweringProtocol
from flocket.serving.exchange import HttpExchange
from flocket.serving.routes import EngineLike
from flocket.serving.seam import check_seam
from flocket.serving.upgrade import HttpUpgrade, accept_key, names_websocket

__all__ = ["HttpProtocol"]

if (_misfit := check_seam()) is not None:
    raise ConfigError(f"flocket:HttpProtocol does not fit what is installed: {_misfit}; leave --http out")

TOO_LARGE = "Request Header Fields Too Large"


class _RefusedError(Exception):
    """Ends the parser's work on a connection that was, or will be, refused."""


class HttpProtocol(AnsweringProtocol):
    """Given to uvicorn as `http=`, or `--http flocket:HttpProtocol`."""

    # Of the newest request: whose path it named, if it is an upgrade; and the length of its body, None if unknown.
    _upgrading: EngineLike | None = None
    _length: int | None = 0

    # -- what the loop and uvicorn tell -------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        super().connection_made(transport)
        connection = transport.get_extra_info("socket")
        if connection is not None and connection.family != socket.AF_UNIX:
            # asyncio does so only where the listening socket was made with the protocol's number: gunicorn's is not.
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._guard.expect_head(self._on_late)
        self._unheard.add(self)

    def data_received(self, data: bytes) -> None:
        if self._over or self._refusal is not None:
            return
        if self._upgrade is not None:
            self._upgrade.hold(data)
            return
        self._unset_keepalive_if_required()
        self._guard.reads(len(data), self._in_body)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._on_parser_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            if not self._over and self._refusal is None:
                self._refuse(400, "Bad Request")
        if self._over:
            self._let_go()
            return
        if self._refusal is not None:
            return
        if self._guard.fits():
            self._watch()
        else:
            self._refuse(431, TOO_LARGE)

    # -- parser callbacks ---------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        self.url = b""
        self.headers = []
        self.expect_100_continue = False
        self._guard.in_head = True
        self._length = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._guard.in_head:
            return  # a trailer: nobody asked for it, and it must not become a header (RFC 9110, 6.5.1)
        name = name.lower()
        if name == b"content-length":
            self._length = int(value)
        elif name == b"transfer-encoding":
            self._length = None
        elif name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        self._guard.head_ends()
        self._unheard.discard(self)
        if self._over or self._refusal is not None or self.transport.is_closing():
            raise _RefusedError
        if not self._guard.admits(self.url, self.headers):
            self._refuse(431, TOO_LARGE)
            raise _RefusedError
        path, query = self._target()
        engine = self._routes.find(path)
        if engine is None:
            self._leave_to_asgi()
        elif self.parser.should_upgrade() and names_websocket(self.headers):
            if self._length != 0 or self.parser.get_method() != b"GET":
                # A body behind an upgrade is read as the next request by some, and as frames by others.
                self._refuse(400, "An upgrade has no body")
                raise _RefusedError
            self._upgrading = engine
        else:
            self._begin(engine, self._request(engine, path, query))
        self._guard.in_message = True

    def on_body(self, body: bytes) -> None:
        self._guard.body_comes()
        if isinstance(self.cycle, HttpExchange):
            self.cycle.on_body(body)
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._guard.message_ends()
        if not self._stopping:
            self._guard.stop()  # the body's, or it would end the connection that waits for its next request
        if self._upgrading is not None:
            return
        if isinstance(self.cycle, HttpExchange):
            self.cycle.on_complete()
        else:
            super().on_message_complete()

    # -- requests -----------------------------------------------------------------------------------------

    def _target(self) -> tuple[str, str]:
        """Path, decoded as ASGI has it, and query."""
        if self.url.startswith(b"/") and b"#" not in self.url:
            raw_path, _, raw_query = self.url.partition(b"?")
        else:
            target = httptools.parse_url(self.url)
            raw_path, raw_query = target.path or b"/", target.query or b""
        path = raw_path.decode("latin-1")
        return unquote(path) if "%" in path else path, raw_query.decode("latin-1")

    def _request(self, engine: EngineLike, path: str, query: str) -> Request:
        peer, port = self.client or ("", 0)
        return Request(
            self.parser.get_method().decode("ascii"),
            path,
            query,
            self.headers,
            peer=peer,
            peer_port=port,
            secure=self.scheme == "https",
            http_version=self.parser.get_http_version(),
            trusted_proxies=engine.options.trusted_proxies,
        )

    def _begin(self, engine: EngineLike, request: Request) -> None:
        keep_alive = self.parser.should_keep_alive() and request.http_version != "1.0"
        if self.parser.should_upgrade():
            keep_alive = False  # to something that we do not speak: the parser reads no further
        exchange = HttpExchange(self, engine, request, self._length, keep_alive, self.expect_100_continue)
        if not self._queue(exchange):
            self._refuse(400, "Too many requests at once")
            raise _RefusedError

    def _leave_to_asgi(self) -> None:
        # uvicorn's scope is made only now: it costs as much as all that ours need.
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expects
        self.headers.extend(headers)
        super().on_headers_complete()

    # -- upgrades -----------------------------------------------------------------------------------------

    def _on_parser_upgrade(self, tail: bytes) -> None:
        """The parser has read an upgrade's head, and leaves what is behind it."""
        engine, self._upgrading = self._upgrading, None
        if engine is not None:
            self._begin_upgrade(engine, tail)
        elif not isinstance(self.cycle, HttpExchange):
            # Somebody else's path: as in uvicorn's own data_received.
            if self._should_upgrade():
                self.handle_websocket_upgrade()
            else:
                self._unsupported_upgrade_warning()

    def _begin_upgrade(self, engine: EngineLike, tail: bytes) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self._refuse(400, "An upgrade behind a request that is not answered")
            return
        request = self._request(engine, *self._target())
        accept = accept_key(request)
        if request.header(b"sec-websocket-version") != "13":
            self._count_refusal()
            self.refuse_upgrade(426, [("Sec-WebSocket-Version", "13")], b"")  # RFC 6455, 4.4
        elif accept is None:
            self._refuse(400, "Invalid Sec-WebSocket-Key")
        else:
            self._upgrade = HttpUpgrade(self, engine, request, accept, tail)
            self._upgrade.start()

    # -- what is not there yet ----------------------------------------------------------------------------

    def _watch(self) -> None:
        """After each read: what is not there yet has its time."""
        guard = self._guard
        if guard.in_head:
            guard.expect_head(self._on_late)
        elif self._half_read():
            guard.expect_body(self._on_late)
        elif self.timeout_keep_alive_task is None and self._is_idle():
            # Only line breaks came, which the parser skips: they must not keep a connection for ever.
            guard.expect_head(self._on_late)
