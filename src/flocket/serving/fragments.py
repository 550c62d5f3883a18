"""One WebSocket message that comes in fragments (RFC 6455, 5.4), until it is whole.

Knows which fragments are too many or too small, and UTF-8; does not know frames, nor how a message is inflated.
"""

from __future__ import annotations

import codecs

from flocket.serving.rfc6455 import INVALID_DATA, OPCODE, POLICY, RSV1, TEXT

__all__ = ["Fragments"]

FREE_FRAGMENTS = 256  # from then on a message's fragments must be of some size...
MEAN_FRAGMENT = 16  # ... bytes on average, or each byte would cost a hundred


class Fragments:
    """`first` is the first byte of the message's first frame; `size` is what has come, in bytes."""

    __slots__ = ("_count", "_decoder", "_parts", "_texts", "deflated", "opcode", "size")

    def __init__(self, first: int) -> None:
        self.opcode = first & OPCODE
        self.deflated = bool(first & RSV1)
        self.size = 0
        self._count = 0
        # Text is checked as it comes: what is wrong in the first fragment must not wait for the last (8.1).
        is_text = self.opcode == TEXT and not self.deflated
        self._decoder = codecs.getincrementaldecoder("utf-8")() if is_text else None
        self._texts: list[str] = []
        self._parts: list[bytes] = []

    def add(self, payload: bytes, last: bool, most: int) -> int:
        """Take the next of at most `most` fragments. The close code if it cannot be, else 0."""
        self.size += len(payload)
        self._count += 1
        crumbs = self._count > FREE_FRAGMENTS and self.size < MEAN_FRAGMENT * self._count
        if crumbs or self._count > most:
            return POLICY
        if self._decoder is None:
            self._parts.append(payload)
            return 0
        try:
            self._texts.append(self._decoder.decode(payload, last))
        except UnicodeDecodeError:
            return INVALID_DATA
        return 0

    @property
    def text(self) -> str | None:
        """The whole message, if it is plain text."""
        return None if self._decoder is None else "".join(self._texts)

    @property
    def data(self) -> bytes:
        """The whole message, if it is not."""
        return b"".join(self._parts)
