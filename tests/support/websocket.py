"""A client's end of a WebSocket that sends whatever frame it is told to, right or wrong.

Knows RFC 6455 as far as the tests need it; does not know Engine.IO.
"""

from __future__ import annotations

import base64
import os
import struct

from tests.support.raw import HOST, Closed, Connection, Response

__all__ = ["BINARY", "CLOSE", "CONTINUATION", "HANDSHAKE", "PING", "PONG", "TEXT", "Refused", "WebSocket", "masked"]

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


class Refused(Exception):
    """The upgrade was answered with something else than 101."""

    def __init__(self, response: Response) -> None:
        super().__init__(f"{response.status} {response.body!r}")
        self.response = response


class WebSocket(Connection):
    """A client's end of a WebSocket, which sends whatever frame it is told to."""

    def __init__(
        self, port: int, target: str, headers: dict[str, str] | None = None, timeout: float = 5.0, host: str = HOST
    ) -> None:
        super().__init__(port, timeout)
        self.request("GET", target, {**HANDSHAKE, **(headers or {})}, host=host)
        try:
            self.response101 = self.response()
        except Closed:
            self.socket.close()
            raise
        if self.response101.status != 101:
            self.socket.close()
            raise Refused(self.response101)

    def frame(self, opcode: int, payload: bytes = b"", *, fin: bool = True, reserved: int = 0) -> None:
        """Send one masked frame."""
        self.send(masked(opcode, payload, fin=fin, reserved=reserved))

    def text(self, text: str) -> None:
        self.frame(TEXT, text.encode())

    def receive_frame(self) -> tuple[int, bytes]:
        first, second = self.exactly(2)
        size = second & 0x7F
        if size == 126:
            (size,) = struct.unpack(">H", self.exactly(2))
        elif size == 127:
            (size,) = struct.unpack(">Q", self.exactly(8))
        return first & 0x0F, self.exactly(size)

    def receive(self) -> str | bytes:
        """The next message; Closed when a close frame or the end comes instead."""
        opcode, payload = self.receive_frame()
        if opcode == CLOSE:
            raise Closed(f"close frame {payload!r}")
        return payload.decode() if opcode == TEXT else payload

    def close_code(self) -> int:
        """Read on until the close frame: its code; 1005 if it has none, 1006 if the connection just ends."""
        try:
            while True:
                opcode, payload = self.receive_frame()
                if opcode == CLOSE:
                    return int.from_bytes(payload[:2], "big") if payload else 1005
        except Closed:
            return 1006


HANDSHAKE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
}


def masked(opcode: int, payload: bytes, *, fin: bool = True, reserved: int = 0) -> bytes:
    """A client's frame as bytes."""
    size = len(payload)
    head = bytes(((0x80 if fin else 0) | reserved << 4 | opcode,))
    if size < 126:
        head += bytes((0x80 | size,))
    elif size < 65536:
        head += bytes((0x80 | 126,)) + size.to_bytes(2, "big")
    else:
        head += bytes((0x80 | 127,)) + size.to_bytes(8, "big")
    key = os.urandom(4)
    stream = int.from_bytes((key * (size // 4 + 1))[:size], "big")
    return head + key + (int.from_bytes(payload, "big") ^ stream).to_bytes(size, "big")
