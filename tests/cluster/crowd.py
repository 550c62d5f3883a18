"""A crowd of official clients (tests/node/crowd.js), and the services that they are sent to."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.cluster.tools import runtime_folder, wait_until
from tests.support.node_process import NodeProcess
from tests.support.programs import ROOT, Program, free_port, running

__all__ = ["Crowd", "pids", "serving"]

READY = re.compile(r"worker (\d+) \(pid (\d+)\) is ready")
PYTHONPATH = f"{ROOT / 'src'}:{ROOT}"


class Crowd(NodeProcess):
    """`Crowd(url)` as a context; each method does one thing with all clients. `how`: "jsonp", for clients of 2.5."""

    def __init__(self, url: str, *how: str) -> None:
        super().__init__("crowd.js", url, *how)

    def do(self, name: str, timeout: float = 60.0, **options: Any) -> Any:
        self.say({"do": name, **options})
        return self.line(timeout)

    def connect(self, count: int, *transports: str, **options: Any) -> None:
        """`count` more clients; no transports: polling, then an upgrade."""
        if transports:
            options["transports"] = transports
        assert self.do("connect", count=count, **options), self.state()["errors"][:2]

    def where(self) -> list[int]:
        """The worker of each client."""
        answers = self.do("where")
        assert all(isinstance(answer, dict) for answer in answers), answers
        return [answer["worker"] for answer in answers]

    def check(self, size: int, shouts: int = 5) -> None:
        """Each client hears each other's events once and in order, and the server counts them all."""
        assert self.do("echo", times=2) == 0, self.state()
        assert self.do("shout", times=shouts) == 0, self.state()
        assert self.do("count") == [size, size]

    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = self.do("state")
        return found

    def settles_on(self, transports: list[str]) -> None:
        """Every client's upgrade is over."""
        wait_until(lambda: self.do("transports") == transports)

    def hears_of_the_end(self, clients: int) -> None:
        """So many lost their connection: a moment after the server's processes ended."""
        wait_until(lambda: len(self.state()["disconnects"]) == clients)

    def undisturbed(self) -> None:
        state = self.state()
        assert state["errors"] == []
        assert state["disconnects"] == []


    def undisturbed_but_for_leaving(self) -> None:
        state = self.state()
        assert state["errors"] == []
        assert set(state["disconnects"]) <= {"io client disconnect"}


def pids(program: Program) -> dict[int, int]:
    """Worker to pid, of those that were ready last."""
    return {int(number): int(pid) for number, pid in READY.findall(program.printed())}


@contextmanager
def serving(workers: int, sticky: str = "session", *, descriptors: int = 0, **options: Any) -> Iterator[Program]:
    """chat_program.py, once all its workers are ready."""
    port = free_port()
    command = [sys.executable, str(ROOT / "tests/cluster/chat_program.py"), str(port), str(workers), sticky]
    if descriptors:
        command = ["sh", "-c", f'ulimit -n {descriptors}; exec "$@"', "sh", *command]
    with (
        runtime_folder() as folder,
        running(
            command, port, PYTHONPATH=PYTHONPATH, FLOCKET_RUNTIME=str(folder), SERVER_OPTIONS=json.dumps(options)
        ) as program,
    ):
        wait_until(lambda: program.printed().count("is ready") == workers, 20)
        yield program
