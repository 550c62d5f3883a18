"""The id of a session: a tag that names the worker which owns it, then randomness that nobody can guess.

Knows the id's form; does not know which worker has which tag, nor where randomness comes from.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Callable
from string import ascii_letters, digits

__all__ = ["SID_LENGTH", "TAG_LENGTH", "make_sid", "make_tag", "tag_of"]

SID_LENGTH = 20  # as Node's, so that whatever recognises its ids (@socket.io/sticky, say) recognises ours
TAG_LENGTH = 4  # 24 bits: drawn anew in each worker's life, and again if a live peer has it
_ALPHABET = frozenset(ascii_letters + digits + "-_")


def make_tag(random: Callable[[int], bytes]) -> str:
    """Draw a worker's tag: 4 characters of `[A-Za-z0-9_-]`. `random` is `os.urandom`, or a test's."""
    return urlsafe_b64encode(random(3)).decode("ascii")


def make_sid(tag: str, random: Callable[[int], bytes]) -> str:
    """Make a session id that `tag` owns: 20 characters of `[A-Za-z0-9_-]`, 16 of them 96 random bits."""
    if not _well_formed(tag, TAG_LENGTH):
        raise ValueError(f"a tag is {TAG_LENGTH} characters of [A-Za-z0-9_-], not {tag!r:.40}")
    return tag + urlsafe_b64encode(random(12)).decode("ascii")


def tag_of(sid: str) -> str | None:
    """Read the owner's tag; None if this is no session id of ours. Anything may be passed in."""
    return sid[:TAG_LENGTH] if _well_formed(sid, SID_LENGTH) else None


def _well_formed(text: str, length: int) -> bool:
    # The length first, or a megabyte of a client's text were walked. A set, as str.isalnum takes any script.
    return len(text) == length and _ALPHABET.issuperset(text)
