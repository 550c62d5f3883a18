"""A tiny engine that sends everything back: what the fast face's own tests put behind it.

Run as a program it serves until it is told to stop: `python -m tests.serving.echo [--deflate] [--max-payload N]`,
and prints its port.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import uvicorn
import uvloop
from tests.serving.peer import until

from flocket.codec.frames import Frame
from flocket.engine.contracts import Exchange, Transport, Upgrade
from flocket.observe import Counters
from flocket.options import EngineOptions, Limits
from flocket.serving import deflate
from flocket.serving.fast import HttpProtocol


class Echo:
    """The receiver of one WebSocket."""

    def __init__(self, engine: EchoEngine) -> None:
        self.engine = engine
        self.transport: Transport | None = None

    def receive(self, frame: str | bytes) -> None:
        assert self.transport is not None
        if self.engine.received is not None:
            self.engine.received.append(frame)
        binary = isinstance(frame, bytes)
        self.transport.send([Frame.of(frame if isinstance(frame, bytes) else frame.encode(), binary)])

    def on_writable(self) -> None:
        self.engine.events.append("writable")

    def on_lost(self, reason: str) -> None:
        self.engine.events.append(reason)


class EchoEngine:
    """Serves everything under its path: POST is answered with its body, GET by its path, `/late` when told to."""

    def __init__(self, options: EngineOptions) -> None:
        self.options = options
        self.counters = Counters()
        self.draining = False
        self.received: list[object] | None = []
        self.events: list[str] = []
        self.exchanges: list[Exchange] = []
        self.upgrades: list[Upgrade] = []
        self.transports: list[Transport] = []

    def handle(self, exchange: Exchange) -> None:
        request = exchange.request
        if request.path.endswith("/late"):
            exchange.on_gone = self._told("gone")
            self.exchanges.append(exchange)
        elif request.path.endswith("/broken"):
            raise RuntimeError("the engine's own mistake")
        elif request.method == "POST":
            exchange.on_gone = self._told("gone")
            exchange.read(self.options.max_payload, lambda body: self._answer(exchange, body))
        else:
            exchange.respond(200, [("X-Method", request.method)], request.url.encode())

    def upgrade(self, upgrade: Upgrade) -> None:
        path = upgrade.request.path
        if path.endswith("/late"):
            upgrade.on_gone = self._told("gone")
            self.upgrades.append(upgrade)
        elif path.endswith("/refused"):
            upgrade.refuse(403, [], b"no")
        else:
            self.accept(upgrade)

    def accept(self, upgrade: Upgrade) -> Transport:
        echo = Echo(self)
        echo.transport = upgrade.accept(echo, [("X-Echo", "yes")])
        self.transports.append(echo.transport)
        return echo.transport

    def _told(self, event: str) -> Callable[[], None]:
        return lambda: self.events.append(event)

    def _answer(self, exchange: Exchange, body: bytes | None) -> None:
        if body is None:
            exchange.respond(413, [], b"too large", close=True)
        else:
            exchange.respond(200, [], body)


class EchoApp:
    """An ASGI application with an EchoEngine at /echo; every other path says "asgi"."""

    def __init__(self, options: EngineOptions | None = None) -> None:
        self.flocket_engine = EchoEngine(options or EngineOptions())

    def flocket_route(self, path: str, mounted: bool = False) -> EchoEngine | None:
        return self.flocket_engine if mounted or path.startswith("/echo") else None

    async def __call__(self, scope, receive, send) -> None:  # type: ignore[no-untyped-def]  # ASGI's own shapes
        if scope["type"] == "http":
            body = b""
            while (message := await receive())["type"] == "http.request":
                body += message["body"]
                if not message["more_body"]:
                    break
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
            await send({"type": "http.response.body", "body": b"asgi"})
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.send", "text": "asgi"})
            await send({"type": "websocket.close"})


class EchoServer:
    """uvicorn with the fast face and an EchoApp, in this loop, on a free port: an async context manager."""

    def __init__(self, options: EngineOptions | None = None, **config: object) -> None:
        self.app = EchoApp(options)
        self.engine = self.app.flocket_engine
        settings = {"log_config": None, "lifespan": "off", **config}
        self.server = uvicorn.Server(uvicorn.Config(self.app, http=HttpProtocol, **settings))  # type: ignore[arg-type]
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.port: int = self.socket.getsockname()[1]

    async def __aenter__(self) -> EchoServer:
        self.socket.listen(1024)
        self._task = asyncio.create_task(self.server._serve([self.socket]))
        await until(lambda: self.server.started)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.server.should_exit = True
        await self._task


def run(main: Coroutine[Any, Any, None], uvloops: bool) -> None:
    """Run a test on asyncio's own loop, or on uvloop's: their transports differ."""
    factory = uvloop.new_event_loop if uvloops else asyncio.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main)


@contextlib.contextmanager
def echo_process(*options: str) -> Iterator[tuple[int, int]]:
    """The program below in a process of its own: its port and process id."""
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(root / "src"), str(root)))}
    command = [sys.executable, "-m", "tests.serving.echo", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline()), process.pid
        finally:
            process.terminate()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--deflate", action="store_true")
    parser.add_argument("--max-payload", type=int, default=1_000_000)
    parser.add_argument("--fragments", type=int, default=1_024)
    given = parser.parse_args()
    if given.deflate:
        deflate.THRESHOLD = 0  # compress every message: what small ones cost is not what this is for
    options = EngineOptions(
        max_payload=given.max_payload, per_message_deflate=given.deflate, limits=Limits(fragments=given.fragments)
    )
    app = EchoApp(options)
    app.flocket_engine.received = None  # who measures memory does not want to measure this list
    config = uvicorn.Config(app, http=HttpProtocol, lifespan="off", log_level="warning")
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen(1024)
    print(listening.getsockname()[1], flush=True)
    uvicorn.Server(config).run([listening])


if __name__ == "__main__":
    main()
