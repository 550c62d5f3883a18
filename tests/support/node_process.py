"""Runs Node scripts for the tests: finds `node`, gives it the npm packages, reads what it prints.

`FLOCKET_NODE_MODULES` names the packages' folder; without it, tests/node/node_modules.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Self

__all__ = ["NODE_FOLDER", "NodeProcess", "node_environment", "run_node"]

NODE_FOLDER = Path(__file__).parent.parent / "node"


def node_environment() -> dict[str, str]:
    """The environment in which a script finds its packages."""
    modules = os.environ.get("FLOCKET_NODE_MODULES", str(NODE_FOLDER / "node_modules"))
    return {**os.environ, "NODE_PATH": modules}


def run_node(script: str, value: Any = None, timeout: float = 30.0, *arguments: str) -> Any:
    """Run tests/node/<script> with `value` as JSON on its input; what it prints is JSON too."""
    done = subprocess.run(
        ["node", str(NODE_FOLDER / script), *arguments],
        input=json.dumps(value),
        capture_output=True,
        text=True,
        timeout=timeout,
        env=node_environment(),
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


class NodeProcess:
    """A Node script that prints JSON lines: `with NodeProcess("listener.js", ...) as node: node.line()`."""

    def __init__(self, script: str, *arguments: str, **environment: str) -> None:
        self._command = ["node", str(NODE_FOLDER / script), *arguments]
        self._environment = {**node_environment(), **environment}
        self._lines: queue.Queue[str | None] = queue.Queue()

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=self._environment,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def line(self, timeout: float = 10.0) -> Any:
        """The next line; it fails if none comes in time."""
        try:
            line = self._lines.get(timeout=timeout)
        except queue.Empty:
            raise AssertionError(f"{self._command[1]} is silent for {timeout} s") from None
        assert line is not None, f"{self._command[1]} has ended"
        return json.loads(line)

    def quiet(self, seconds: float) -> None:
        """Fails if a line comes within this time."""
        try:
            line = self._lines.get(timeout=seconds)
        except queue.Empty:
            return
        raise AssertionError(f"unexpected: {line}")

    def say(self, value: Any) -> None:
        """Write one JSON line to the script."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(value) + "\n")
        self._process.stdin.flush()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait(10)
        self._reader.join(10)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
