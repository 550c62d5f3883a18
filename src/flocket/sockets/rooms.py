"""Which socket is in which room, both ways, in this process. Knows ids and names; does not know sockets."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from flocket.sockets.target import Target

__all__ = ["ROOM_EVENTS", "Rooms"]

ROOM_EVENTS = ("create_room", "delete_room", "join_room", "leave_room")


class Rooms:
    """`rooms`: room to ids; `sids`: id to rooms. An empty room does not exist."""

    __slots__ = ("_tell", "rooms", "sids")

    def __init__(self, tell: Callable[..., None]) -> None:
        self.rooms: dict[str, set[str]] = {}
        self.sids: dict[str, set[str]] = {}
        self._tell = tell  # called with the event's name and its arguments

    def add(self, sid: str, rooms: Iterable[str]) -> None:
        mine = self.sids.setdefault(sid, set())
        for room in rooms:
            if room in mine:
                continue
            mine.add(room)
            members = self.rooms.get(room)
            if members is None:
                members = self.rooms[room] = set()
                self._tell("create_room", room)
            members.add(sid)
            self._tell("join_room", room, sid)

    def remove(self, sid: str, room: str) -> None:
        mine = self.sids.get(sid)
        if mine is not None and room in mine:
            mine.discard(room)
            self._leave(sid, room)

    def remove_all(self, sid: str) -> None:
        for room in self.sids.pop(sid, ()):
            self._leave(sid, room)

    def _leave(self, sid: str, room: str) -> None:
        members = self.rooms[room]
        members.discard(sid)
        self._tell("leave_room", room, sid)
        if not members and self.rooms.get(room) is members:  # a listener may have emptied it already
            del self.rooms[room]
            self._tell("delete_room", room)

    def resolve(self, target: Target) -> Iterable[str]:
        """The ids that the target means, each once. Not always a copy: use it before you change rooms."""
        if target.rooms is None:
            found: Iterable[str] = self.sids
        elif len(target.rooms) == 1:
            found = self.rooms.get(target.rooms[0], ())
        else:
            found = set().union(*(self.rooms.get(room, ()) for room in target.rooms))
        if target.except_rooms:
            left_out: set[str] = set().union(*(self.rooms.get(room, ()) for room in target.except_rooms))
            if left_out:
                return [sid for sid in found if sid not in left_out]
        return found
