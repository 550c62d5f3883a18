"""Base64 read strictly: Python's own reader skips what it does not know, and rubbish would become data."""

from __future__ import annotations

from binascii import a2b_base64

from flocket.codec.errors import DecodeError

__all__ = ["decode_base64"]


def decode_base64(text: str | bytes) -> bytes:
    """The bytes of a base64 text with its padding (RFC 4648, 4). Raises DecodeError."""
    try:
        return a2b_base64(text, strict_mode=True)
    except ValueError:
        raise DecodeError("invalid base64") from None
