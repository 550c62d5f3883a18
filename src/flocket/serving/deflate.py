"""permessage-deflate (RFC 7692): agree on it, inflate what comes, compress what leaves.

Both sides start afresh with every message ("no context takeover"), so that a compressed message is the same for
every receiver of a broadcast and nothing is kept per client. Does not know frames beyond their headers.
"""

from __future__ import annotations

import zlib
from functools import lru_cache

from flocket.codec.frames import Frame, websocket_header
from flocket.serving.rfc6455 import BINARY, RSV1, TEXT

__all__ = ["Deflate", "negotiate"]

THRESHOLD = 1_024  # bytes of payload; Node's perMessageDeflate.threshold
TAIL = b"\x00\x00\xff\xff"  # what a flushed block ends with, and what a message leaves out (7.2.1)
LARGEST_WINDOW = 15  # bits
SMALLEST_WINDOW = 9  # zlib has no raw stream of 8 bits


class Deflate:
    """What was agreed with one client; holds no state between messages."""

    __slots__ = ("window",)

    def __init__(self, window: int = LARGEST_WINDOW) -> None:
        self.window = window

    def wire(self, frame: Frame) -> bytes:
        """The frame as it leaves: compressed if that was wished for and is worth it."""
        if frame.compress and len(frame.payload) >= THRESHOLD:
            return _compressed(frame, self.window)
        return frame.wire

    def inflate(self, data: bytes, limit: int) -> bytes | None:
        """The message in `data`; None if it has more than `limit` bytes, of which no more are made than that.

        Raises zlib.error if it is no DEFLATE stream.
        """
        stream = zlib.decompressobj(-LARGEST_WINDOW)
        message = stream.decompress(data + TAIL, limit + 1)
        return message if len(message) <= limit else None


@lru_cache(maxsize=8)  # one broadcast compresses once: its receivers are served one right after the other
def _compressed(frame: Frame, window: int) -> bytes:
    stream = zlib.compressobj(wbits=-window)
    data = stream.compress(frame.payload) + stream.flush(zlib.Z_SYNC_FLUSH)
    data = data.removesuffix(TAIL)
    return websocket_header(RSV1 | (BINARY if frame.binary else TEXT), len(data)) + data


def negotiate(offers: str) -> tuple[Deflate, str] | None:
    """Accept the first offer that we can keep to; the second value is for Sec-WebSocket-Extensions.

    An offer with a parameter that we do not know, or twice the same, is declined as 7.1 demands.
    """
    for offer in offers.split(","):
        name, *parameters = (part.strip() for part in offer.split(";"))
        if name.lower() != "permessage-deflate":
            continue
        window = _window(parameters)
        if window is None:
            continue
        answer = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
        if window != LARGEST_WINDOW:
            answer += f"; server_max_window_bits={window}"
        return Deflate(window), answer
    return None


def _window(parameters: list[str]) -> int | None:
    """The window that the client lets us use; None if the offer cannot be kept to."""
    window = LARGEST_WINDOW
    seen: set[str] = set()
    for parameter in parameters:
        name, _, value = (part.strip() for part in parameter.partition("="))
        if name in seen:
            return None
        seen.add(name)
        if name in ("server_no_context_takeover", "client_no_context_takeover"):
            if value:
                return None
        elif name == "client_max_window_bits":
            # Only a hint: we inflate with the largest window, which reads them all.
            if value and _bits(value) is None:
                return None
        elif name == "server_max_window_bits":
            bits = _bits(value)
            if bits is None or bits < SMALLEST_WINDOW:
                return None
            window = bits
        else:
            return None
    return window


def _bits(value: str) -> int | None:
    value = value.strip('"')
    # ASCII digits only: int() also reads other alphabets' digits.
    if value in ("8", "9", "10", "11", "12", "13", "14", "15"):
        return int(value)
    return None
