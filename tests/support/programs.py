"""Programs that a user would start: begins one as a process, waits until it listens, ends it by a signal."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tests.support.ports import free_port

__all__ = ["ROOT", "Program", "flocket", "free_port", "running"]

ROOT = Path(__file__).parent.parent.parent


@dataclass
class Program:
    port: int
    process: subprocess.Popen[bytes]
    output: IO[bytes]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def printed(self) -> str:
        self.output.seek(0)
        return self.output.read().decode(errors="replace")

    def end(self, number: signal.Signals = signal.SIGTERM, within: float = 10.0) -> tuple[int, float]:
        """Send the signal; the exit status, and how many seconds it took."""
        began = time.monotonic()
        self.process.send_signal(number)
        return self.process.wait(within), time.monotonic() - began


@contextlib.contextmanager
def running(
    command: Sequence[str], port: int, folder: Path = ROOT, **environment: str
) -> Iterator[Program]:
    """Start it; yields once it listens on `port`; kills it if it is still there at the end."""
    variables = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTHONUNBUFFERED": "1", **environment}
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, cwd=folder, env=variables, stdout=output, stderr=output)
        program = Program(port, process, output)
        try:
            _wait(program, 30.0)
            yield program
        finally:
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


def flocket(*arguments: str) -> list[str]:
    """The `flocket` command, of the interpreter that runs the tests."""
    return [sys.executable, "-m", "flocket.cli", *arguments]


def _wait(program: Program, within: float) -> None:
    deadline = time.monotonic() + within
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", program.port)) == 0:
                return
        ended = program.process.poll()
        if ended is not None or time.monotonic() > deadline:
            raise AssertionError(f"{program.process.args!r}: {ended}, not listening\n{program.printed()}")
        time.sleep(0.02)
