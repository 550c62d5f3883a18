"""Tells everyone which rooms there are, and each room who is in it: once after many changes.

The whole list each time, asked of all workers: one that was killed cannot say who left with it. Knows what
app.py keeps in `socket.data`, and nothing of what is said.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import Any

from flocket import AckTimeout, Server

__all__ = ["Announcement"]

ROOMS_SHOWN = ("lobby", "python", "random")  # also when nobody is in them
MOST_ROOMS_SHOWN = 30
MOST_PEOPLE_SHOWN = 200
SETTLE = 0.1  # seconds in which many comings and goings become one announcement


class Announcement:
    def __init__(self, io: Server) -> None:
        self._io = io
        self._pending = False

    def is_due(self) -> None:
        if not self._pending:
            self._pending = True
            self._io.create_task(self._announce())

    async def _announce(self) -> None:
        try:
            await asyncio.sleep(SETTLE)
        finally:
            self._pending = False
        try:
            sockets = await self._io.fetch_sockets()
        except AckTimeout:
            return  # a worker is busy beyond reason; the next coming or going announces again
        rooms: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        for socket in sockets:
            if "room" in socket.data:  # else it is on its way out or in
                person = {"id": socket.id, "name": socket.data["name"], "worker": socket.data["worker"]}
                rooms[socket.data["room"]].append(person)
        self._emit(rooms)

    def _emit(self, rooms: dict[str, list[dict[str, Any]]]) -> None:
        names = sorted(rooms, key=lambda name: len(rooms[name]), reverse=True)
        names = [*ROOMS_SHOWN, *(name for name in names if name not in ROOMS_SHOWN)]
        counts = [{"name": name, "people": len(rooms.get(name, ()))} for name in names[:MOST_ROOMS_SHOWN]]
        self._io.emit("rooms", counts)
        for room, people in rooms.items():
            people.sort(key=lambda person: (str(person["name"]).casefold(), str(person["id"])))
            self._io.to(room).emit("people", people[:MOST_PEOPLE_SHOWN], len(people))
