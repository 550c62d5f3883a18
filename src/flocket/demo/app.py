"""The chat: names, rooms, who is here, who is typing, what was said; the same with one worker and with many.

What all workers must know goes through the server's own means: rooms, `socket.data`, words from node to node.
Knows nothing of the page (page.py) or of how it is started (the `flocket demo` command).
"""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from flocket import ConnectError, EventError, Server, Socket
from flocket.demo.allowance import Allowance
from flocket.demo.announcement import Announcement
from flocket.demo.history import History, Message
from flocket.demo.page import page

__all__ = ["application", "io"]

ROOM = re.compile(r"[A-Za-z0-9_-]{1,24}")
MESSAGE_ID = re.compile(r"[0-9a-f]{24}")
NAME_LENGTH = 24
TEXT_LENGTH = 2_000

history = History()
allowances: dict[str, Allowance] = {}  # by socket id


@asynccontextmanager
async def lifespan(io: Server) -> AsyncIterator[None]:
    """A worker that has just begun asks the others what was said."""
    for told in await io.server_side_emit_with_ack("what was said?"):
        for message in told or ():
            history.add(message)
    yield


io = Server(lifespan=lifespan)
application = io.asgi(page)
announcement = Announcement(io)


@io.on_server_side("what was said?")
def what_was_said() -> list[Message]:
    return history.everything()


@io.on_server_side("said")
def said(message: Message) -> None:
    history.add(message)


@io.use
def introduce(socket: Socket) -> None:
    """The handshake carries name and room, so that who comes back is back in both without a question."""
    socket.data.update(
        name=_name(socket.handshake.auth.get("name")),
        room=_room(socket.handshake.auth.get("room", "lobby")),
        worker=io.worker,
    )


@io.on("connection")
async def connection(socket: Socket) -> None:
    allowances[socket.id] = Allowance()
    room = socket.data["room"]
    await socket.join(room)
    you = {"id": socket.id, "name": socket.data["name"], "worker": io.worker}
    socket.emit("welcome", {"you": you, "room": room, "history": history.of(room)})
    announcement.is_due()


@io.on("disconnect")
def disconnect(socket: Socket, reason: str) -> None:
    allowances.pop(socket.id, None)
    announcement.is_due()


@io.on("say")
def say(socket: Socket, text: str, id: str) -> Message:
    """Tell the others, and acknowledge with what they got. Said twice (same id), it is told once."""
    text = text.strip()
    if not text or len(text) > TEXT_LENGTH or not MESSAGE_ID.fullmatch(id):
        raise EventError(f"A message has 1 to {TEXT_LENGTH:,} letters")
    if not allowances[socket.id].spend(time.monotonic()):
        raise EventError("Slower, please")
    message = Message(id=id, room=socket.data["room"], speaker=socket.id, name=socket.data["name"], text=text,
                      at=int(time.time() * 1000), worker=io.worker)
    kept = history.add(message)
    if kept is message:
        io.server_side_emit("said", message)
        socket.to(message["room"]).emit("message", message)
    return kept


@io.on("typing")
def typing(socket: Socket, on: bool) -> None:
    socket.to(socket.data["room"]).volatile.emit("typing", socket.id, socket.data["name"], on)


@io.on("enter")
async def enter(socket: Socket, room: str) -> dict[str, Any]:
    """Leave the room for another one."""
    _room(room)
    await socket.leave(socket.data["room"])
    socket.data["room"] = room
    await socket.join(room)
    announcement.is_due()
    return {"room": room, "history": history.of(room)}


@io.on("rename")
def rename(socket: Socket, name: str) -> str:
    socket.data["name"] = _name(name)
    announcement.is_due()
    return str(socket.data["name"])


@io.on("echo")
def echo(socket: Socket) -> None:
    """The page measures the round trip."""


class Refused(ConnectError, EventError):
    """Words for the person at the other end, in the handshake as well as in an acknowledgement."""


def _name(name: object) -> str:
    if not isinstance(name, str) or not 1 <= len(name.strip()) <= NAME_LENGTH:
        raise Refused(f"A name has 1 to {NAME_LENGTH} letters", data={"field": "name"})
    return name.strip()


def _room(room: object) -> str:
    if not isinstance(room, str) or not ROOM.fullmatch(room):
        raise Refused("A room's name has 1 to 24 letters, digits, - or _", data={"field": "room"})
    return room
