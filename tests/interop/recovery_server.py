"""A server whose clients can come back: `python -m tests.interop.recovery_server FACE PORT OPTIONS`.

A witness tells it what to emit to whom; the clients that come and go say nothing.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import uvicorn

from flocket import Recovery, Server, Socket

HOST = "127.0.0.1"


def make(options: dict[str, Any]) -> Server:
    io: Server = Server(recovery=Recovery(**options.pop("recovery", {})), **options)

    async def authenticate(socket: Socket) -> None:
        await asyncio.sleep(0)
        socket.data["user"] = socket.handshake.auth.get("user", "ada")

    for nsp in (io.of("/"), io.of("/other")):
        nsp.use(authenticate)

        @nsp.on("say")
        def say(socket: Socket, room: str | None, kind: str, *args: Any) -> None:
            target = socket.nsp.to(room) if room else socket.nsp
            (target.volatile if kind == "volatile" else target).emit("news", *args)

        @nsp.on("traffic")
        async def traffic(socket: Socket, room: str, count: int, rate: int) -> None:
            for number in range(count):
                socket.nsp.to(room).emit("news", number)
                if number % 10 == 9:
                    await asyncio.sleep(10 / rate)

        @nsp.on("join")
        async def join(socket: Socket, room: str) -> None:
            socket.data["joined"] = room
            await socket.join(room)

        @nsp.on("state")
        def state(socket: Socket) -> dict[str, Any]:
            rooms = sorted(room for room in socket.rooms if room != socket.id)
            return {"rooms": rooms, "data": socket.data, "recovered": socket.recovered}

        @nsp.on("kick")
        def kick(socket: Socket, sid: str, close: bool) -> None:
            socket.nsp.to(sid).disconnect_sockets(close)

        @nsp.on("count")
        async def count(socket: Socket, room: str) -> int:
            return await socket.nsp.to(room).count()

    return io


def main(face: str, port: int, options: dict[str, Any]) -> None:
    io = make(options)
    if face == "fast":
        io.run(HOST, port)
    else:
        uvicorn.run(io, host=HOST, port=port, log_level="warning")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3]))
