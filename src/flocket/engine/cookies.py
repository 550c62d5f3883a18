"""The Set-Cookie of a handshake (RFC 6265, 4.1). Knows the option; does not know sessions."""

from __future__ import annotations

from flocket.options import Cookie

__all__ = ["handshake_cookie"]


def handshake_cookie(cookie: Cookie, sid: str) -> str:
    """The header's value. A sid needs no quoting."""
    parts = [f"{cookie.name}={sid}"]
    if cookie.max_age is not None:
        parts.append(f"Max-Age={cookie.max_age}")
    if cookie.domain:
        parts.append(f"Domain={cookie.domain}")
    if cookie.path:
        parts.append(f"Path={cookie.path}")
    if cookie.http_only:
        parts.append("HttpOnly")
    if cookie.secure:
        parts.append("Secure")
    if cookie.same_site:
        parts.append(f"SameSite={cookie.same_site.capitalize()}")
    return "; ".join(parts)
