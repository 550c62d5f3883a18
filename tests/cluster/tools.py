"""What the tests of many processes share: waiting for a condition, short folders, identities."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from flocket.adapters.bus import NodeIdentity
from flocket.engine.sid import make_tag

PATIENCE = 20.0  # seconds: on a busy machine a process takes some to start; what must be quick is measured by itself


async def until(condition: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Let the loop turn until `condition` holds; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        await asyncio.sleep(0.002)


def wait_until(condition: Callable[[], object], seconds: float = PATIENCE) -> None:
    """The same without a loop."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.005)


@contextmanager
def runtime_folder() -> Iterator[Path]:
    """A folder with a short name: the path of a unix socket has 104 characters at most on macOS."""
    folder = Path(tempfile.mkdtemp(prefix="fl-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def identity() -> NodeIdentity:
    return NodeIdentity(os.urandom(8).hex(), make_tag(os.urandom), time.time_ns() // 1_000_000)
