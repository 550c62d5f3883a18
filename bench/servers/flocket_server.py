"""This server, as `io.run` starts it. Its argument is the port.

With REDIS_URL it is one of several nodes; with CLUSTER, one of several on this machine, and STICKY says how a
request gets to the node that has its session.
"""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from flocket import Server, Socket

PORT = int(sys.argv[1])


@asynccontextmanager
async def lifespan(io: Any) -> AsyncIterator[None]:
    print(f"starting on {PORT}", flush=True)
    yield


cluster: Any = {"cluster": os.environ["CLUSTER"]} if "CLUSTER" in os.environ else {}
io = Server(lifespan=lifespan, serve_client=False, **cluster)
if "REDIS_URL" in os.environ:
    io.adapter(os.environ["REDIS_URL"])


@io.on("echo")
def echo(socket: Socket, x: Any) -> None:
    socket.emit("echo", x)


@io.on("go")
def go(socket: Socket, x: Any) -> None:
    io.emit("news", x)


@io.on("ack")
def ack(socket: Socket, x: Any) -> Any:
    return x


@io.on("big")
def big(socket: Socket, x: str) -> int:
    return len(x)


if __name__ == "__main__":
    sticky: Any = os.environ.get("STICKY", "session")
    io.run("127.0.0.1", PORT, sticky=sticky)
