"""python-socketio on uvicorn and uvloop, as its documentation deploys it. Its argument is the port.

With REDIS_URL it is one of several nodes.
"""

import os
import sys
from typing import Any

import socketio
import uvicorn

PORT = int(sys.argv[1])
redis = os.environ.get("REDIS_URL")
manager = socketio.AsyncRedisManager(redis) if redis else None
sio = socketio.AsyncServer(async_mode="asgi", client_manager=manager)


async def echo(sid: str, x: Any) -> None:
    await sio.emit("echo", x, to=sid)


async def go(sid: str, x: Any) -> None:
    await sio.emit("news", x)


async def ack(sid: str, x: Any) -> Any:
    return x


async def big(sid: str, x: str) -> int:
    return len(x)


for handler in (echo, go, ack, big):
    sio.on(handler.__name__, handler)


class Server(uvicorn.Server):
    async def startup(self, *args: Any, **kwargs: Any) -> None:
        await super().startup(*args, **kwargs)
        print(f"listening on {PORT}", flush=True)


app = socketio.ASGIApp(sio)
Server(uvicorn.Config(app, "127.0.0.1", PORT, loop="uvloop", http="httptools", log_level="warning")).run()
