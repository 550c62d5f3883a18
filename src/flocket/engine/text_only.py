"""A WebSocket for a client that takes no binary frames: it says `b64` in its query, and bytes reach it as base64.

Knows frames only; does not know the session that sends them.
"""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Sequence

from flocket.codec.frames import Frame
from flocket.engine.contracts import Transport
from flocket.engine.handshake import revision
from flocket.engine.request import Request

__all__ = ["TextOnly", "carrier_of"]


def carrier_of(transport: Transport, request: Request) -> Transport | TextOnly:
    """What carries a session over this WebSocket: most clients take binary frames."""
    return TextOnly(transport, revision(request.query)) if "b64" in request.query else transport


class TextOnly:
    """Stands before a face's transport, for such a client alone."""

    name = "websocket"

    def __init__(self, transport: Transport, protocol: int) -> None:
        self._transport = transport
        self._mark = b"b4" if protocol == 3 else b"b"

    @property
    def writable(self) -> bool:
        return self._transport.writable

    def send(self, frames: Sequence[Frame]) -> None:
        self._transport.send([self._as_text(frame) if frame.binary else frame for frame in frames])

    def pending(self) -> int:
        return self._transport.pending()

    def close(self, code: int = 1000, reason: str = "") -> None:
        self._transport.close(code, reason)

    def _as_text(self, frame: Frame) -> Frame:
        return Frame.of(self._mark + b2a_base64(frame.raw, newline=False), compress=frame.compress)
