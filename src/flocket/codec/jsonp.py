"""A polling body wrapped in a script, and a body out of the form that a script's client posts.

Knows what must be escaped so that no message leaves its string; does not know what the body holds.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from flocket.codec import json
from flocket.codec.errors import DecodeError

__all__ = ["unwrap", "wrap"]


def wrap(body: str | bytes, index: str) -> bytes:
    """`___eio[index]("body");`, of which `index` keeps its digits only."""
    text = body if isinstance(body, str) else body.decode()
    script = json.dumps(text)
    for dangerous, escaped in _ESCAPES:
        script = script.replace(dangerous, escaped)
    return b"___eio[%b](%b);" % (_NO_DIGIT.sub("", index).encode(), script)


_NO_DIGIT = re.compile("[^0-9]")
_ESCAPES = (
    (b"<", b"\\u003c"),  # </script> and <!-- end or suspend an inline script
    ("\u2028".encode(), b"\\u2028"),  # line ends within a string, before ES2019
    ("\u2029".encode(), b"\\u2029"),
)


def unwrap(body: bytes) -> bytes:
    """The polling body in the field `d` of a form (application/x-www-form-urlencoded). Raises DecodeError."""
    fields = [part[2:] for part in body.split(b"&", _MAX_FIELDS) if part.startswith(b"d=")]
    if len(fields) != 1:
        raise DecodeError("a form without exactly one field d")
    text = unquote_to_bytes(fields[0].replace(b"+", b" "))
    # Browsers turn line feeds of a form into CR LF, so clients send a line feed as `\n`, and a `\n` as `\\n`.
    return b"\\n".join([part.replace(b"\\n", b"\n") for part in text.split(b"\\\\n")])


_MAX_FIELDS = 16  # a client sends one
