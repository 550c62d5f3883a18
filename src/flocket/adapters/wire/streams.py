"""Node's dialect over Redis streams: entries of a log for what must last, msgpack over pub/sub for the rest.

As @socket.io/redis-streams-adapter 0.3 speaks it, and what can be understood of 0.2. Does not know Redis.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any

from flocket.adapters import messages as m
from flocket.adapters.wire import values as v
from flocket.adapters.wire.cluster_messages import MAY_HOLD_BYTES, from_data, from_map, to_map
from flocket.codec.errors import DecodeError

__all__ = ["Streams", "hash_code", "is_durable", "is_offset", "stream_name", "stream_names"]

_OFFSET = re.compile(r"[0-9]{1,20}-[0-9]{1,20}", re.ASCII)  # an entry's id: two 64-bit numbers


def is_offset(text: str) -> bool:
    """Whether this is an entry's id, which is what a client presents to be recovered."""
    return _OFFSET.fullmatch(text) is not None


def hash_code(text: str) -> int:
    """Java's hash of a string, as Node's adapter counts it: over UTF-16 units, in 32 bits with a sign."""
    units = text.encode("utf-16-le", "surrogatepass")
    result = 0
    for at in range(0, len(units), 2):
        result = (result * 31 + int.from_bytes(units[at : at + 2], "little")) & 0xFFFFFFFF
    return result - (1 << 32) if result & 0x80000000 else result


def stream_name(nsp: str, name: str = "socket.io", count: int = 1) -> str:
    """The stream that carries a namespace's messages.

    JavaScript's `%` keeps the sign, so a Node node writes the messages of some namespaces to `socket.io--3`.
    No Node node reads there (only streams 0 to count - 1 are polled); ours do, see `stream_names`.
    """
    if count == 1:
        return name
    hashed = hash_code(nsp)
    return f"{name}-{abs(hashed) % count * (1 if hashed >= 0 else -1)}"


def stream_names(name: str = "socket.io", count: int = 1) -> list[str]:
    """Every stream that a node must read, those with a negative number included."""
    if count == 1:
        return [name]
    return [f"{name}-{number}" for number in range(1 - count, count)]


def is_durable(message: m.Message) -> bool:
    """Whether a message goes to the stream: what changes clients or reaches them, and wants no answer."""
    if isinstance(message, m.Broadcast):
        return message.request_id is None
    return isinstance(message, m.Join | m.Leave | m.DisconnectSockets)


class Streams:
    """One namespace's words in the streams dialect, said by the node `uid`.

    `only_plaintext` writes JSON even where there are bytes, as Node's option does: they are lost.
    """

    def __init__(
        self,
        nsp: str,
        uid: str,
        *,
        name: str = "socket.io",
        count: int = 1,
        prefix: str = "socket.io",
        only_plaintext: bool = False,
    ) -> None:
        self.nsp = nsp
        self.uid = uid
        self.stream = stream_name(nsp, name, count)
        self.base = f"{prefix}#{nsp}#"
        self.own_responses = f"{self.base}{uid}#"
        self._only_plaintext = only_plaintext

    def encode_entry(self, message: m.Message) -> dict[str, str]:
        """The fields of the stream's entry that says `message`."""
        said = to_map(message)
        entry = {"uid": message.uid, "nsp": message.nsp, "type": str(said["type"])}
        if "data" in said:
            entry["data"] = self._write(said["type"], said["data"])
        return entry

    def _write(self, kind: int, data: dict[str, Any]) -> str:
        if not self._only_plaintext and kind in MAY_HOLD_BYTES and v.has_binary(data):
            return base64.b64encode(v.pack(data)).decode()
        return v.to_json(data).decode()

    def decode_entry(self, fields: Mapping[str, str]) -> m.Message:
        """Read an entry of this namespace; raises DecodeError for what no node wrote."""
        kind = fields.get("type", "")
        if not (kind.isascii() and kind.isdigit() and len(kind) < 4):
            raise DecodeError(f"not a type: {kind!r:.20}")
        if fields.get("nsp") != self.nsp:
            raise DecodeError(f"not for {self.nsp}: {fields.get('nsp')!r:.60}")
        data = fields.get("data")
        return from_data(int(kind), read_data(data) if data else None, fields.get("uid", ""), self.nsp)

    def encode(self, message: m.Message, to: str = "") -> tuple[str, bytes]:
        """The channel and the bytes for pub/sub; `to` is the uid of the asker whom it answers."""
        channel = f"{self.base}{to}#" if to else self.base
        return channel, v.pack(to_map(message))

    def decode(self, channel: str, payload: bytes) -> m.Message:
        """Read what came on `channel`; raises DecodeError for what no node of this namespace says."""
        if not channel.startswith(self.base):
            raise DecodeError(f"not a channel of {self.nsp}: {channel:.60}")
        return from_map(v.unpack(payload), self.nsp)


def read_data(data: str) -> Any:
    """Read an entry's data: JSON if it begins with a brace, else msgpack in base64."""
    if data.startswith("{"):
        return v.from_json(data)
    try:
        return v.unpack(base64.b64decode(data, validate=True))
    except (binascii.Error, ValueError) as error:
        raise DecodeError(f"not base64: {error}") from None


def encode_session(
    sid: str, pid: str, rooms: tuple[str, ...], data: Any, places: Mapping[str, str] | None = None
) -> str:
    """What the key of a client that may come back holds. `places` in the stream are ours: Node's nodes ignore them."""
    session = {"sid": sid, "pid": pid, "rooms": rooms, "data": data, **(places or {})}
    return base64.b64encode(v.pack(session)).decode()


def decode_session(text: str) -> tuple[str, str, tuple[str, ...], Any, dict[str, Any]]:
    """Read a session: its sid, pid, rooms and data, and all of it, where the places are."""
    session = v.mapping(read_data(text), "session")
    sid, pid = v.text(session.get("sid"), "sid"), v.text(session.get("pid"), "pid")
    return sid, pid, v.rooms(session.get("rooms")), session.get("data"), session
