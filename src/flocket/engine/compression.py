"""Which encoding a client accepts for a body, and the body so encoded.

Knows Accept-Encoding (RFC 9110, 12.5.3) as far as gzip and deflate; does not know what is in the body.
"""

from __future__ import annotations

import zlib

__all__ = ["accepted_encoding", "compress"]

LEVEL = 6  # zlib's default: above it, time grows and size hardly shrinks
WINDOW = {"gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}


def accepted_encoding(accept: str | None) -> str | None:
    """`gzip` or `deflate`, of two that the client likes as well the one that it names first; None: it takes neither,
    or rather the body as it is.
    """
    if not accept:
        return None
    asked: dict[str, float] = {}
    for part in accept.split(","):
        name, _, parameters = part.strip().partition(";")
        asked[name.strip().lower()] = _quality(parameters)
    others = asked.get("*", 0.0)  # what is not named
    best, quality = None, 0.0
    for encoding in (*(name for name in asked if name in WINDOW), *WINDOW):
        if asked.get(encoding, others) > quality:
            best, quality = encoding, asked.get(encoding, others)
    return best if quality >= asked.get("identity", 0.0) else None


def compress(body: bytes, encoding: str) -> bytes:
    """The body in that encoding; the same bytes from every process (gzip's time is left 0)."""
    stream = zlib.compressobj(LEVEL, zlib.DEFLATED, WINDOW[encoding])
    return stream.compress(body) + stream.flush()


def _quality(parameters: str) -> float:
    name, _, value = parameters.strip().partition("=")
    if name.strip().lower() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0
