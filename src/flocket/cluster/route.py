"""The beginning of a connection -> which worker it belongs to: a pure function of the bytes peeked at.

Knows a request's first line and where its head ends; does not know which workers there are.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import Enum, auto
from typing import NamedTuple
from urllib.parse import unquote, unquote_plus

from flocket.engine.sid import tag_of
from flocket.options import Limits

__all__ = ["HEAD_LIMIT", "Kind", "Verdict", "peek"]

HEAD_LIMIT = Limits().header_bytes  # bytes of a request's head

_END_OF_HEAD = re.compile(rb"\n\r?\n")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*")


class Kind(Enum):
    INCOMPLETE = auto()  # wait for more
    TOO_LARGE = auto()  # 431
    OTHER = auto()  # not a path of ours, or no request at all: any worker may serve or refuse it
    NEW = auto()  # ours, without a session yet: any worker may have it
    OWNED = auto()  # ours, with a session whose owner `tag` names
    UNKNOWN = auto()  # ours, with a sid that is none: any worker may answer code 1


class Verdict(NamedTuple):
    kind: Kind
    tag: str | None = None
    proxied: bool = False  # it came through a proxy: the connection's address is not the client's


_INCOMPLETE, _TOO_LARGE, _OTHER = Verdict(Kind.INCOMPLETE), Verdict(Kind.TOO_LARGE), Verdict(Kind.OTHER)


def peek(head: bytes, is_ours: Callable[[str], bool] = lambda path: True, limit: int = HEAD_LIMIT) -> Verdict:
    """Judge the first bytes of a connection; `is_ours` is asked about the path, its escapes resolved. `limit` is
    how many bytes a head may have.

    Only a whole head is judged: what never becomes whole must not leave the small set of connections whose
    time and number are bounded. The sid counts in the query only, never in a header or a body. Linear.
    """
    start = 0
    while head[start : start + 1] in (b"\r", b"\n"):  # RFC 9112, section 2.2: empty lines before a request
        start += 1
    found = _END_OF_HEAD.search(head, start)
    if found is None or found.end() > limit:
        return _TOO_LARGE if len(head) >= limit else _INCOMPLETE
    first, _, rest = head[start : found.start()].partition(b"\n")
    words = first.rstrip(b"\r").split(b" ")
    if len(words) != 3 or not words[2].startswith(b"HTTP/1."):
        return _OTHER  # the worker's parser says what is wrong with it
    target = words[1].decode("latin-1").partition("#")[0]
    scheme = _SCHEME.match(target)
    if scheme is not None:
        target = target[scheme.end() :]
    path, _, query = target.partition("?")
    if not is_ours(unquote(path) if "%" in path else path):
        return _OTHER
    proxied = b"\nx-forwarded-for:" in b"\n" + rest.lower()
    sids = _values(query, "sid")
    if not sids:
        return Verdict(Kind.NEW, None, proxied)
    # A repeated sid is no sid: the engine joins the values, as JavaScript prints an array.
    tag = tag_of(sids[0]) if len(sids) == 1 else None
    return Verdict(Kind.UNKNOWN if tag is None else Kind.OWNED, tag, proxied)


def _values(query: str, name: str) -> list[str]:
    """All values of one key, read as engine/request.py reads a query, but without the rest."""
    found = []
    for pair in query.split("&"):
        key, _, value = pair.partition("=")
        if "%" in pair or "+" in pair:
            key, value = unquote_plus(key), unquote_plus(value)
        if pair and key == name:
            found.append(value)
    return found
