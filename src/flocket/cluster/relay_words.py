"""What two workers say to each other about a relayed request: the kinds of frames, and what is in them.

Knows bytes; does not know which side says what, or when.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

import msgspec

from flocket.codec.frames import Frame

__all__ = [
    "ACCEPT",
    "ANSWER",
    "BINARY",
    "BODY",
    "CLOSE",
    "FRAMES",
    "GONE",
    "NUMBER",
    "RELEASE",
    "REQUEST",
    "TEXT",
    "TOO_LARGE",
    "WROTE",
    "Answer",
    "Head",
    "encode",
    "pack_frames",
    "unpack_frames",
]

# To the owner: a head, a body, what a WebSocket said, what has left to it, that the client has gone, that the
# worker leaves. Each begins with the request's number.
REQUEST, BODY, TEXT, BINARY, WROTE, GONE, RELEASE = range(48, 55)
# From the owner: an answer, the acceptance of an upgrade, frames, the end of a WebSocket (code 0: abruptly).
ANSWER, ACCEPT, FRAMES, CLOSE = range(56, 60)

NUMBER = struct.Struct("!Q")
TOO_LARGE = b"\1"  # before a body: it exceeds the limit, and is not here; else a zero

_FRAME = struct.Struct("!IB")  # length; flags: 1 binary, 2 may be compressed


class Head(msgspec.Struct, array_like=True):
    """A request, as its owner must see it."""

    upgrade: bool
    method: str
    path: str
    query: str
    headers: tuple[tuple[bytes, bytes], ...]
    peer: str
    peer_port: int
    secure: bool
    http_version: str
    engine: str  # the path of the engine that it was meant for
    body: bytes | None  # None: it has none, or follows


class Answer(msgspec.Struct, array_like=True):
    status: int
    headers: list[tuple[str, str]]
    body: bytes
    close: bool


encode = msgspec.msgpack.Encoder().encode


def pack_frames(frames: Iterable[Frame]) -> bytes:
    parts = []
    for frame in frames:
        parts.append(_FRAME.pack(len(frame.payload), frame.binary | frame.compress << 1))
        parts.append(frame.payload)
    return b"".join(parts)


def unpack_frames(payload: bytes) -> Iterator[Frame]:
    at = 0
    while at < len(payload):
        size, flags = _FRAME.unpack_from(payload, at)
        at += _FRAME.size
        yield Frame.of(payload[at : at + size], binary=bool(flags & 1), compress=bool(flags & 2))
        at += size
