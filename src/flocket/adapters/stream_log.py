"""Recovery over a stream: the broker keeps the events, and this the places in it. Knows ids; reads no stream."""

from __future__ import annotations

from collections.abc import Callable

from flocket.adapters.buses.redis_reader import StreamId
from flocket.codec.socketio import Packet
from flocket.options import Recovery
from flocket.sockets.parsers import Encoded, PacketCodec
from flocket.sockets.recovery import SessionLog
from flocket.sockets.target import Target

__all__ = ["StreamLog", "id_of", "place_of"]

_NUMBER_BITS = 64


def place_of(entry: StreamId) -> int:
    """An entry's id as one number, which is how a socket remembers its place."""
    return entry[0] << _NUMBER_BITS | entry[1]


def id_of(place: int) -> str:
    """That number as the id that Redis knows, and that a client presents."""
    return f"{place >> _NUMBER_BITS}-{place & ((1 << _NUMBER_BITS) - 1)}"


class StreamLog(SessionLog):
    """A SessionLog that keeps nothing itself. `position` is how far the stream has been delivered here."""

    def __init__(self, recovery: Recovery, now: Callable[[], float]) -> None:
        super().__init__(recovery, now)
        self.window = recovery.window
        self.at: int | None = None  # the place of the event that is being delivered; None: it has none

    def record(self, parser: PacketCodec, packet: Packet, encoded: Encoded | None, target: Target) -> Encoded:
        if encoded is None:
            encoded = parser.encode(packet, target.compress)
        return encoded if self.at is None else parser.with_offset(packet, encoded, id_of(self.at))

    def mark(self, parser: PacketCodec, packet: Packet, encoded: Encoded | None, target: Target) -> Encoded | None:
        if not self.position or (packet.data is not None and not isinstance(packet.data[-1], str)):
            return encoded
        if encoded is None:
            encoded = parser.encode(packet, target.compress)
        return parser.with_offset(packet, encoded, id_of(self.position))
