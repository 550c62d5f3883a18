"""Applications as users put them together: a server beside another application, around it, and within it.

Each prints when its parts begin and end, so that a test sees the order.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from flocket import Server, Socket

__all__ = ["beside", "mounted", "mounted_together", "within_starlette"]


def server(name: str) -> Server:
    @contextlib.asynccontextmanager
    async def lifespan(io: Server) -> AsyncIterator[None]:
        print(name, "begins", flush=True)
        yield
        print(name, "ends", flush=True)

    io: Server = Server(lifespan=lifespan)

    @io.on("where")
    def where(socket: Socket) -> list[str]:
        return [name, socket.handshake.url.partition("?")[0]]

    @io.on("disconnect")
    async def disconnect(socket: Socket, reason: str) -> None:
        print(name, "lost a client:", reason, flush=True)

    return io


def fastapi(io: Server | None = None) -> FastAPI:
    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        print("fastapi begins", flush=True)
        yield
        print("fastapi ends", flush=True)

    app = FastAPI(lifespan=lifespan)

    @app.get("/hello")
    def hello() -> dict[str, str]:
        return {"hello": "world"}

    @app.get("/{rest:path}")
    def rest(rest: str) -> dict[str, str]:
        return {"rest": rest}

    return app


async def root(request: Request) -> PlainTextResponse:
    return PlainTextResponse("starlette")


beside = server("beside").asgi(fastapi())

mounted_io = server("mounted")
mounted = FastAPI()
mounted.mount("/realtime", mounted_io)


@mounted.get("/hello")
def hello() -> dict[str, Any]:
    mounted_io.emit("news")
    return {"clients": mounted_io.engine.clients_count}


started_io = server("started")


@contextlib.asynccontextmanager
async def start_too(app: FastAPI) -> AsyncIterator[None]:
    async with started_io:
        print("fastapi begins", flush=True)
        yield
        print("fastapi ends", flush=True)


started = FastAPI(lifespan=start_too)
started.mount("/realtime", started_io)

within_starlette = Starlette(routes=[Route("/", root), Mount("/api/realtime", server("starlette"))])
mounted_together = Starlette(routes=[Mount("/both", server("together").asgi(fastapi()))])
