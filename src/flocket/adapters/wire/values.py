"""The two notations that travel, JSON and msgpack, and the checks that a value read from a peer must pass.

Knows JavaScript's habits (a room may be a number, an absent key is undefined); does not know any message.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flocket.adapters.messages import Options
from flocket.codec import json, msgpack
from flocket.codec.errors import DecodeError
from flocket.codec.json import dumps as to_json
from flocket.codec.msgpack import pack
from flocket.codec.socketio import RESERVED_EVENTS

__all__ = [
    "count",
    "event",
    "from_json",
    "has_binary",
    "identifier",
    "mapping",
    "options",
    "pack",
    "present",
    "read",
    "rooms",
    "sequence",
    "socket_list",
    "text",
    "to_json",
    "unpack",
    "write_options",
]


_DEPTH = 136  # a client's packet may be nested 128 deep (Limits.json_depth), and a message wraps it


def has_binary(value: Any) -> bool:
    """Whether there are bytes at any depth: what decides between JSON and msgpack in Node's adapters."""
    if isinstance(value, bytes | bytearray | memoryview):
        return True
    if isinstance(value, dict):
        return any(map(has_binary, value.values()))
    if isinstance(value, list | tuple):
        return any(map(has_binary, value))
    return False


def unpack(payload: bytes) -> Any:
    """Read one msgpack value."""
    return msgpack.unpack(payload, _DEPTH)


def from_json(payload: bytes | str) -> Any:
    """Read one JSON text."""
    return json.loads(payload, _DEPTH)


def read(payload: bytes) -> Any:
    """Read JSON if it begins with a brace, else msgpack: how Node's adapters tell them apart."""
    return from_json(payload) if payload[:1] == b"{" else unpack(payload)


def mapping(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise DecodeError(f"{what} is no object: {value!r:.60}")
    return value


def sequence(value: Any, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise DecodeError(f"{what} is no array: {value!r:.60}")
    return value


def text(value: Any, what: str) -> str:
    if not isinstance(value, str):
        raise DecodeError(f"{what} is no string: {value!r:.60}")
    return value


def identifier(value: Any, what: str) -> str:
    """A request id: a string that is not empty (JavaScript's nodes test it for truth)."""
    if not isinstance(value, str) or not value:
        raise DecodeError(f"{what} is no identifier: {value!r:.60}")
    return value


def count(value: Any, what: str) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise DecodeError(f"{what} is no count: {value!r:.60}")
    return value


def _room(value: Any) -> str:
    # JavaScript lets a room be a number, and Node's classic adapter takes 12 and "12" for the same.
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise DecodeError(f"a room is no string: {value!r:.60}")


def rooms(value: Any, what: str = "rooms") -> tuple[str, ...]:
    """Room names; absent means none."""
    if value is None:
        return ()
    return tuple([_room(room) for room in sequence(value, what)])


def options(value: Any) -> Options:
    """Read Node's `{rooms, except, flags}`."""
    fields = mapping(value, "opts")
    flags = fields.get("flags")
    return Options(
        rooms(fields.get("rooms")),
        rooms(fields.get("except"), "except"),
        {} if flags is None else mapping(flags, "flags"),
    )


def event(value: Any, what: str = "data") -> list[Any]:
    """Read an event's name and arguments: the name is a string or a number, and not one of the protocol's own."""
    data = sequence(value, what)
    if not data or isinstance(data[0], bool) or not isinstance(data[0], str | int | float):
        raise DecodeError(f"{what} does not begin with an event's name: {value!r:.60}")
    if data[0] in RESERVED_EVENTS:
        raise DecodeError(f"a reserved event name: {data[0]!r}")  # a client's library would take it for its own
    return data


def write_options(opts: Options, *, flags: bool = True) -> dict[str, Any]:
    """Node's `{rooms, except, flags}`, in its order of keys."""
    written: dict[str, Any] = {"rooms": opts.rooms, "except": opts.except_}
    if flags:
        written["flags"] = present(opts.flags)
    return written


def present(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """Without the keys that are None: JavaScript's undefined, which is not written."""
    if None in fields.values():
        return {key: value for key, value in fields.items() if value is not None}
    return fields


def socket_list(value: Any) -> list[dict[str, Any]]:
    """Read the sockets of another node: `{id, handshake, rooms, data}` each, a room always a string."""
    sockets = []
    for item in sequence(value, "sockets"):
        socket = mapping(item, "socket")
        sockets.append(
            {
                "id": text(socket.get("id"), "id"),
                "handshake": mapping(socket.get("handshake"), "handshake"),
                "rooms": rooms(socket.get("rooms")),
                "data": socket.get("data"),
            }
        )
    return sockets
