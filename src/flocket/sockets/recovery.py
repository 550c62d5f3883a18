"""What a returning client missed: sessions kept for a while, and the events of a namespace behind them.

Knows frames, rooms and offsets of this process; does not know sockets, nor when time passes. All of what a client
missed, in order and once, or nothing: a gap is never hidden.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from flocket.codec.socketio import Packet, PacketType
from flocket.options import Recovery
from flocket.sockets.parsers import Encoded, PacketCodec
from flocket.sockets.target import Target

__all__ = ["UNRECOVERABLE", "Entry", "Restored", "Saved", "SessionLog", "is_recorded"]

SESSIONS = 100_000  # of one namespace that are away: more, and those that left first are forgotten

# Ends that somebody meant: such a client starts anew (Socket.IO, "connection state recovery").
UNRECOVERABLE = frozenset({"parse error", "client namespace disconnect", "server namespace disconnect"})


@dataclass(frozen=True, slots=True)
class Saved:
    """A socket that may come back. The rest are positions of the log: when it first connected, of the last event
    that was sent to it, and when it left.
    """

    sid: str
    pid: str
    rooms: frozenset[str]
    data: Any
    since: int = 0
    last: int = 0
    left: int = 0
    known: str | None = None  # the offset that its client had when it came here from another log; it stands for `since`
    found: dict[str, Any] | None = None  # what its middlewares put into `data`; None: not known here


class Restored(NamedTuple):
    """A socket that does come back, with what was sent to its rooms meanwhile, up to the position `last`."""

    saved: Saved
    missed: list[Encoded]
    last: int = 0


class Entry(NamedTuple):
    """One event of the log; `encoded` has its offset."""

    position: int
    when: float
    rooms: tuple[str, ...] | None
    except_rooms: tuple[str, ...]
    encoded: Encoded


class SessionLog:
    """One namespace's. `now` tells monotonic seconds; positions count up from 1 and are never used twice."""

    def __init__(self, recovery: Recovery, now: Callable[[], float]) -> None:
        self._recovery = recovery
        self.window = recovery.window
        self._now = now
        self._epoch = os.urandom(6).hex()  # an offset of another life of this process means nothing here
        self._entries: deque[Entry] = deque()
        self._bytes = 0  # of all entries
        self._sessions: dict[str, tuple[float, Saved]] = {}
        self.position = 0
        self._trimmed = 0  # the newest position that the log no longer has

    def record(self, parser: PacketCodec, packet: Packet, encoded: Encoded | None, target: Target) -> Encoded:
        """Keep an event, which gets its offset as a last argument: the frames to send."""
        self.position += 1
        if encoded is None:
            encoded = parser.encode(packet, target.compress)
        event = encoded.event
        encoded = parser.with_offset(packet, encoded, f"{self._epoch}-{self.position}")
        encoded.event = event
        self._entries.append(Entry(self.position, self._now(), target.rooms, target.except_rooms, encoded))
        self._bytes += _size(encoded)
        self._trim()
        return encoded

    def mark(self, parser: PacketCodec, packet: Packet, encoded: Encoded | None, target: Target) -> Encoded | None:
        """An event that is not kept. A client takes a last argument that is text for an offset: then it gets one."""
        data = packet.data
        if data is not None and not isinstance(data[-1], str):
            return encoded
        if encoded is None:
            encoded = parser.encode(packet, target.compress)
        return parser.with_offset(packet, encoded, f"{self._epoch}-{self.position}")

    def save(self, saved: Saved) -> None:
        """A socket has gone, and may be back within the window."""
        self._forget_old()
        while len(self._sessions) >= SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        self._sessions[saved.pid] = (self._now() + self._recovery.window, saved)

    def take(self, pid: str, offset: str | None) -> Restored | None:
        """A socket is back: what it missed. None if that is not wholly known, or nobody had this pid.

        Whatever the answer, the session is gone from here: it is restored once, or never.
        """
        found = self.take_entries(pid, offset)
        if found is None:
            return None
        saved, entries = found
        return Restored(saved, [entry.encoded for entry in entries], entries[-1].position if entries else 0)

    @property
    def awaits(self) -> bool:
        """Whether a socket is away that may be back."""
        self._forget_old()
        return bool(self._sessions)

    def rooms_of(self, pid: str) -> frozenset[str] | None:
        """The rooms of a socket that is away; None if it is not kept here."""
        until, saved = self._sessions.get(pid, (0.0, None))
        return saved.rooms if saved is not None and until >= self._now() else None

    def take_entries(self, pid: str, offset: str | None) -> tuple[Saved, list[Entry]] | None:
        """As `take`, with what the log knows of each event."""
        until, saved = self._sessions.pop(pid, (0.0, None))
        if saved is None or until < self._now():
            return None
        position = saved.since if offset is None or offset == saved.known else self._position_of(offset)
        if position is None or not saved.since <= position <= self.position:
            return None
        if position >= saved.last:
            position = max(position, saved.left)  # it had all that was sent: what others got meanwhile is no gap
        if position < self._trimmed:
            return None
        return saved, self.entries_since(position, saved.rooms)

    def entries_since(self, position: int, rooms: frozenset[str]) -> list[Entry]:
        """What came behind `position` for a socket in these rooms."""
        return [entry for entry in self._entries if entry.position > position and _concerns(entry, rooms)]

    def _position_of(self, offset: str) -> int | None:
        epoch, _, digits = offset.partition("-")
        if epoch != self._epoch or not digits.isascii() or not digits.isdigit() or len(digits) > 16:
            return None
        return int(digits)

    def _trim(self) -> None:
        entries, recovery = self._entries, self._recovery
        oldest = self._now() - recovery.window
        while entries and (
            entries[0].when < oldest or len(entries) > recovery.packets or self._bytes > recovery.bytes
        ):
            entry = entries.popleft()
            self._bytes -= _size(entry.encoded)
            self._trimmed = entry.position

    def _forget_old(self) -> None:
        # In the order of saving, which is that of ending: all windows are equally long.
        now = self._now()
        for pid, (until, _) in list(self._sessions.items()):
            if until >= now:
                break
            del self._sessions[pid]


def is_recorded(packet: Packet, target: Target) -> bool:
    """Whether an event is kept: not what may be lost anyway, and not a question, whose time is short."""
    return packet.type == PacketType.EVENT and packet.id is None and not target.volatile


def _concerns(entry: Entry, rooms: frozenset[str]) -> bool:
    if entry.rooms is not None and rooms.isdisjoint(entry.rooms):
        return False
    return rooms.isdisjoint(entry.except_rooms)


def _size(encoded: Encoded) -> int:
    return sum(len(frame.wire) for frame in encoded.frames)
