"""Node's dialect over sharded pub/sub (Redis 7): a channel for the namespace, one a node, and one a room.

As createShardedAdapter of @socket.io/redis-adapter speaks it. Does not know Redis.
"""

from __future__ import annotations

from typing import Literal

from flocket.adapters import messages as m
from flocket.adapters.wire import values as v
from flocket.adapters.wire.cluster_messages import MAY_HOLD_BYTES, from_map, to_map
from flocket.codec.errors import DecodeError

__all__ = ["Sharded", "SubscriptionMode"]

SubscriptionMode = Literal["static", "dynamic", "dynamic-private"]
_SOCKET_ID = 20  # characters: how Node's publisher tells a socket's own room from a room that was joined


class Sharded:
    """One namespace's words in the sharded dialect, said by the node `uid`."""

    def __init__(
        self, nsp: str, uid: str, prefix: str = "socket.io", *, mode: SubscriptionMode = "dynamic"
    ) -> None:
        self.nsp = nsp
        self.uid = uid
        self.mode = mode
        self.base = f"{prefix}#{nsp}#"
        self.own_responses = f"{self.base}{uid}#"

    def room_channel(self, room: str) -> str:
        """Where a broadcast to this one room goes, if the room has a channel of its own."""
        return f"{self.base}{room}#"

    def subscribes(self, room: str, *, own: bool) -> bool:
        """Whether a node with members in `room` listens on its channel; `own`: it is a socket's id."""
        return self.mode == "dynamic-private" or (self.mode == "dynamic" and not own)

    def encode(self, message: m.Message, to: str = "") -> tuple[str, bytes]:
        """The channel and the bytes that say `message`; `to` is the uid of the asker whom it answers."""
        return self._channel(message, to), self._write(message)

    def _channel(self, message: m.Message, to: str) -> str:
        if to:
            return f"{self.base}{to}#"
        if isinstance(message, m.Broadcast) and message.request_id is None and len(message.opts.rooms) == 1:
            room = message.opts.rooms[0]
            if self.mode == "dynamic-private" or (self.mode == "dynamic" and not _looks_like_socket_id(room)):
                return self.room_channel(room)
        return self.base

    def _write(self, message: m.Message) -> bytes:
        said = to_map(message)
        if said["type"] in MAY_HOLD_BYTES and v.has_binary(said["data"]):
            return v.pack(said)
        return v.to_json(said)

    def decode(self, channel: str, payload: bytes) -> m.Message:
        """Read what came on `channel`; raises DecodeError for what no node of this namespace says."""
        if not channel.startswith(self.base):
            raise DecodeError(f"not a channel of {self.nsp}: {channel:.60}")
        return from_map(v.read(payload), self.nsp)


def _looks_like_socket_id(room: str) -> bool:
    # JavaScript counts UTF-16 units, so a character beyond the first plane counts twice.
    return len(room) + sum(character > "\uffff" for character in room) == _SOCKET_ID
