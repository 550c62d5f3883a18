"""The chat's page and its few files, as a small ASGI application. Knows no Socket.IO: it stands beside."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["page"]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

STATIC = Path(__file__).with_name("static")
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
FILES = {"/": "index.html"} | {f"/{file.name}": file.name for file in STATIC.iterdir()}
# Scripts are ours or the client's; when no npm package is at hand, that is a redirect to the official CDN.
POLICY = "default-src 'self'; script-src 'self' https://cdn.socket.io; connect-src 'self' ws: wss:"


@cache
def _read(name: str) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    body = (STATIC / name).read_bytes()
    headers = {
        "content-type": TYPES[Path(name).suffix],
        "content-length": str(len(body)),
        "cache-control": "no-cache",
        "content-security-policy": POLICY,
        "x-content-type-options": "nosniff",
    }
    return body, [(key.encode(), value.encode()) for key, value in headers.items()]


async def page(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer GET and HEAD for the page and its files, 404 for anything else."""
    if scope["type"] != "http":
        return
    name = FILES.get(scope["path"]) if scope["method"] in ("GET", "HEAD") else None
    if name is None:
        await _answer(send, 404, [(b"content-type", b"text/plain"), (b"content-length", b"9")], b"Not found")
        return
    body, headers = _read(name)
    await _answer(send, 200, headers, b"" if scope["method"] == "HEAD" else body)


async def _answer(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
