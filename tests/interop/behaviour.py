"""What the tests' server answers: the same events in every namespace, as tests/node/reference_events.js has them.

Written from the public interface alone; knows nothing of faces, options or tests.
"""

from __future__ import annotations

import asyncio
import re
import struct
import time
from collections import Counter
from typing import Any

from flocket import AckTimeout, ConnectError, EventError, Namespace, Request, Server, Socket

created: Counter[str] = Counter()  # how often a namespace was made
departures: dict[str, dict[str, Any]] = {}  # socket id -> why it left and which rooms it had
refusals: list[list[Any]] = []  # numbered errors that the engine reported


def describe(value: Any) -> Any:
    """A value as the server sees it, exactly: numbers by their bits, strings by their UTF-16 units."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return f"boolean:{str(value).lower()}"
    if isinstance(value, int | float):
        return "number:" + struct.pack(">d", value).hex()
    if isinstance(value, str):
        units = value.encode("utf-16-be", "surrogatepass")
        return "string:" + " ".join(f"{unit:x}" for (unit,) in struct.iter_unpack(">H", units))
    if isinstance(value, bytes | bytearray | memoryview):
        return "bytes:" + bytes(value).hex()
    if isinstance(value, list):
        return [describe(item) for item in value]
    if isinstance(value, dict):
        return {key: describe(value[key]) for key in sorted(value)}
    return f"{type(value).__name__}:{value}"


def target(io: Server, socket: Socket, how: dict[str, Any]) -> Any:
    """Whom a client means by {from, of, to, except, volatile, local, compress}."""
    kinds: dict[str, Any] = {"io": io, "socket": socket, "broadcast": socket.broadcast, "nsp": socket.nsp}
    result = io.of(how["of"]) if "of" in how else kinds[how.get("from", "io")]
    if how.get("volatile"):
        result = result.volatile
    if how.get("local"):
        result = result.local
    if "compress" in how:
        result = result.compress(how["compress"])
    for room in how.get("to", ()):
        result = result.to(room)
    for room in how.get("except", ()):
        result = result.except_(room)
    return result


def mine(socket: Socket) -> list[str]:
    return sorted(room for room in socket.rooms if room != socket.id)


def conversation(io: Server, nsp: Namespace) -> None:
    @nsp.on("echo")
    def echo(socket: Socket, *args: Any) -> None:
        socket.emit("echo", *args)

    @nsp.on("ack")
    def ack(socket: Socket, *args: Any) -> Any:
        return args[0] if len(args) == 1 else args or None

    @nsp.on("describe")
    def describe_value(socket: Socket, value: Any) -> Any:
        return describe(value)

    @nsp.on("two answers")
    def two_answers(socket: Socket) -> tuple[str, dict[str, bytes]]:
        return "one", {"two": b"\x02"}

    @nsp.on("send")
    def send(socket: Socket, *args: Any) -> None:
        socket.send(*args)

    @nsp.on("say")
    def say(socket: Socket, how: Any, event: str, *args: Any) -> None:
        target(io, socket, how).emit(event, *args)

    @nsp.on("many")
    def many(socket: Socket, count: int) -> None:
        for number in range(count):
            socket.emit("one of many", number)

    @nsp.on("ask me")
    async def ask_me(socket: Socket, question: str, value: Any) -> Any:
        return await socket.timeout(3).emit_with_ack(question, value)

    @nsp.on("ask me late")
    async def ask_me_late(socket: Socket) -> Any:
        try:
            return await socket.timeout(0.1).emit_with_ack("silence")
        except AckTimeout:
            return "too late"

    @nsp.on("ask all")
    async def ask_all(socket: Socket, how: Any, milliseconds: int, question: str) -> Any:
        try:
            answers = await target(io, socket, how).timeout(milliseconds / 1000).emit_with_ack(question)
            return {"answers": list(answers), "late": False}
        except AckTimeout as error:
            return {"answers": list(error.answers), "late": True}

    @nsp.on("tick")
    async def tick(socket: Socket, count: int, milliseconds: int) -> None:
        for number in range(count):
            socket.emit("tick", number)
            if number % 3 == 0:
                await asyncio.sleep(milliseconds / 1000)

    @nsp.on("tock")
    def tock(socket: Socket, number: int) -> None:
        socket.data.setdefault("tocks", []).append(number)

    @nsp.on("tocks")
    def tocks(socket: Socket) -> list[int]:
        return list(socket.data.get("tocks", []))


def whereabouts(io: Server, nsp: Namespace) -> None:
    @nsp.on("join")
    async def join(socket: Socket, *rooms: str) -> list[str]:
        await socket.join(*rooms)
        return mine(socket)

    @nsp.on("leave")
    async def leave(socket: Socket, room: str) -> list[str]:
        await socket.leave(room)
        return mine(socket)

    @nsp.on("rooms")
    def rooms(socket: Socket) -> list[str]:
        return mine(socket)

    @nsp.on("remember")
    def remember(socket: Socket, key: str, value: Any) -> None:
        socket.data[key] = value

    @nsp.on("fetch")
    async def fetch(socket: Socket, how: Any) -> Any:
        return [
            {
                "id": found.id,
                "rooms": sorted(set(found.rooms) - {found.id}),
                "data": found.data,
                "xdomain": found.handshake["xdomain"],
            }
            for found in sorted(await target(io, socket, how).fetch_sockets(), key=lambda found: str(found.id))
        ]

    @nsp.on("count")
    async def count(socket: Socket, how: Any) -> int:
        return int(await target(io, socket, how).count())

    @nsp.on("sockets join")
    def sockets_join(socket: Socket, how: Any, room: str) -> None:
        target(io, socket, how).sockets_join(room)

    @nsp.on("sockets leave")
    def sockets_leave(socket: Socket, how: Any, room: str) -> None:
        target(io, socket, how).sockets_leave(room)

    @nsp.on("disconnect sockets")
    def disconnect_sockets(socket: Socket, how: Any, close: bool) -> None:
        target(io, socket, how).disconnect_sockets(close)

    @nsp.on("disconnect me")
    def disconnect_me(socket: Socket, close: bool) -> None:
        socket.disconnect(close)


def facts(io: Server, nsp: Namespace) -> None:
    @nsp.on("departure")
    def departure(socket: Socket, sid: str) -> Any:
        return departures.get(sid, {})

    @nsp.on("handshake")
    def handshake(socket: Socket) -> dict[str, Any]:
        shake = socket.handshake
        return {
            "auth": shake.auth,
            "query": dict(shake.query),
            "extra": shake.headers.get("x-extra"),
            "address": shake.address,
            "secure": shake.secure,
            "xdomain": shake.xdomain,
            "url": shake.url,
            "fresh": time.time() * 1000 - shake.issued < 60_000,
        }

    @nsp.on("who am i")
    def who_am_i(socket: Socket) -> dict[str, Any]:
        return {"id": socket.id, "nsp": socket.nsp.name, "transport": socket.conn.transport.name}

    @nsp.on("created")
    def created_times(socket: Socket, name: str) -> int:
        return created[name]

    @nsp.on("refusals")
    def refused(socket: Socket) -> Any:
        return refusals

    @nsp.on("server side")
    def server_side(socket: Socket) -> str:
        io.server_side_emit("refresh", 1)
        return "sent"


def hooks(nsp: Namespace) -> None:
    @nsp.on("listen in")
    def listen_in(socket: Socket) -> None:
        def heard(event: str, *args: Any) -> None:
            if event == "overheard":
                socket.emit("heard", event, args)

        def outgoing(event: str, *args: Any) -> None:
            if event == "echo":
                socket.data["outgoing"] = socket.data.get("outgoing", 0) + 1

        socket.on_any(heard)
        socket.on_any_outgoing(outgoing)

    @nsp.on("overheard")
    def overheard(socket: Socket) -> None:
        socket.emit("handled")

    @nsp.on("outgoing")
    def outgoing_count(socket: Socket) -> int:
        return int(socket.data.get("outgoing", 0))

    @nsp.on("forbidden")
    def forbidden(socket: Socket) -> None:
        socket.emit("forbidden came through")


def guard(event: str, args: Any) -> None:
    if event == "forbidden":
        raise EventError("forbidden")


def everything(io: Server, nsp: Namespace) -> None:
    """Give a namespace all of the behaviour."""
    conversation(io, nsp)
    whereabouts(io, nsp)
    facts(io, nsp)
    hooks(nsp)

    @nsp.on("connection")
    def connection(socket: Socket) -> None:
        socket.use(guard)
        if nsp.name == "/":
            socket.emit("hello", socket.id)

    @nsp.on("disconnecting")
    def disconnecting(socket: Socket, reason: str) -> None:
        departures[socket.id] = {"rooms": mine(socket)}

    @nsp.on("disconnect")
    def disconnect(socket: Socket, reason: str) -> None:
        departures[socket.id]["reason"] = reason


def root(io: Server) -> None:
    @io.on("new_namespace")
    def new_namespace(nsp: Namespace) -> None:
        created[nsp.name] += 1

    @io.engine.on("connection_error")
    def connection_error(request: Request, code: int, message: str, context: dict[str, Any]) -> None:
        refusals.append([code, message, context.get("name")])

    @io.engine.on("initial_headers")
    def initial_headers(headers: list[tuple[str, str]], request: Request) -> None:
        headers.append(("x-initial", "yes"))

    @io.engine.on("headers")
    def every_headers(headers: list[tuple[str, str]], request: Request) -> None:
        headers.append(("x-every", "yes"))

    everything(io, io.of("/"))


def namespaces(io: Server) -> None:
    admin = io.of("/admin")

    @admin.use
    def authenticate(socket: Socket) -> None:
        if socket.handshake.auth.get("token") != "secret":
            raise ConnectError("not authorized", data={"retry": False})

    slow = io.of("/slow")

    @slow.use
    async def hesitate(socket: Socket) -> None:
        await asyncio.sleep(0.3)

    def tenant(name: str, auth: dict[str, Any]) -> bool:
        return name.startswith("/tenant-") and auth.get("key") == name.removeprefix("/tenant-")

    for nsp in (admin, slow, io.of("/plain"), io.of(re.compile(r"^/dynamic-\d+$")), io.of(tenant)):
        everything(io, nsp)
