"""One server process under measurement: started on its own core, asked for its memory, stopped.

The CPU that it uses is read by the load generator, so that the window is exactly that of the counted events.
"""

import os
import resource
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.contestants import Contestant

START_SECONDS = 15.0
STOP_SECONDS = 5.0

_cores = sorted(os.sched_getaffinity(0))
SERVER_CORE = _cores[0]
LOAD_CORE = _cores[-1]  # the same one where there is no other


class Failed(Exception):
    """A server or the load did not do its part; the message says what was seen."""


def pin_and_unbind(core: int) -> None:
    """Runs in a child before its program: one core, and as many descriptors as may be had."""
    os.sched_setaffinity(0, {core})
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@dataclass(frozen=True)
class Running:
    pid: int
    port: int

    def resident_kib(self) -> int:
        return self._field("smaps_rollup", "Rss:")

    def peak_kib(self) -> int:
        """The most that was resident since `forget_peak`."""
        return self._field("status", "VmHWM:")

    def forget_peak(self) -> None:
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")  # proc(5): resets VmHWM

    def _field(self, file: str, name: str) -> int:
        for line in Path(f"/proc/{self.pid}/{file}").read_text().splitlines():
            if line.startswith(name):
                return int(line.split()[1])
        raise Failed(f"/proc/{self.pid}/{file} has no {name}")


@contextmanager
def serve(contestant: Contestant, **env: str) -> Iterator[Running]:
    """A fresh server on a free port of 127.0.0.1, until the block ends. env is added to its environment."""
    port = free_port()
    with subprocess.Popen(
        [*contestant.command, str(port)],
        env={**os.environ, **contestant.env, **env},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        preexec_fn=lambda: pin_and_unbind(SERVER_CORE),
    ) as process:
        try:
            wait_until_it_accepts(process, port)
            yield Running(process.pid, port)
        finally:
            stop(process)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_it_accepts(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise Failed(f"the server ended with status {process.returncode} at its start")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.02)
    raise Failed(f"the server did not listen within {START_SECONDS:g} s")


def stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
