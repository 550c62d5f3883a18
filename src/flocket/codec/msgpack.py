"""msgpack: any value to and from bytes as notepack writes them, and the packets of socket.io-msgpack-parser.

Knows which values may be sent, and the map that a packet is; does not know where the bytes go.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import orjson

from flocket.codec.errors import DecodeError
from flocket.codec.plain import NotPlain, iso, plain, well_formed
from flocket.codec.socketio import MAX_ID, Packet, PacketType, check

__all__ = ["decode", "encode", "pack", "unpack"]

_CHECK = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_SUBCLASS
_NOT_FINITE = re.compile(rb"\xcb[\x7f\xff][\xf0-\xff]")
_encoder = msgspec.msgpack.Encoder()


def pack(value: Any) -> bytes:
    """The msgpack bytes of `value`, equal to notepack's; datetimes go as timestamps (extension -1).

    Sends what `json.dumps` sends, and bytes as they are. Raises EncodeError, naming the path.
    """
    return _pack(value, _accept, _leaf)


def _pack(value: Any, accept: Callable[[Any], None], leaf: Callable[[Any], Any]) -> bytes:
    # msgspec takes naive datetimes, sets and decimals for strings and arrays without a word. orjson, which
    # does not, goes first: a second pass in C costs a fraction of a walk in Python.
    try:
        orjson.dumps(value, accept, _CHECK | orjson.OPT_STRICT_INTEGER)
        packed = _encoder.encode(value)
    except (TypeError, ValueError, OverflowError, RecursionError):
        return _encoder.encode(_speakable(plain(value, leaf)))
    if _NOT_FINITE.search(packed):
        plain(value, leaf)
    return packed


def _accept(item: Any) -> None:
    if not isinstance(item, bytes | bytearray | memoryview):
        if type(item) is not datetime:
            raise NotPlain
        iso(item)


def _leaf(item: Any) -> Any:
    if isinstance(item, datetime):
        iso(item)
        return item
    return bytes(item)


def _accept_bytes(item: Any) -> None:
    if not isinstance(item, bytes | bytearray | memoryview):
        raise NotPlain


def _packets_leaf(item: Any) -> Any:
    # socket.io-msgpack-parser has notepack 2, to which a timestamp is no date: see `_extension`.
    if isinstance(item, datetime):
        iso(item)
        return msgspec.msgpack.Ext(0, ((item - _EPOCH) // _MILLISECOND).to_bytes(8, "big", signed=True))
    return bytes(item)


def _speakable(value: Any) -> Any:
    # A copy made by `plain`: what JSON can write but msgpack cannot.
    if isinstance(value, str):
        return well_formed(value)
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return float(value)
    if isinstance(value, list):
        return [_speakable(item) for item in value]
    if isinstance(value, dict):
        return {_speakable(key): _speakable(item) for key, item in value.items()}
    return value


def unpack(data: bytes | memoryview, depth: int = 128) -> Any:
    """The value of msgpack bytes, at most `depth` arrays and maps deep. Raises DecodeError, and nothing else.

    Timestamps come as datetimes in UTC, extensions that nobody knows as `[code, bytes]`, as notepack has it.
    """
    try:
        value = _decoder.decode(data)
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise DecodeError("invalid msgpack") from error
    if len(data) > depth and len(bytes(data).translate(None, _OTHERS)) > depth and _too_deep(value, depth):
        raise DecodeError("msgpack nested too deep")
    return value


# All but the first bytes of arrays and maps (fixmap, fixarray, array 16 and 32, map 16 and 32).
_OTHERS = bytes(set(range(256)) - {*range(0x80, 0xA0), *range(0xDC, 0xE0)})


def _too_deep(value: Any, depth: int) -> bool:
    level = [value]
    for _ in range(depth + 1):
        level = [node for node in level if type(node) is dict or type(node) is list]
        if not level:
            return False
        level = [child for node in level for child in (node.values() if type(node) is dict else node)]
    return True


def _extension(code: int, data: memoryview) -> Any:
    # notepack before version 3 had extension 0 for what msgpack lacked then: undefined, dates, array buffers.
    if code != 0:
        return [code, bytes(data)]
    if len(data) == 1:
        return None
    if len(data) == 8:
        return _EPOCH + timedelta(milliseconds=int.from_bytes(data, "big", signed=True))
    return bytes(data)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_decoder = msgspec.msgpack.Decoder(ext_hook=_extension)


def encode(packet: Packet) -> tuple[bytes, list[bytes]]:
    """No text, and one binary message which is the whole packet, dates as notepack 2 has them. Raises EncodeError."""
    fields: dict[str, Any] = {"type": int(packet.type)}
    if packet.data is not None:
        fields["data"] = packet.data
    if packet.id is not None:
        fields["id"] = packet.id
    fields["nsp"] = packet.nsp
    return b"", [_pack(fields, _accept_bytes, _packets_leaf)]


def decode(data: str | bytes, *, depth: int = 128, namespace_bytes: int = 256) -> Packet:
    """The packet in one binary message. Raises DecodeError."""
    if isinstance(data, str):
        raise DecodeError("text where msgpack was expected")
    fields = unpack(data, depth + 1)
    if type(fields) is not dict:
        raise DecodeError("a packet that is no map")
    number = fields.get("type")
    if type(number) is not int or not 0 <= number <= PacketType.CONNECT_ERROR:
        raise DecodeError("unknown packet type")
    nsp = fields.get("nsp")
    if type(nsp) is not str or len(nsp) > namespace_bytes or len(nsp.encode()) > namespace_bytes:
        raise DecodeError("invalid namespace")
    id = fields.get("id")
    if id is not None and (type(id) is not int or not 0 <= id <= MAX_ID):
        raise DecodeError("packet id out of range")
    kind = PacketType(number)
    payload = fields.get("data")
    check(kind, payload, id)
    return Packet(kind, nsp, payload, id)
