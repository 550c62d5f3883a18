"""Waiting for a condition, with a deadline, instead of sleeping for a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

__all__ = ["until", "wait_for"]


def wait_for(condition: Callable[[], object], timeout: float = 10.0) -> None:
    """Return once the condition holds; fails after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.01)


async def until(condition: Callable[[], object], timeout: float = 10.0) -> None:
    """As `wait_for`, within a running loop."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        await asyncio.sleep(0.005)
