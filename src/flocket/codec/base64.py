"""Base64 read strictly: Python's own reader skips what it does not know, and rubbish would become data."""

from __future__ import annotations

from binascii import a2b_base64

from flocket.codec.errors import DecodeError

__all__ = ["decode_base64"]


def decode_base64(text: str | bytes) -> bytes:
    """The bytes of a base64 text with its padding (RFC 4648, 4). Raises DecodeError."""
    try:
        data = a2b_base64(text, strict_mode=True)
    except ValueError:
        raise DecodeError("invalid base64") from None
    # Even that reader lets a surplus `=` pass: a text of 4n characters is 3n bytes, or one or two fewer.
    if len(text) % 4 or 3 * len(text) // 4 - len(data) > 2:
        raise DecodeError("invalid base64")
    return data
