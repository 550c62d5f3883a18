"""Starts the server programs of the tests as processes, one for each face and set of options, and ends them.

Knows how to wait for a port and what a server's log must not show; does not know what a server answers.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import IO, Any, TypeVar

from tests.support.node import NODE, ROOT, node_environment
from tests.support.ports import free_port

__all__ = ["Pool", "Running", "free_port", "launch", "until"]

T = TypeVar("T")
HOST = "127.0.0.1"


def until(what: str, condition: Callable[[], T | None], seconds: float = 5.0) -> T:
    """Ask until the answer is true; the answer."""
    deadline = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.01)


@dataclass
class Running:
    """One server process."""

    face: str
    port: int
    process: subprocess.Popen[bytes]
    output: IO[bytes]
    seen: int = field(default=0)  # how much of the log has been looked at

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def log(self) -> str:
        """What the server has printed since this was asked last."""
        self.output.seek(self.seen)
        text = self.output.read()
        self.seen += len(text)
        return text.decode(errors="replace")

    def resident(self) -> int:
        """Bytes of memory that the process has resident."""
        with open(f"/proc/{self.process.pid}/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def listening(self) -> bool:
        if self.process.poll() is not None:
            raise AssertionError(f"the {self.face} server ended with {self.process.returncode}:\n{self.log()}")
        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex((HOST, self.port)) == 0

    def stop(self) -> int:
        self.process.terminate()
        try:
            return self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        finally:
            self.output.close()


def launch(face: str, command: list[str], port: int) -> Running:
    """Start a program that serves `port`, and wait until it does."""
    environment = node_environment() if face == "node" else dict(os.environ)
    environment["PYTHONPATH"] = os.pathsep.join((str(ROOT / "src"), str(ROOT)))
    output = tempfile.TemporaryFile()  # noqa: SIM115 (closed by `stop`)
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT)
    running = Running(face, port, process, output)
    try:
        until(f"the {face} server listens", running.listening, 15)
    except AssertionError:
        running.stop()
        raise
    return running


class Pool:
    """The servers of one face. A server is started when a test first asks for its options, and is shared."""

    def __init__(self, face: str) -> None:
        self.face = face
        self.running: dict[tuple[str, str], Running] = {}

    def start(self, program: str = "server", **options: Any) -> Running:
        """The server of tests/interop/`program`.py (or its counterpart in JavaScript) with these options."""
        key = program, json.dumps(options, sort_keys=True)
        if key not in self.running:
            self.running[key] = self._launch(*key)
        return self.running[key]

    def _launch(self, program: str, options: str) -> Running:
        port = free_port()
        if self.face == "node":
            command = ["node", str(NODE / f"reference_{program}.js"), str(port), options]
        else:
            command = [sys.executable, "-m", f"tests.interop.{program}", self.face, str(port), options]
        return launch(self.face, command, port)

    def examine(self) -> None:
        """A peer's mistake never ends a server and never shows as a traceback."""
        for running in self.running.values():
            log = running.log()
            code = running.process.poll()
            assert code is None, f"the {self.face} server ended with {code}:\n{log}"
            assert "Traceback" not in log, log

    def stop(self) -> None:
        for running in self.running.values():
            running.process.terminate()  # all at once; then each is waited for
        for running in self.running.values():
            running.stop()
