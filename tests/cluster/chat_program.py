"""A service of many workers with sessions. argv: port, workers, sticky; options as JSON in SERVER_OPTIONS, RUN_OPTIONS.

`io` is for other ASGI servers, `app` a FastAPI application in which it is mounted. Beside the three ways to stick there
is "passing": by address, as where the kernel cannot do it.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from fastapi import FastAPI

from flocket import Server, Socket
from flocket.serving import lifecycle

OPTIONS: dict[str, Any] = json.loads(os.environ.get("SERVER_OPTIONS", "{}"))
io: Server = Server(**OPTIONS)


@io.on("connection")
async def connection(socket: Socket) -> None:
    await socket.join("everyone")


@io.on("where")
async def where(socket: Socket) -> dict[str, Any]:
    return {"worker": io.worker, "pid": os.getpid(), "owner": socket.conn.id[:4]}


@io.on("echo")
async def echo(socket: Socket, value: Any) -> Any:
    return value


@io.on("shout")
def shout(socket: Socket, number: int) -> None:
    io.to("everyone").emit("heard", socket.id, number)


@io.on("count")
async def count(socket: Socket) -> list[int]:
    return [await io.to("everyone").count(), len(await io.fetch_sockets())]


@io.on("stats")
def stats(socket: Socket) -> dict[str, int]:
    return io.stats()


app = FastAPI()


@app.get("/pid")
def pid() -> int:
    return os.getpid()


app.mount("/realtime", io)

if __name__ == "__main__":
    sticky = sys.argv[3]
    if sticky == "passing":
        lifecycle.in_kernel = lambda: False  # type: ignore[attr-defined]  # not its own to offer, but its own to ask
        sticky = "address"
    more = {"drain": 3.0, **json.loads(os.environ.get("RUN_OPTIONS", "{}"))}
    io.run("127.0.0.1", int(sys.argv[1]), workers=int(sys.argv[2]), sticky=sticky, **more)  # type: ignore[arg-type]  # as the test says
