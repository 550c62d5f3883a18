"""The polling transport: a GET waits for what is sent, a POST delivers what the client says.

JSONP is the same body, wrapped. Knows exchanges and payloads; does not know how a session lives.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from flocket.codec import engineio3, jsonp, payload
from flocket.codec.errors import DecodeError
from flocket.codec.frames import Frame
from flocket.engine.compression import accepted_encoding, compress
from flocket.engine.contracts import Exchange, Headers
from flocket.engine.request import Request

if TYPE_CHECKING:
    from flocket.engine.engine import Engine
    from flocket.engine.session import Session

__all__ = ["Polling"]

CLOSE = Frame.of(b"1", compress=False)
NOOP = Frame.of(b"6", compress=False)
A_TURN = 500  # packets of one body that are handled at a stretch: then the others have their turn


class Polling:
    """The carrier of one session that polls: at most one GET and one POST at a time."""

    __slots__ = ("_engine", "_greets", "_handling", "_poll", "_posting", "session", "writable")

    name = "polling"

    def __init__(self, engine: Engine, greets: str) -> None:
        self.session: Session | None = None  # set as soon as there is one
        self.writable = False
        self._engine = engine
        self._poll: Exchange | None = None
        self._posting: Exchange | None = None  # its body is being read
        self._handling = False  # a body is there, and the rest of its packets waits for the next turn
        self._greets: str | None = greets  # the sid, until the first answer has left

    # -- what the client asks -----------------------------------------------------------------------------

    def on_request(self, exchange: Exchange) -> None:
        """A request that belongs to this session, already verified."""
        if exchange.request.method == "GET":
            self._on_get(exchange)
        elif exchange.request.method == "POST":
            self._on_post(exchange)
        else:
            self._refuse(exchange, 500)  # as Node; there is no number for it

    def _refuse(self, exchange: Exchange, status: int, *, close: bool = False) -> None:
        self._engine.counters.http_errors += 1
        self._engine.respond(exchange, status, [], b"", close=close)

    def attach(self, exchange: Exchange) -> None:
        """Let this GET wait for the next frames, without telling the session."""
        self._poll = exchange
        self.writable = True
        exchange.on_gone = self._poll_gone

    def _on_get(self, exchange: Exchange) -> None:
        assert self.session is not None
        if self._poll is not None:
            self._refuse(exchange, 400)
            self.session.drop("transport error", "overlap from client")
            return
        self.attach(exchange)
        self.session.on_writable()

    def _on_post(self, exchange: Exchange) -> None:
        assert self.session is not None
        if self._posting is not None or self._handling:
            self._refuse(exchange, 400)
            self.session.drop("transport error", "data request overlap from client")
            return
        binary = exchange.request.header(b"content-type") == "application/octet-stream"
        if binary and self.session.protocol == 4:
            # Answered whole, or a client could pile up requests that never end.
            self._refuse(exchange, 400, close=True)
            self.session.drop("transport error", "invalid content")
            return
        self._posting = exchange
        exchange.on_gone = self._post_gone
        exchange.read(self._engine.options.max_payload, lambda body: self._on_body(exchange, body, binary))

    def _on_body(self, exchange: Exchange, body: bytes | None, binary: bool) -> None:
        if self._posting is not exchange:
            return  # the session has ended, or moved to a WebSocket, and has answered this request
        self._posting = None
        exchange.on_gone = None
        if body is None:
            self._refuse(exchange, 413, close=True)
            return
        try:
            packets = iter(self._decode(exchange.request, body, binary))
        except DecodeError as error:
            self._refuse_body(exchange, error)
            return
        self._deliver(exchange, packets)

    def _deliver(self, exchange: Exchange, packets: Iterator[tuple[str, str | bytes]]) -> None:
        self._handling = False
        session = self.session
        try:
            for count, (kind, data) in enumerate(packets, 1):
                if session is None or session.ended:
                    break
                session.receive_packet(kind, data)
                if count == A_TURN:
                    self._handling = True
                    self._engine.call_soon(lambda: self._deliver(exchange, packets))
                    return
        except DecodeError as error:
            self._refuse_body(exchange, error)
            return
        # text/html, as some old browsers offer text/plain for download.
        self._engine.respond(exchange, 200, [("Content-Type", "text/html")], b"ok")

    def _refuse_body(self, exchange: Exchange, error: DecodeError) -> None:
        self._engine.respond(exchange, 400, [], b"")
        if self.session is not None:
            self.session.bad_packet(error)

    def _decode(self, request: Request, body: bytes, binary: bool) -> Iterable[tuple[str, str | bytes]]:
        assert self.session is not None
        limit = self._engine.options.limits.packets_per_payload
        if "j" in request.query:
            body = jsonp.unwrap(body)
        if self.session.protocol == 3:
            return engineio3.decode_payload(body, binary, limit)
        return payload.decode_payload(body, limit)

    def _poll_gone(self) -> None:
        self._poll = None
        self.writable = False
        if self.session is not None:
            self.session.drop("transport error", "poll connection closed prematurely")

    def _post_gone(self) -> None:
        self._posting = None
        if self.session is not None:
            self.session.drop("transport error", "data request connection closed prematurely")

    # -- what the session asks ----------------------------------------------------------------------------

    def send(self, frames: list[Frame]) -> None:
        """Answer the waiting GET with all of these."""
        exchange = self._poll
        assert exchange is not None
        assert self.session is not None
        self._poll = None
        self.writable = False
        exchange.on_gone = None
        query = exchange.request.query
        binary = False
        if self.session.protocol == 3:
            body, binary = engineio3.encode_payload(frames, "b64" not in query and "j" not in query)
        else:
            body = payload.encode_payload(frames)
        if "j" in query:
            body = jsonp.wrap(body, query["j"])
            headers: Headers = [
                ("Content-Type", "text/javascript; charset=UTF-8"),
                ("X-Content-Type-Options", "nosniff"),
            ]
        else:
            headers = [
                ("Content-Type", "application/octet-stream" if binary else "text/plain; charset=UTF-8")
            ]
        options = self._engine.options
        if (
            options.http_compression
            and len(body) >= options.compression_threshold
            and any(f.compress for f in frames)
        ):
            encoding = accepted_encoding(exchange.request.header(b"accept-encoding"))
            if encoding is not None:
                body = compress(body, encoding)
                headers.append(("Content-Encoding", encoding))
        greets, self._greets = self._greets, None
        self._engine.respond(exchange, 200, headers, body, greets=greets)

    def noop(self) -> None:
        """End the waiting GET, so that the client stops polling and upgrades."""
        if self._poll is not None:
            self.send([NOOP])

    def pending(self) -> int:
        return 0  # an answered poll has left; the face's buffer holds one answer at the most

    def release(self) -> None:
        """The session goes on over a WebSocket: no request may be left waiting, and none is heard any more."""
        self.noop()
        self._end_post()
        self.session = None

    def close(self, code: int = 1000, reason: str = "") -> None:
        """End what waits: the GET hears the close packet, a POST under way is answered."""
        if self._poll is not None:
            self.send([CLOSE])
        self._end_post()
        self.session = None  # or they would hold each other until the garbage collector comes

    def _end_post(self) -> None:
        posting, self._posting = self._posting, None
        if posting is not None:
            posting.on_gone = None
            self._engine.respond(posting, 400, [], b"", close=True)
