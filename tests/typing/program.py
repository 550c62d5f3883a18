"""The first program of the documentation and some more, as a type checker sees them: never run."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, assert_type

from flocket import (
    AckTimeout,
    Answers,
    ConnectError,
    EventError,
    Handshake,
    Limits,
    Namespace,
    RedisAdapter,
    RemoteSocket,
    Request,
    Server,
    Socket,
    on,
)
from flocket.testing import connect

io = Server()
io.adapter(RedisAdapter(host="localhost", port=6379))


@dataclass
class User:
    name: str


async def find_user(token: str | None) -> User | None:
    return None if token is None else User(token)


@io.use
async def authenticate(socket: Socket) -> None:
    user = await find_user(socket.handshake.auth.get("token"))
    if user is None:
        raise ConnectError("not authorized", data={"retry": False})
    socket.data["name"] = user.name


@io.on("connection")
async def connection(socket: Socket) -> None:
    await socket.join("lobby")


@io.on("chat message")
async def chat_message(socket: Socket, text: str) -> str:
    io.to("lobby").emit("chat message", socket.data["name"], text)
    return "ok"


@io.on("report", thread=True)
def report(socket: Socket) -> None:
    raise EventError("not yet", data=1)


@io.on("disconnect")
async def disconnect(socket: Socket, reason: str) -> None: ...


@io.on_error
def on_error(socket: Socket, event: str, error: Exception) -> Any:
    return None


assert_type(io, Server[dict[str, Any]])


async def talk(socket: Socket) -> None:
    assert_type(socket.data, dict[str, Any])
    assert_type(socket.handshake, Handshake)
    assert_type(socket.request, Request)
    assert_type(socket.id, str)
    socket.emit("hi", {"any": ["json", b"or bytes"]})
    await socket.to("room").except_("b").volatile.local.compress(False).emit("hi")
    answer = await socket.timeout(5).emit_with_ack("question", 42)
    assert_type(answer, Any)
    try:
        answers = await io.to("room").timeout(5).emit_with_ack("question")
        assert_type(answers, Answers)
    except AckTimeout as late:
        print(late.answers)
    sockets = await io.to("room").fetch_sockets()
    assert_type(sockets, list[RemoteSocket])
    assert_type(await io.to("room").count(), int)
    assert_type(await socket.wait_for("x", timeout=5), tuple[Any, ...])
    assert_type(socket.rooms, frozenset[str])


class Chat(Namespace):
    @on("chat message")
    async def message(self, socket: Socket, text: str) -> None:
        self.to("lobby").emit("chat message", text)


assert_type(io.of("/chat", Chat), Chat)
assert_type(io.of("/admin"), Namespace[dict[str, Any]])
io.of(re.compile(r"/game-\d+")).on("x", lambda socket: None)

users = Server(data=lambda: User(""), limits=Limits(handlers=1))
assert_type(users, Server[User])


@users.on("connection")
def typed(socket: Socket[User]) -> None:
    assert_type(socket.data, User)
    socket.data.name = "ada"


class Made:
    name = ""


assert_type(Server(data=Made), Server[Made])


async def test() -> None:
    async with connect(io, auth={"token": "ada's"}) as client:
        assert await client.emit_with_ack("chat message", "hi") == "ok"
        assert await client.receive("chat message", timeout=1) == ("ada", "hi")


if __name__ == "__main__":
    io.run("0.0.0.0", 3000, workers=4)
