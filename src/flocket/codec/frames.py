"""One Engine.IO packet as finished bytes, made once and shared by every session that sends it.

Knows the WebSocket header of an unmasked frame (RFC 6455, 5.2); does not know transports.
"""

from __future__ import annotations

__all__ = ["Frame", "websocket_header"]


def websocket_header(opcode: int, size: int) -> bytes:
    """The header of one unmasked, final frame whose payload has `size` bytes (RFC 6455, 5.2)."""
    if size < 126:
        return bytes((0x80 | opcode, size))
    if size < 65536:
        return bytes((0x80 | opcode, 126)) + size.to_bytes(2, "big")
    return bytes((0x80 | opcode, 127)) + size.to_bytes(8, "big")


_SHORT_TEXT = [websocket_header(1, size) for size in range(126)]  # most of all frames


class Frame:
    """A packet ready to leave.

    `wire` is a whole WebSocket frame, which is all that is kept: what waits for a slow client is not held twice.
    `payload` is its content: UTF-8 text with its packet type in front (`4...`), or the raw bytes of a binary
    message. `raw` is what a polling body needs: of protocol 3 the payload carries its type byte, `raw` never does.
    """

    __slots__ = ("_raw_from", "binary", "compress", "wire")

    def __init__(self, payload: bytes, binary: bool = False, compress: bool = True) -> None:
        size = len(payload)
        self.binary = binary
        self.compress = compress
        if size < 126 and not binary:
            self.wire = _SHORT_TEXT[size] + payload
            self._raw_from = 2
        else:
            header = websocket_header(2 if binary else 1, size)
            self.wire = header + payload
            self._raw_from = len(header)

    @classmethod
    def binary3(cls, data: bytes, compress: bool = True) -> Frame:
        """A binary message of Engine.IO 3, whose WebSocket frame begins with the type as a byte."""
        frame = cls(b"\x04" + data, True, compress)
        frame._raw_from += 1
        return frame

    @property
    def payload(self) -> bytes:
        size = self.wire[1]
        return self.wire[2 if size < 126 else 4 if size == 126 else 10 :]

    @property
    def raw(self) -> bytes:
        return self.wire[self._raw_from :]

    def __repr__(self) -> str:
        return f"Frame({self.payload[:40]!r}, binary={self.binary})"
