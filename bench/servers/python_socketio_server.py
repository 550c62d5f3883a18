"""python-socketio on uvicorn and uvloop, as its documentation deploys it. `python python_socketio_server.py PORT`"""

import asyncio
import sys
from typing import Any

import socketio
import uvicorn

PORT = int(sys.argv[1])
sio = socketio.AsyncServer(async_mode="asgi")


@sio.event
async def echo(sid: str, x: Any) -> None:
    await sio.emit("echo", x, to=sid)


@sio.event
async def go(sid: str, x: Any) -> None:
    await sio.emit("news", x)


@sio.event
async def ack(sid: str, x: Any) -> Any:
    return x


@sio.event
async def big(sid: str, x: str) -> int:
    return len(x)


class Server(uvicorn.Server):
    async def startup(self, *args: Any, **kwargs: Any) -> None:
        await super().startup(*args, **kwargs)
        print(f"listening on {PORT}", flush=True)


config = uvicorn.Config(socketio.ASGIApp(sio), "127.0.0.1", PORT, loop="uvloop", http="httptools", log_level="warning")
Server(config).run()
