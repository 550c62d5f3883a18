"""One Socket.IO packet to and from the text of an Engine.IO message, and its attachments.

Knows protocol 5, and 4, whose packets look the same; does not know which namespaces or handlers there are.
Every rule that a packet can break alone is checked here, so that the floors above see only sound ones.
"""

from __future__ import annotations

import math
import re
from enum import IntEnum
from typing import Any

import msgspec

from flocket.codec import attachments, json
from flocket.codec.errors import DecodeError

__all__ = ["MAX_ID", "RESERVED_EVENTS", "Assembly", "Packet", "PacketType", "check", "decode", "encode"]

MAX_ID = 2**53  # the last integer up to which JavaScript counts exactly

# Names that have a meaning of their own in one of the two peers (socket.io-parser's list).
RESERVED_EVENTS = frozenset(
    ("connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener")
)


class PacketType(IntEnum):
    CONNECT = 0
    DISCONNECT = 1
    EVENT = 2
    ACK = 3
    CONNECT_ERROR = 4
    BINARY_EVENT = 5
    BINARY_ACK = 6


CONNECT, DISCONNECT, EVENT, ACK, CONNECT_ERROR, BINARY_EVENT, BINARY_ACK = PacketType


class Packet(msgspec.Struct, gc=False):  # made in C, for every event; nothing that it holds refers back to it
    """`attachments` is how many are still to come: 0 but for a BINARY_* packet just decoded."""

    type: PacketType
    nsp: str = "/"
    data: Any = None
    id: int | None = None
    attachments: int = 0


def encode(packet: Packet) -> tuple[bytes, list[bytes]]:
    """The Engine.IO message's text with its leading `4`, and the attachments to send behind it.

    An EVENT or ACK that holds bytes is sent as BINARY_EVENT or BINARY_ACK; elsewhere bytes cannot be sent.
    Raises EncodeError.
    """
    kind = packet.type
    if kind in (EVENT, ACK):
        text, buffers = attachments.encode(packet.data)
    else:
        text, buffers = b"" if packet.data is None else json.dumps(packet.data), []
    if packet.nsp == "/" and packet.id is None and not buffers:
        return _HEADS[kind] + text, buffers
    head = f"4{kind + 3:d}{len(buffers)}-" if buffers else f"4{kind:d}"
    if packet.nsp != "/":
        head += packet.nsp + ","
    if packet.id is not None:
        head += str(packet.id)
    return head.encode() + text, buffers


_HEADS = tuple(b"4%d" % kind for kind in PacketType)

# type, attachments (of a binary packet), namespace, id; JSON behind it. Possessive: nothing is read twice.
_HEAD = re.compile(r"(?:([0-4])|([56])([0-9]++)-)(?:(/[^,]*+),?)?([0-9]*+)")


def decode(
    text: str, depth: int = 128, namespace_bytes: int = 256, max_attachments: int = 10
) -> Packet:
    """The packet in an Engine.IO message's text (without the leading `4`). Raises DecodeError.

    A BINARY_* packet comes with its number of attachments: give it to an `Assembly`.
    """
    start = 1 if text[:2] == "2[" else _behind_id(text)
    if start:  # an event in "/": most of all packets
        data = json.loads(text[start:], depth)
        if not data or data[0].__class__ is not str or data[0] in RESERVED_EVENTS:
            check(EVENT, data)
        return Packet(EVENT, "/", data, _id(text[1:start]) if start > 1 else None)
    head = _HEAD.match(text)
    if head is None:
        raise DecodeError("unknown packet type")
    plain, binary, count, nsp, digits = head.groups()
    kind = _TYPES[plain or binary]
    id = _id(digits) if digits else None
    rest = text[head.end() :]
    data = json.loads(rest, depth) if rest else None
    if data is None and rest:
        raise DecodeError("null where data was expected")
    check(kind, data, id)
    return Packet(
        kind,
        "/" if nsp is None else _namespace(nsp, namespace_bytes),
        data,
        id,
        0 if count is None else _attachments(count, max_attachments),
    )


_TYPES = {str(int(kind)): kind for kind in PacketType}


def check(kind: PacketType, data: Any, id: int | None = None) -> None:
    """Raise DecodeError unless `data` (None: absent) and `id` are what a packet of this type carries."""
    if kind in (EVENT, BINARY_EVENT):
        if type(data) is not list or not data:
            raise DecodeError("an event without name")
        name = data[0]
        if type(name) is str:
            if name in RESERVED_EVENTS:
                raise DecodeError("a reserved event name")
        elif type(name) is not int and (type(name) is not float or not math.isfinite(name)):
            raise DecodeError("an event name that is no string")
        return
    if kind in (ACK, BINARY_ACK):
        if type(data) is not list:
            raise DecodeError("an acknowledgement without a list")
        if id is None:
            raise DecodeError("an acknowledgement without id")
        return
    if id is not None:
        raise DecodeError("an id that nobody asked for")
    if kind == CONNECT:
        if data is not None and type(data) is not dict:
            raise DecodeError("CONNECT with data that is no object")
    elif kind == DISCONNECT:
        if data is not None:
            raise DecodeError("DISCONNECT with data")
    elif type(data) is not str and type(data) is not dict:
        raise DecodeError("CONNECT_ERROR without a message")


def _namespace(nsp: str, limit: int) -> str:
    # Protocol 4 puts a query behind the name in CONNECT, which the message's own limit bounds.
    name = nsp.partition("?")[0]
    if len(name) > limit or len(name.encode("utf-8", "replace")) > limit:
        raise DecodeError("namespace too long")
    return nsp


def _behind_id(text: str) -> int:
    """Where the list of an event in "/" with an id begins; 0 if this is another packet."""
    if text[:1] != "2":
        return 0
    start = text.find("[", 2, 18)  # MAX_ID has 16 digits
    digits = text[1:start]
    return start if start > 0 and digits.isdigit() and digits.isascii() else 0


def _id(digits: str) -> int:
    # The length first: int() of a megabyte of digits takes quadratic time.
    if len(digits) > 16 or int(digits) > MAX_ID:
        raise DecodeError("packet id out of range")
    return int(digits)


def _attachments(count: str, limit: int) -> int:
    number = int(count) if len(count) < 10 else limit + 1
    if number > limit:
        raise DecodeError("too many attachments")
    if number < 1:
        raise DecodeError("illegal attachments")
    return number


class Assembly:
    """A BINARY_* packet whose attachments are still coming; text meanwhile is the caller's to refuse."""

    __slots__ = ("_buffers", "_packet", "_room")

    def __init__(self, packet: Packet, max_bytes: int = 10_000_000) -> None:
        self._packet = packet
        self._buffers: list[bytes] = []
        self._room = max_bytes

    def add(self, data: bytes) -> Packet | None:
        """Take the next attachment; the packet, now EVENT or ACK, when it was the last. Or DecodeError."""
        self._room -= len(data)
        if self._room < 0:
            raise DecodeError("attachments too large")
        self._buffers.append(data)
        packet = self._packet
        if len(self._buffers) < packet.attachments:
            return None
        packet.data = attachments.restore(packet.data, self._buffers)
        packet.type = EVENT if packet.type == BINARY_EVENT else ACK
        packet.attachments = 0
        check(packet.type, packet.data, packet.id)  # a placeholder may have stood in place of the name
        return packet
