"""A bare client for tests: it sends what a test wants, also what no library would, and reads frames and answers."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable
from typing import NamedTuple

from flocket.codec.frames import websocket_header

KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # RFC 6455's example, whose answer is known
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
PATIENCE = 5.0  # seconds; a test that waits longer has failed
MASK = b"\x01\x02\x03\x04"


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


class Received(NamedTuple):
    first: int  # the first byte: FIN, RSV bits and opcode
    payload: bytes


def masked(first: int, payload: bytes) -> bytes:
    """One client frame; `first` as in `Received`."""
    header = bytearray(websocket_header(0, len(payload)))
    header[0] = first
    header[1] |= 0x80
    repeated = (MASK * (len(payload) // 4 + 1))[: len(payload)]
    body = int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")
    return bytes(header) + MASK + body.to_bytes(len(payload), "big")


def head(path: str = "/echo/", *lines: str, method: str = "GET", version: str = "1.1") -> bytes:
    fields = "".join(f"{line}\r\n" for line in ("Host: here", *lines))
    return f"{method} {path} HTTP/{version}\r\n{fields}\r\n".encode()


def upgrade_head(path: str = "/echo/", *lines: str, connection: str = "Upgrade", key: str = KEY) -> bytes:
    return head(
        path, f"Connection: {connection}", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {key}", *lines,
    )  # fmt: skip


class Peer:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def connect(cls, port: int) -> Peer:
        return cls(*await asyncio.open_connection("127.0.0.1", port, limit=2**26))

    @classmethod
    async def websocket(cls, port: int, *lines: str, path: str = "/echo/") -> Peer:
        peer = await cls.connect(port)
        peer.send(upgrade_head(path, *lines))
        answer = await peer.answer()
        assert answer.status == 101, answer
        return peer

    def send(self, *data: bytes) -> None:
        self.writer.write(b"".join(data))

    async def _within(self, read: asyncio._CoroutineLike[bytes]) -> bytes:
        return await asyncio.wait_for(read, PATIENCE)

    async def answer(self, method: str = "GET") -> Answer:
        raw = (await self._within(self.reader.readuntil(b"\r\n\r\n"))).decode("latin-1")
        status, *lines = raw.split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
        size = 0 if method == "HEAD" else int(headers.get("content-length", 0))
        return Answer(int(status.split()[1]), headers, await self._within(self.reader.readexactly(size)))

    async def frame(self) -> Received:
        first, size = await self._within(self.reader.readexactly(2))
        assert size < 128, "a server's frame is not masked"
        if size > 125:
            size = int.from_bytes(await self._within(self.reader.readexactly(2 if size == 126 else 8)), "big")
        return Received(first, await self._within(self.reader.readexactly(size)))

    async def at_end(self) -> bool:
        """Whether the server ends the connection, with nothing more to say."""
        return await self._within(self.reader.read(1)) == b""

    async def close_code(self) -> int:
        """Wait for the close frame, and for the end behind it."""
        first, payload = await self.frame()
        assert first == 0x88, (first, payload)
        assert await self.at_end()
        self.close()
        return int.from_bytes(payload[:2], "big")

    def close(self) -> None:
        self.writer.close()

    def reset(self) -> None:
        """Leave as a crash does: with a RST."""
        underlying = self.writer.get_extra_info("socket")
        underlying.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


async def farewell(*peers: Peer) -> None:
    """Close many, and wait until they are."""
    for peer in peers:
        peer.close()
    for peer in peers:
        with contextlib.suppress(OSError):
            await peer.writer.wait_closed()


async def until(condition: Callable[[], bool], seconds: float = PATIENCE) -> None:
    """Wait for a condition that the server makes true."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, "it did not come to pass"
        await asyncio.sleep(0.005)
