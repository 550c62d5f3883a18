"""Runs the load generator on its own core, and reads the JSON line that it prints.

It does not know what a scenario makes of the figures.
"""

import json
import select
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bench import toolchain
from bench.process import LOAD_CORE, Failed, Running, pin_and_unbind

PATIENCE_SECONDS = 180.0  # five thousand large events take python-socketio half a minute


@contextmanager
def holding(mode: str, *servers: Running, **options: object) -> Iterator[dict[str, Any]]:
    """Gives what the generator printed; its clients stay connected until the block ends."""
    with subprocess.Popen(
        _command(mode, servers, options),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: pin_and_unbind(LOAD_CORE),
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            readable, _, _ = select.select([process.stdout], [], [], PATIENCE_SECONDS)
            line = process.stdout.readline() if readable else ""
            if not line:
                process.kill()
                raise Failed(f"{mode}: {process.stderr.read().strip() or 'the load did not come to an end'}")
            yield json.loads(line)
        finally:
            process.stdin.close()
            complaints = process.stderr.read().strip()
    if complaints:
        print(f"    {complaints}")


def measure(mode: str, *servers: Running, **options: object) -> dict[str, Any]:
    """What the generator printed, once it has ended."""
    with holding(mode, *servers, **options) as figures:
        return figures


def _command(mode: str, servers: tuple[Running, ...], options: dict[str, object]) -> list[str]:
    command = [str(toolchain.load_generator()), mode]
    for server in servers:
        command += ["--port", str(server.port), "--pid", str(server.pid)]
    for name, value in options.items():
        command += [f"--{name}"] if value is True else [f"--{name}", str(value)]
    return command
