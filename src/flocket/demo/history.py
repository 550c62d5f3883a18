"""The last messages of each room, in memory and within bounds. Knows no sockets and no other workers."""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import TypedDict

__all__ = ["History", "Message"]

PER_ROOM = 50
ROOMS = 100  # beyond it, the room in which nothing was said for longest is forgotten


class Message(TypedDict):
    """One message as it travels."""

    id: str  # made by the speaker's page
    room: str
    speaker: str  # a socket's id
    name: str
    text: str
    at: int  # milliseconds since 1970, as JavaScript counts
    worker: int | None


class History:
    """A message is kept once, whatever way and however often it comes."""

    def __init__(self, per_room: int = PER_ROOM, rooms: int = ROOMS) -> None:
        self._per_room = per_room
        self._most_rooms = rooms
        self._rooms: OrderedDict[str, deque[Message]] = OrderedDict()

    def add(self, message: Message) -> Message:
        """Keep it, and return it; or the one that is there already under this id, when it was said twice."""
        room = self._rooms.setdefault(message["room"], deque(maxlen=self._per_room))
        for known in room:
            if known["id"] == message["id"]:
                return known
        room.append(message)
        self._rooms.move_to_end(message["room"])
        while len(self._rooms) > self._most_rooms:
            self._rooms.popitem(last=False)
        return message

    def of(self, room: str) -> list[Message]:
        """What was said in a room, oldest first by the speakers' workers' clocks."""
        return sorted(self._rooms.get(room, ()), key=lambda message: message["at"])

    def everything(self) -> list[Message]:
        """All that is kept, for a worker that has just begun."""
        return [message for room in self._rooms.values() for message in room]
