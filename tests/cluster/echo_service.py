"""A service without sessions for the torture: each worker answers with its number, pid and tag.

argv: host, port, workers, sticky. Any request is answered; `/wait` when the worker ends; `/load/N` makes the
worker carry N more.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
from typing import cast

import uvloop
from tests.cluster.tools import until

from flocket.cluster.adopt import Adopter
from flocket.cluster.ports import AddressPorts, Ports
from flocket.cluster.runtime import inherited, is_worker, meeting_key
from flocket.cluster.supervisor import Supervisor, own_command
from flocket.cluster.worker import Worker
from flocket.engine.sid import make_sid
from flocket.errors import ConfigError


class Echo(asyncio.Protocol):
    connections: set[Echo] = set()
    extra = 0

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.waiting = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.connections.discard(self)

    def data_received(self, data: bytes) -> None:
        path = data.split(b" ", 2)[1].decode()
        if path.startswith("/wait"):
            self.waiting = True
            return
        if path.startswith("/load/"):
            Echo.extra = int(path.removeprefix("/load/"))
            self.worker.mesh.tell_load(Echo.load())
        self.answer()

    def answer(self, close: bool = False) -> None:
        mesh = self.worker.mesh
        body = json.dumps(
            {
                "worker": self.worker.number,
                "pid": os.getpid(),
                "sid": make_sid(mesh.node.tag, os.urandom),
                "peers": sorted(peer.pid for peer in mesh.peers.values() if peer.up),
            }
        ).encode()
        self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        if close:
            self.transport.close()

    @classmethod
    def load(cls) -> int:
        return len(cls.connections) + cls.extra


async def serve() -> None:
    given = inherited()
    assert given is not None
    key = meeting_key(None, given.token)
    assert key is not None
    worker = Worker(key, given)
    await worker.join()
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    sticky = sys.argv[4]
    adopter = Adopter(lambda: Echo(worker))
    worker.accept(given.listening, adopter, Echo.load, sticky=sticky)  # type: ignore[arg-type]  # one of the three
    await ended.wait()
    worker.leave()
    await until(lambda: not worker.pending)
    for echo in list(Echo.connections):
        if echo.waiting:
            echo.answer(close=True)
        else:
            echo.transport.close()
    await until(lambda: not Echo.connections)
    await worker.aclose()


def main() -> int:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    in_worker = is_worker()
    if in_worker and (os.environ.get("FAIL_AT_START") or os.path.exists(os.environ.get("FAIL_IF", ""))):
        raise RuntimeError("a mistake in the program")
    if in_worker:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve())
        return 0
    host, port, workers, sticky = sys.argv[1:5]
    try:
        if sticky == "address" and not os.environ.get("BY_PASSING"):
            ports: Ports = AddressPorts(host, int(port))
        else:
            ports = Ports(host, int(port), by_passing=sticky == "address")
    except ConfigError as error:
        print(f"flocket: {error}", file=sys.stderr)
        return 1
    print(ports.listening[0].getsockname()[1], flush=True)
    return Supervisor(own_command(), int(workers), ports, drain=2.0).run()


if __name__ == "__main__":
    sys.exit(main())
