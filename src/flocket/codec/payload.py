"""Many Engine.IO 4 packets to and from one polling body.

Knows the separator and base64 (Engine.IO protocol 4, "HTTP long-polling"); does not know HTTP.
"""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Iterator, Sequence

from flocket.codec import engineio
from flocket.codec.base64 import decode_base64
from flocket.codec.errors import DecodeError
from flocket.codec.frames import Frame

__all__ = ["decode_payload", "encode_payload"]

_SEPARATOR = b"\x1e"


def decode_payload(body: bytes, limit: int) -> Iterator[tuple[str, str | bytes]]:
    """The packets of a body, one by one. Raises DecodeError at the first that is wrong, or is above `limit`.

    Lazy, so that a megabyte of separators costs no more than its first, empty packet.
    """
    start = 0
    for _ in range(limit):
        end = body.find(_SEPARATOR, start)
        yield _decode(body[start:] if end < 0 else body[start:end])
        if end < 0:
            return
        start = end + 1
    raise DecodeError("too many packets in payload")


def _decode(packet: bytes) -> tuple[str, str | bytes]:
    if packet[:1] == b"b":
        return engineio.MESSAGE, decode_base64(packet[1:])
    try:
        return engineio.decode(packet.decode())
    except UnicodeDecodeError:
        raise DecodeError("packet is not UTF-8") from None


def encode_payload(frames: Sequence[Frame]) -> bytes:
    """One polling body; binary goes as base64 behind a `b`."""
    return _SEPARATOR.join(
        [b"b" + b2a_base64(frame.raw, newline=False) if frame.binary else frame.payload for frame in frames]
    )
