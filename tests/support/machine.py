"""A machine whose workers have one subscription to Redis (shared_program.py), clients on each, and an emitter."""

from __future__ import annotations

import itertools
import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.cluster.crowd import PYTHONPATH
from tests.cluster.tools import runtime_folder, wait_until
from tests.support.peer import Peer
from tests.support.programs import ROOT, Program, free_port, running
from tests.support.redis import RedisServer

from flocket import Emitter

__all__ = ["EVERY", "Machine", "Publisher", "longest", "machine", "numbers"]

EVERY = 0.004  # seconds between two events from outside


class Machine:
    """A program with its workers, and clients on each of them."""

    def __init__(self, program: Program, redis: RedisServer, workers: int) -> None:
        self.program = program
        self.redis = redis
        self.clients: dict[int, list[Peer]] = {}  # by worker
        found = 0
        while len(self.clients) < workers or found < 2 * workers:
            assert found < 100
            self.client()
            found += 1

    def client(self) -> Peer:
        peer = Peer(self.program.port)
        self.clients.setdefault(peer.ask("who")["worker"], []).append(peer)
        return peer

    def all(self) -> list[Peer]:
        return [peer for peers in self.clients.values() for peer in peers]

    def holders(self) -> list[tuple[int, int]]:
        """(worker, pid) of each that hears Redis for all."""
        told = [peers[0].ask("who") for peers in self.clients.values()]
        return [(who["worker"], who["pid"]) for who in told if who["holds"]]

    def holder(self) -> tuple[int, int]:
        """The one that does; there is one, sooner or later."""
        wait_until(lambda: len(self.holders()) == 1)
        return self.holders()[0]

    def pid(self, worker: int) -> int:
        return int(self.clients[worker][0].ask("who")["pid"])

    def ready(self) -> int:
        """How many workers have said so, ever."""
        return self.program.printed().count("is ready")

    def lose(self, worker: int) -> None:
        """Forget the clients of a worker that has ended."""
        for peer in self.clients.pop(worker):
            peer.websocket.socket.close()

    def patterns(self) -> list[int]:
        """How many patterns each subscriber has."""
        lines = self.redis.command("CLIENT", "LIST", "TYPE", "pubsub").splitlines()
        return sorted(int(line.partition(" psub=")[2].split()[0]) for line in lines)


@contextmanager
def machine(redis: RedisServer, workers: int = 4, **environment: str) -> Iterator[Machine]:
    port = free_port()
    command = [sys.executable, str(ROOT / "tests/cluster/shared_program.py"), str(port), redis.url, str(workers)]
    with (
        runtime_folder() as folder,
        running(command, port, ROOT, PYTHONPATH=PYTHONPATH, FLOCKET_RUNTIME=str(folder), **environment) as program,
    ):
        wait_until(lambda: program.printed().count("is ready") == workers)
        made = Machine(program, redis, workers)
        try:
            yield made
        finally:
            for peer in made.all():
                peer.websocket.socket.close()
        assert "Traceback" not in program.printed(), program.printed()


class Publisher:
    """An emitter somewhere else, which says "n" and a number without pause."""

    def __init__(self, redis: RedisServer) -> None:
        self.said = 0
        self._emitter = Emitter(redis.url)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        begun = time.monotonic()
        for number in itertools.count():
            if self._over.is_set():
                return
            self._emitter.emit("n", number)
            self.said = number + 1
            time.sleep(max(0.0, begun + number * EVERY - time.monotonic()))

    def __enter__(self) -> Publisher:
        self._thread.start()
        wait_until(lambda: self.said > 20)
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join(10)
        self._emitter.close()

    def more(self, seconds: float) -> None:
        """Let it say what it says in that time."""
        said = self.said + seconds / EVERY
        wait_until(lambda: self.said >= said)


def numbers(redis: RedisServer, peer: Peer, mark: str) -> list[int]:
    """The numbers that a client has got until now."""
    Emitter(redis.url).to(peer.sid).emit(mark)
    peer.wait_for(f'42["{mark}"')
    packets = [packet for packet in peer.unread if isinstance(packet, str)]
    return [json.loads(packet[2:])[1] for packet in packets if packet.startswith('42["n"')]


def longest(got: list[int]) -> float:
    """Seconds of the longest time from which nothing came."""
    return max((late - soon - 1) * EVERY for soon, late in itertools.pairwise(sorted(got)))
