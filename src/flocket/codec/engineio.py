"""One Engine.IO 4 packet to and from one WebSocket message.

Knows the packet types (Engine.IO protocol, "Packet encoding"); does not know what a session does with them.
"""

from __future__ import annotations

from flocket.codec.errors import DecodeError
from flocket.codec.frames import Frame
from flocket.codec.plain import well_formed

__all__ = ["CLOSE", "MESSAGE", "NOOP", "OPEN", "PING", "PONG", "UPGRADE", "decode", "message", "packet"]

OPEN = "0"
CLOSE = "1"
PING = "2"
PONG = "3"
MESSAGE = "4"
UPGRADE = "5"
NOOP = "6"


def decode(frame: str | bytes) -> tuple[str, str | bytes]:
    """The type and the data of a packet; a binary frame is a message. Raises DecodeError."""
    if isinstance(frame, str):
        if frame[:1] in _TYPES:
            return frame[0], frame[1:]
        raise DecodeError("unknown packet type" if frame else "empty packet")
    return MESSAGE, frame


_TYPES = frozenset((OPEN, CLOSE, PING, PONG, MESSAGE, UPGRADE, NOOP))


def packet(kind: str, data: str = "") -> Frame:
    """A packet of text: `packet(PONG, "probe")`."""
    return Frame.of(_utf8(kind + data))


def message(data: str | bytes, *, compress: bool = True) -> Frame:
    """A message, text or binary."""
    if isinstance(data, str):
        return Frame.of(_utf8(MESSAGE + data), compress=compress)
    return Frame.of(data, True, compress=compress)


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        return well_formed(text).encode()
