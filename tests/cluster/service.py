"""Run echo_service.py in processes of its own, talk to it, and leave nothing behind."""

from __future__ import annotations

import contextlib
import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from tests.cluster.tools import runtime_folder, wait_until

ROOT = Path(__file__).parent.parent.parent
READY = re.compile(r"worker (\d+) \(pid (\d+)\) is ready")


class Reply(NamedTuple):
    status: int
    head: str
    worker: int
    pid: int
    sid: str
    peers: list[int]


class Service:
    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        assert process.stdout is not None
        self.port = int(process.stdout.readline() or 0)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line.rstrip("\n"))

    def ready(self) -> list[tuple[int, int]]:
        """(worker, pid) of each that said it was ready, in that order."""
        return [(int(m[1]), int(m[2])) for line in self.lines if (m := READY.fullmatch(line))]

    def pid(self, worker: int) -> int:
        return [pid for number, pid in self.ready() if number == worker][-1]

    def connect(self, source: str = "") -> socket.socket:
        return socket.create_connection(
            ("127.0.0.1", self.port), timeout=10, source_address=(source, 0) if source else None
        )

    def ask(self, path: str = "/", source: str = "") -> Reply:
        with self.connect(source) as sock:
            send(sock, path)
            return reply(sock)

    def ask_worker(self, worker: int, path: str = "/") -> Reply:
        """Ask on new connections until this worker answers."""
        found: list[Reply] = []

        def there() -> bool:
            found[:] = [self.ask(path)]
            return found[0].worker == worker

        wait_until(there)
        return found[0]

    def meet(self) -> None:
        """Wait until every worker knows every other."""
        pids = {pid for _, pid in self.ready()}
        met: dict[int, set[int]] = {}
        numbers = count()

        def all_met() -> bool:
            answer = self.ask(source=f"127.0.{next(numbers) % 100}.1")  # addresses may choose the worker
            met[answer.pid] = set(answer.peers)
            return set(met) == pids and all(met[pid] == pids - {pid} for pid in pids)

        wait_until(all_met, 10)

    def alive(self) -> list[int]:
        return [pid for _, pid in self.ready() if is_alive(pid)]


def send(sock: socket.socket, path: str = "/") -> None:
    sock.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())


def reply(sock: socket.socket) -> Reply:
    data = b""
    while b"\r\n\r\n" not in data:
        part = sock.recv(65_536)
        if not part:
            raise ConnectionResetError(f"closed after {data!r}")
        data += part
    head, _, body = data.decode().partition("\r\n\r\n")
    status = int(head.split(" ")[1])
    length = int(head.lower().partition("content-length: ")[2].partition("\r")[0])
    while len(body) < length:
        body += sock.recv(65_536).decode()
    words: dict[str, Any] = json.loads(body) if body else {}
    worker, pid, sid, peers = (words.get(name) for name in ("worker", "pid", "sid", "peers"))
    return Reply(status, head, worker, pid, sid, peers)  # type: ignore[arg-type]  # None where the status is not 200


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def environment(folder: Path, **more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", "FLOCKET_RUNTIME": str(folder), **more}


def command(port: int, workers: int, sticky: str) -> list[str]:
    program = str(ROOT / "tests/cluster/echo_service.py")
    return [sys.executable, program, "127.0.0.1", str(port), str(workers), sticky]


def limit_descriptors(number: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (number, number))


@contextmanager
def service(
    workers: int = 3, sticky: str = "session", *, descriptors: int = 0, **more: str
) -> Iterator[Service]:
    with runtime_folder() as folder:
        process = subprocess.Popen(
            command(0, workers, sticky),
            env=environment(folder, **more),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=limit_descriptors(descriptors) if descriptors else None,
        )
        made = Service(process)
        try:
            wait_until(lambda: len(made.ready()) >= workers or process.poll() is not None, 20)
            yield made
        finally:
            process.terminate()
            for _, pid in made.ready():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
            try:
                process.wait(15)
            finally:
                process.kill()
                deadline = time.monotonic() + 5
                while made.alive() and time.monotonic() < deadline:
                    time.sleep(0.02)
                for pid in made.alive():
                    os.kill(pid, signal.SIGKILL)
                made._reader.join(5)
                for pipe in (process.stdout, process.stderr):
                    if pipe is not None:
                        pipe.close()
