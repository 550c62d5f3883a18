"""Workers that each emit numbered news to a room without pause. argv: port, workers, sticky."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from flocket import Recovery, Server, Socket


@asynccontextmanager
async def lifespan(io: Server[Any]) -> AsyncIterator[None]:
    async def emit() -> None:
        count = 0
        while True:
            await asyncio.sleep(0.02)
            count += 1
            io.to("readers").emit("news", io.worker, count)

    io.create_task(emit())
    yield


io: Server = Server(recovery=Recovery(window=20.0), lifespan=lifespan)


@io.on("join")
async def join(socket: Socket, room: str) -> None:
    await socket.join(room)


@io.on("where")
def where(socket: Socket) -> int:
    return io.worker


if __name__ == "__main__":
    io.run("127.0.0.1", int(sys.argv[1]), workers=int(sys.argv[2]), sticky=sys.argv[3])  # type: ignore[arg-type]  # as the test says
