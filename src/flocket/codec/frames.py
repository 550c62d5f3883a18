"""One Engine.IO packet as finished bytes, made once and shared by every session that sends it.

Knows the WebSocket header of an unmasked frame (RFC 6455, 5.2); does not know transports.
"""

from __future__ import annotations

import msgspec

__all__ = ["Frame", "text_frame", "websocket_header"]


def websocket_header(opcode: int, size: int) -> bytes:
    """The header of one unmasked, final frame whose payload has `size` bytes (RFC 6455, 5.2)."""
    if size < 126:
        return bytes((0x80 | opcode, size))
    if size < 65536:
        return bytes((0x80 | opcode, 126)) + size.to_bytes(2, "big")
    return bytes((0x80 | opcode, 127)) + size.to_bytes(8, "big")


_SHORT_TEXT = [websocket_header(1, size) for size in range(126)]  # most of all frames


def text_frame(payload: bytes) -> Frame:
    """`Frame.of(payload)` for the hot path: of all frames that leave, most are small text."""
    size = len(payload)
    if size < 126:
        return Frame(_SHORT_TEXT[size] + payload, 2, False, True)
    return Frame.of(payload)


class Frame(msgspec.Struct, gc=False, eq=False):
    """A packet ready to leave, made by `Frame.of`.

    `wire` is a whole WebSocket frame, which is all that is kept: what waits for a slow client is not held twice.
    `payload` is its content: UTF-8 text with its packet type in front (`4...`), or the raw bytes of a binary
    message. `raw` is what a polling body needs: of protocol 3 the payload carries its type byte, `raw` never does.

    A Struct is made in C, in a fourth of the time; and as it refers to bytes only, the garbage collector need not
    know of the thousands that a turn of the loop makes.
    """

    wire: bytes
    raw_from: int
    binary: bool
    compress: bool

    @classmethod
    def of(cls, payload: bytes, binary: bool = False, compress: bool = True) -> Frame:
        header = websocket_header(2 if binary else 1, len(payload))
        return cls(header + payload, len(header), binary, compress)

    @classmethod
    def binary3(cls, data: bytes, compress: bool = True) -> Frame:
        """A binary message of Engine.IO 3, whose WebSocket frame begins with the type as a byte."""
        frame = cls.of(b"\x04" + data, True, compress)
        frame.raw_from += 1
        return frame

    @property
    def payload(self) -> bytes:
        size = self.wire[1]
        return self.wire[2 if size < 126 else 4 if size == 126 else 10 :]

    @property
    def raw(self) -> bytes:
        return self.wire[self.raw_from :]

    def __repr__(self) -> str:
        return f"Frame({self.payload[:40]!r}, binary={self.binary})"
