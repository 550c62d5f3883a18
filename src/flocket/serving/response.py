"""One HTTP answer as finished bytes, so that it leaves in one write.

Knows HTTP/1's framing; does not know connections, nor why an answer is what it is.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from http import HTTPStatus

from flocket.engine.contracts import Headers

__all__ = ["answer", "switching"]

logger = logging.getLogger("flocket")

STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus}
BODILESS = (204, 304)  # RFC 9110, 15.3.5 and 15.4.5


def answer(
    status: int,
    headers: Headers,
    body: bytes,
    defaults: Sequence[tuple[bytes, bytes]],
    *,
    method: str = "GET",
    keep_alive: bool = True,
) -> bytes:
    """An answer with its length, and with what uvicorn adds to each (Date, Server)."""
    head = STATUS_LINES.get(status) or f"HTTP/1.1 {status} \r\n"
    head += _fields(headers) + _default_fields(defaults)
    if status not in BODILESS:
        head += f"Content-Length: {len(body)}\r\n"
    head += "\r\n" if keep_alive else "Connection: close\r\n\r\n"
    if method == "HEAD" or status in BODILESS:
        return head.encode("latin-1", "replace")
    return head.encode("latin-1", "replace") + body


def switching(accept: str, protocol: str | None, extensions: str | None, headers: Headers) -> bytes:
    """The answer after which the connection speaks WebSocket (RFC 6455, 4.2.2)."""
    head = f"{STATUS_LINES[101]}Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n"
    if protocol is not None:
        head += f"Sec-WebSocket-Protocol: {protocol}\r\n"
    if extensions is not None:
        head += f"Sec-WebSocket-Extensions: {extensions}\r\n"
    return (head + _fields(headers) + "\r\n").encode("latin-1", "replace")


def _fields(headers: Headers) -> str:
    fields = "".join([f"{name}: {value}\r\n" for name, value in headers])
    if fields.count("\n") == len(headers) == fields.count("\r"):
        return fields
    # A value made of a client's words could add headers, or a whole answer, of its own.
    logger.error("a response header with a line break in it was left out")
    return _fields([(n, v) for n, v in headers if not {"\r", "\n"} & {*n, *v}])


_rendered: tuple[Sequence[tuple[bytes, bytes]], str] = ((), "")


def _default_fields(defaults: Sequence[tuple[bytes, bytes]]) -> str:
    # uvicorn makes a new list once a second, with the new date.
    global _rendered
    known, fields = _rendered
    if known is not defaults:
        fields = "".join([f"{name.decode('latin-1')}: {value.decode('latin-1')}\r\n" for name, value in defaults])
        _rendered = (defaults, fields)
    return fields
