"""What ASGI 3 passes around, as types; and a response's headers, as it wants them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from flocket.engine.contracts import Headers

__all__ = ["ASGIApp", "Message", "Receive", "Scope", "Send", "raw_headers"]

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]


def raw_headers(headers: Headers) -> list[tuple[bytes, bytes]]:
    """Names in lower case, all as bytes."""
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
