"""Which pages may come: one rule for CORS and for the Origin of a WebSocket.

Knows origins and the headers of the Fetch standard; does not know sessions.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from flocket.engine.contracts import Headers
from flocket.engine.request import Request
from flocket.options import CorsOrigins

__all__ = ["Cors", "has_invalid_origin"]

PREFLIGHT_METHODS = "GET,HEAD,PUT,PATCH,POST,DELETE"  # what Node's cors package allows by default


def has_invalid_origin(origin: str) -> bool:
    """Whether an Origin has characters that no header may carry (Node: INVALID_ORIGIN)."""
    return any(not (" " <= char <= "~" or char == "\t" or char >= "\x80") for char in origin)


class Cors:
    """Decides by `Origin`. Without the option: clients that send none, and pages of the same host name."""

    def __init__(self, origins: CorsOrigins, credentials: bool) -> None:
        self._any = origins == "*"
        self._allows = _matcher(origins)
        self._credentials = credentials

    def admits(self, request: Request) -> bool:
        """Whether the page that sent this request may have an answer."""
        origin = request.header(b"origin")
        if origin is None or self._any:
            return True
        return self._allows(origin) or _same_host(origin, request)

    def headers(self, request: Request) -> Headers:
        """What lets the page read the answer; nothing for a client without Origin or one that is not admitted."""
        origin = request.header(b"origin")
        if self._any and not self._credentials:
            return [("Access-Control-Allow-Origin", "*")]
        if origin is None:
            return []
        if not self.admits(request):
            return [("Vary", "Origin")]
        headers = [("Access-Control-Allow-Origin", origin), ("Vary", "Origin")]
        if self._credentials:
            headers.append(("Access-Control-Allow-Credentials", "true"))
        return headers

    def preflight(self, request: Request) -> Headers:
        """The answer to an OPTIONS request that asks what is allowed."""
        headers = self.headers(request)
        headers.append(("Access-Control-Allow-Methods", PREFLIGHT_METHODS))
        asked = request.header(b"access-control-request-headers")
        if asked:
            headers.append(("Access-Control-Allow-Headers", asked))
            headers.append(("Vary", "Access-Control-Request-Headers"))
        return headers


def _matcher(origins: CorsOrigins) -> Callable[[str], bool]:
    if origins is None:
        return lambda origin: False
    if isinstance(origins, str):
        return lambda origin: origin == origins
    if isinstance(origins, re.Pattern):
        # The whole origin: a pattern for "https://a.example" must not admit "https://a.example.evil.net".
        return lambda origin: origins.fullmatch(origin) is not None
    if callable(origins):
        return lambda origin: bool(origins(origin))
    allowed = frozenset(origins)
    return lambda origin: origin in allowed


def _same_host(origin: str, request: Request) -> bool:
    host = request.header(b"host")
    _, separator, page = origin.partition("://")
    return bool(host and separator) and _host_name(page) == _host_name(host or "")


def _host_name(authority: str) -> str:
    if authority.startswith("["):  # an IPv6 literal keeps its colons
        return authority.partition("]")[0].lower()
    return authority.partition(":")[0].lower()
