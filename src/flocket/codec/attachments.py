"""Lift bytes out of a value as a packet's attachments, and put attachments back into a value.

Knows the placeholder of Socket.IO (`{"_placeholder":true,"num":0}`); does not know packets.
"""

from __future__ import annotations

from typing import Any

from flocket.codec import json
from flocket.codec.errors import DecodeError

__all__ = ["encode", "restore"]


def encode(value: Any) -> tuple[bytes, list[bytes]]:
    """The JSON of `value` with a placeholder for each bytes-like object, and these. Raises EncodeError."""
    text = json.dumps_common(value)
    if text is not None:
        return text, []
    buffers: list[bytes] = []

    def lift(data: bytes) -> dict[str, Any]:
        buffers.append(data)
        return {"_placeholder": True, "num": len(buffers) - 1}

    return json.dumps(value, lift), buffers


def restore(value: Any, buffers: list[bytes]) -> Any:
    """Put `buffers` where the placeholders in `value` (as `json.loads` made it) are, in place.

    Returns the value, which is another only if it was a placeholder itself. Raises DecodeError for a number
    that names no attachment, and unless every attachment is named exactly once, as every encoder does it.
    """
    missing: list[bytes | None] = [*buffers]
    value = _restore(value, missing)
    if any(buffer is not None for buffer in missing):
        raise DecodeError("an attachment without placeholder")
    return value


def _restore(value: Any, missing: list[bytes | None]) -> Any:
    # The depth is bounded: json.loads saw to it.
    if type(value) is dict:
        if value.get("_placeholder") is True:
            return _take(value.get("num"), missing)
        for key, item in value.items():
            if type(item) in _CONTAINERS:
                value[key] = _restore(item, missing)
    elif type(value) is list:
        for index, item in enumerate(value):
            if type(item) in _CONTAINERS:
                value[index] = _restore(item, missing)
    return value


_CONTAINERS = (dict, list)


def _take(number: Any, missing: list[bytes | None]) -> bytes:
    # `type is int`: True would be 1, and a negative number would count from the end.
    if type(number) is not int or not 0 <= number < len(missing):
        raise DecodeError("illegal attachments")
    buffer = missing[number]
    if buffer is None:
        raise DecodeError("an attachment with two placeholders")
    missing[number] = None
    return buffer
