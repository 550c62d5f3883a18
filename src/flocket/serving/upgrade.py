"""One request to become a WebSocket, on the fast face: checked, held until the engine decides, handed over.

Knows HTTP's half of the handshake (RFC 6455, 4.2); what concerns the connection it asks of an `UpgradeLine`. Does not
know who that is, who decides, or how frames are read.
"""

from __future__ import annotations

import asyncio
import logging
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable
from hashlib import sha1
from typing import Protocol

from flocket.engine.contracts import Headers, Receiver
from flocket.engine.request import Request
from flocket.serving.connections import Connections
from flocket.serving.deflate import negotiate
from flocket.serving.response import switching
from flocket.serving.rfc6455 import subprotocol
from flocket.serving.routes import EngineLike
from flocket.serving.websocket import WebSocket

__all__ = ["HttpUpgrade", "UpgradeLine", "accept_key", "names_websocket"]

logger = logging.getLogger("flocket")

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3
HELD_BYTES = 65_536  # bytes behind an upgrade that is not accepted yet, before reading stops


class UpgradeLine(Protocol):
    """The connection that an upgrade comes from."""

    transport: asyncio.Transport

    @property
    def siblings(self) -> Connections:
        """The server's connections, of which the WebSocket becomes one."""

    def stop_reading(self) -> None:
        """Nothing more is wanted at present."""

    def leave_http(self, head: bytes) -> bool:
        """Write the last of HTTP, and serve no more of it; False if the client has gone."""

    def hand_over(self, websocket: WebSocket) -> None:
        """What still comes is the WebSocket's."""

    def refuse_upgrade(self, status: int, headers: Headers, body: bytes) -> None:
        """Answer in HTTP, then end."""


class HttpUpgrade:
    """Neither accepted nor refused yet: `tail` is what the client sent behind its request."""

    __slots__ = ("_accept", "_engine", "_held", "_line", "_settled", "on_gone", "request")

    def __init__(self, line: UpgradeLine, engine: EngineLike, request: Request, accept: str, tail: bytes) -> None:
        self.request = request
        self.on_gone: Callable[[], None] | None = None
        self._line = line
        self._engine = engine
        self._accept = accept
        self._held = bytearray(tail)
        self._settled = False

    # -- what the engine asks -----------------------------------------------------------------------------

    def accept(self, receiver: Receiver, headers: Headers) -> WebSocket:
        agreed = None
        options = self._engine.options
        if options.per_message_deflate:
            agreed = negotiate(self.request.headers.get("sec-websocket-extensions", ""))
        deflate, extensions = agreed if agreed is not None else (None, None)
        tail = bytes(self._held)
        self._settle()
        line = self._line
        protocol = subprotocol(self.request.header(b"sec-websocket-protocol"))
        there = line.leave_http(switching(self._accept, protocol, extensions, headers))
        websocket = WebSocket(
            line.transport, receiver, options, self._engine.counters, line.siblings, deflate, tail if there else b""
        )
        if there:
            line.hand_over(websocket)
        else:
            # The engine decided after the client had left: it hears that as of any other WebSocket.
            asyncio.get_running_loop().call_soon(websocket.connection_lost, None)
        return websocket

    def refuse(self, status: int, headers: Headers, body: bytes) -> None:
        if not self._settled:
            self._settle()
            self._line.refuse_upgrade(status, headers, body)

    # -- what the connection tells ------------------------------------------------------------------------

    def start(self) -> None:
        try:
            self._engine.upgrade(self)
        except Exception:
            logger.exception("an upgrade could not be served")
            self.refuse(500, [], b"")

    def hold(self, data: bytes) -> None:
        """The client goes on, as if it were accepted."""
        self._held += data
        if len(self._held) > HELD_BYTES:
            self._line.stop_reading()

    def gone(self) -> None:
        """Nobody is there to hear the answer."""
        on_gone = self.on_gone
        self._settle()
        if on_gone is not None:
            on_gone()

    def _settle(self) -> None:
        self._settled = True
        self.on_gone = None
        self._held = bytearray()


def names_websocket(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether an upgrade is one to WebSocket."""
    return any(name == b"upgrade" and value.lower() == b"websocket" for name, value in headers)


def accept_key(request: Request) -> str | None:
    """Sec-WebSocket-Accept for this request; None if its key is none (RFC 6455, 4.2.1)."""
    key = request.header(b"sec-websocket-key")
    try:
        if key is None or len(b64decode(key, validate=True)) != 16:
            return None
    except ValueError:  # not base64, or not ASCII
        return None
    return b64encode(sha1(key.encode() + GUID).digest()).decode()
