"""What Engine.IO 3 writes differently from 4: binary messages, and the payloads of polling.

Knows the three payload formats (Engine.IO protocol 3, "Encoding"); does not know which one a client may have.
"""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Sequence

from flocket.codec import engineio
from flocket.codec.base64 import decode_base64
from flocket.codec.errors import DecodeError
from flocket.codec.frames import Frame

__all__ = ["decode", "decode_payload", "encode_payload", "message"]

Packet = tuple[str, str | bytes]

_LENGTH_DIGITS = 10  # more than any payload can need; the format itself sets no bound


def decode(frame: str | bytes) -> Packet:
    """The type and the data of a packet. Binary begins with its type as a byte, or is base64 behind `b4`."""
    if isinstance(frame, str):
        if frame[:2] == "b4":
            return engineio.MESSAGE, decode_base64(frame[2:])
        return engineio.decode(frame)
    if frame[:1] != b"\x04":
        raise DecodeError("binary that is no message")
    return engineio.MESSAGE, frame[1:]


def message(data: str | bytes, *, compress: bool = True, supports_binary: bool = True) -> Frame:
    """A message; binary becomes text for a client that takes no binary (`b64` in its query)."""
    if isinstance(data, str):
        return engineio.message(data, compress=compress)
    if supports_binary:
        return Frame.binary3(data, compress=compress)
    return Frame.of(_base64(data), compress=compress)


def decode_payload(body: bytes, binary: bool, limit: int) -> list[Packet]:
    """The packets of one polling body; `binary` says that it came as application/octet-stream.

    Raises DecodeError: also for more than `limit` packets, and for an empty body.
    """
    if not body:
        raise DecodeError("empty payload")
    return _decode_binary(body, limit) if binary else _decode_text(body, limit)


def _decode_text(body: bytes, limit: int) -> list[Packet]:
    # Lengths count UTF-16 code units, as JavaScript's do: in UTF-16 a unit is two bytes, whatever the text.
    try:
        units = body.decode().encode("utf-16-le")
    except UnicodeDecodeError:
        raise DecodeError("payload is not UTF-8") from None
    packets: list[Packet] = []
    position, count = 0, 0
    while position < len(units):
        colon = units.find(b":\x00", position, position + 2 * _LENGTH_DIGITS + 2)
        digits = units[position:colon][::2] if colon > position else b""
        if not digits.isdigit() or any(units[position + 1 : colon : 2]):
            raise DecodeError("illegal length in payload")
        start = colon + 2
        position = start + 2 * int(digits)
        if position > len(units):
            raise DecodeError("payload ends within a packet")
        count += 1
        if count > limit:
            raise DecodeError("too many packets in payload")
        if position > start:  # an empty payload comes as `0:`
            packets.append(decode(_text(units[start:position], "utf-16-le")))
    return packets


def _decode_binary(body: bytes, limit: int) -> list[Packet]:
    packets: list[Packet] = []
    position = 0
    while position < len(body):
        kind = body[position]
        end = body.find(b"\xff", position + 1, position + _LENGTH_DIGITS + 2)
        digits = body[position + 1 : end] if end > 0 else b""
        if kind > 1 or not digits or max(digits) > 9:
            raise DecodeError("illegal length in payload")
        start = end + 1
        position = start + int("".join(map(str, digits)))
        if position > len(body):
            raise DecodeError("payload ends within a packet")
        if len(packets) == limit:
            raise DecodeError("too many packets in payload")
        data = body[start:position]
        packets.append(decode(data if kind else _text(data, "utf-8")))
    return packets


def _text(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        raise DecodeError("packet is not UTF-8") from None


def encode_payload(frames: Sequence[Frame], supports_binary: bool) -> tuple[bytes, bool]:
    """One polling body, and whether it is binary: only if a frame is, and the client can take it."""
    if supports_binary and any(frame.binary for frame in frames):
        return b"".join(map(_encode_binary, frames)), True
    if not frames:
        return b"0:", False
    return b"".join(map(_encode_text, frames)), False


def _encode_text(frame: Frame) -> bytes:
    payload = _base64(frame.raw) if frame.binary else frame.payload
    units = len(payload) if payload.isascii() else len(payload.decode().encode("utf-16-le")) // 2
    return b"%d:%b" % (units, payload)


def _encode_binary(frame: Frame) -> bytes:
    data = b"\x04" + frame.raw if frame.binary else frame.payload
    digits = bytes(map(int, str(len(data))))
    return b"%c%b\xff%b" % (frame.binary, digits, data)


def _base64(data: bytes) -> bytes:
    return b"b4" + b2a_base64(data, newline=False)
