"""What the writes of a broadcast cost by themselves: the floor that no server on this loop gets below.

`python -m bench.write_floor`: CPU microseconds for one small frame to each of 500 connections, written by uvloop's
transport, as the server does, and straight to the descriptor; then the milliseconds of one such round while another
thread of the process computes, which is why the server does not write straight to the descriptor.
"""

from __future__ import annotations

import asyncio
import os
import selectors
import socket
import sys
import threading
import time
from collections.abc import Callable
from typing import cast

from bench.process import LOAD_CORE, SERVER_CORE

CLIENTS = 500
FRAME = b"\x81\x3a" + b"x" * 58  # as large as the broadcasts' frames
ROUNDS = 300
RUNS = 5  # of which the cheapest is told: whatever else the machine does only adds
PAUSE = 0.004  # seconds until the clients have read a round


def read_all(port: int) -> None:
    """The clients: read whatever comes, until the other end goes."""
    os.sched_setaffinity(0, {LOAD_CORE})
    ready = selectors.DefaultSelector()
    for _ in range(CLIENTS):
        ready.register(socket.create_connection(("127.0.0.1", port)), selectors.EVENT_READ)
    while True:
        for key, _ in ready.select():
            assert isinstance(key.fileobj, socket.socket)
            if not key.fileobj.recv(65_536):
                return


async def measure() -> None:
    os.sched_setaffinity(0, {SERVER_CORE})
    transports: list[asyncio.Transport] = []

    class Connection(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            transports.append(cast(asyncio.Transport, transport))

    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    clients = await asyncio.create_subprocess_exec(sys.executable, "-m", "bench.write_floor", str(port))
    while len(transports) < CLIENTS:  # noqa: ASYNC110  # once, some milliseconds
        await asyncio.sleep(0.01)
    descriptors = [transport.get_extra_info("socket").fileno() for transport in transports]

    def by_transport() -> None:
        for transport in transports:
            transport.write(FRAME)

    def by_descriptor() -> None:
        for descriptor in descriptors:
            os.write(descriptor, FRAME)

    for name, write in (("uvloop's transport", by_transport), ("the descriptor", by_descriptor)):
        cost = min([await cost_of(write) for _ in range(RUNS)])
        print(f"{name:20} {cost:5.2f} us a write")
    os.sched_setaffinity(0, {SERVER_CORE, LOAD_CORE})  # both threads can run at once
    computing = True

    def compute() -> None:
        while computing:
            sum(range(1_000))

    thread = threading.Thread(target=compute)
    thread.start()
    for name, write in (("uvloop's transport", by_transport), ("the descriptor", by_descriptor)):
        await asyncio.sleep(0.1)
        begun = time.monotonic()
        write()
        print(f"{name:20} {(time.monotonic() - begun) * 1e3:5.0f} ms a round beside a thread that computes")
    computing = False
    thread.join()
    clients.terminate()
    await clients.wait()


async def cost_of(write: Callable[[], None]) -> float:
    used = 0.0
    for _ in range(ROUNDS):
        before = time.process_time()
        write()
        used += time.process_time() - before
        await asyncio.sleep(PAUSE)
    return used / ROUNDS / CLIENTS * 1e6


def main() -> None:
    import uvloop

    if len(sys.argv) > 1:
        read_all(int(sys.argv[1]))
    else:
        uvloop.run(measure())


if __name__ == "__main__":
    main()
