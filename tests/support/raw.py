"""Talks HTTP byte by byte, so that a test can say what no well-behaved client would.

Knows RFC 9112 as far as the tests need it; does not know Engine.IO.
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

__all__ = ["HOST", "Closed", "Connection", "Response", "http"]

HOST = "127.0.0.1"


class Closed(Exception):
    """The peer ended the connection."""


@dataclass
class Response:
    """One HTTP answer."""

    status: int
    headers: list[tuple[str, str]] = field(default_factory=list)  # lower-case names, in order
    body: bytes = b""

    def header(self, name: str) -> str | None:
        found = [value for key, value in self.headers if key == name]
        return ", ".join(found) if found else None

    @property
    def text(self) -> str:
        return self.body.decode()


class Connection:
    """One TCP connection, with a deadline on every step."""

    def __init__(self, port: int, timeout: float = 5.0) -> None:
        self.socket = socket.create_connection((HOST, port), timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def request(
        self, method: str, target: str, headers: dict[str, str] | None = None, body: bytes = b"", host: str = HOST
    ) -> None:
        lines = [f"{method} {target} HTTP/1.1"]
        every = {"Host": host, **(headers or {})}
        if body or method == "POST":
            every.setdefault("Content-Length", str(len(body)))
        lines += [f"{name}: {value}" for name, value in every.items()]
        self.send(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body)

    def response(self, method: str = "GET") -> Response:
        head = self.until(b"\r\n\r\n").decode("latin-1")
        status, *lines = head.split("\r\n")
        headers = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines if line)]
        response = Response(int(status.split(" ")[1]), headers)
        if response.header("transfer-encoding") == "chunked":
            while size := int(self.until(b"\r\n").split(b";")[0], 16):
                response.body += self.exactly(size)
                self.exactly(2)
            self.until(b"\r\n")
        elif (length := response.header("content-length")) is not None and method != "HEAD":
            response.body = self.exactly(int(length))
        return response

    def read(self) -> None:
        """Read some more; Closed at the end."""
        try:
            data = self.socket.recv(65536)
        except ConnectionError:
            data = b""
        if not data:
            raise Closed(f"closed with {self.buffer[:200]!r} unread")
        self.buffer += data

    def until(self, mark: bytes) -> bytes:
        while mark not in self.buffer:
            self.read()
        found, _, self.buffer = self.buffer.partition(mark)
        return found + mark

    def exactly(self, size: int) -> bytes:
        while len(self.buffer) < size:
            self.read()
        found, self.buffer = self.buffer[:size], self.buffer[size:]
        return found

    def ends(self) -> bytes:
        """What still comes until the peer ends the connection."""
        try:
            while True:
                self.read()
        except Closed:
            rest, self.buffer = self.buffer, b""
            return rest

    def reset(self) -> None:
        """Drop the connection with a RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


def http(
    port: int,
    method: str,
    target: str,
    headers: dict[str, str] | None = None,
    body: bytes = b"",
    timeout: float = 5.0,
    host: str = HOST,
) -> Response:
    """One request on a connection of its own."""
    with Connection(port, timeout) as connection:
        connection.request(method, target, headers, body, host)
        return connection.response(method)
