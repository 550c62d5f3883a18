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


class Frame:
    """A packet ready to leave.

    `payload` is the content of the WebSocket message: UTF-8 text with its packet type in front (`4...`), or
    the raw bytes of a binary message. `wire` is the same with its WebSocket header. `raw` is what a polling
    body needs: for binary of protocol 3 the payload carries its type byte, `raw` never does.
    """

    __slots__ = ("binary", "compress", "payload", "raw", "wire")

    def __init__(
        self, payload: bytes, binary: bool = False, *, compress: bool = True, raw: bytes | None = None
    ) -> None:
        self.payload = payload
        self.binary = binary
        self.compress = compress
        self.raw = payload if raw is None else raw
        self.wire = websocket_header(2 if binary else 1, len(payload)) + payload

    @classmethod
    def binary3(cls, data: bytes, *, compress: bool = True) -> Frame:
        """A binary message of Engine.IO 3, whose WebSocket frame begins with the type as a byte."""
        return cls(b"\x04" + data, True, compress=compress, raw=data)

    def __repr__(self) -> str:
        return f"Frame({self.payload[:40]!r}, binary={self.binary})"
