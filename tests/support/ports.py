"""Ports of this machine that a test may give away."""

from __future__ import annotations

import contextlib
import secrets
import socket

__all__ = ["free_port"]


def free_port(*beside: int) -> int:
    """One that nobody listens on, nor on those which are so far above it.

    Below those that connections draw for their own ends (32,768 and above): tests beside this one make many.
    """
    while True:
        port = 15_000 + secrets.randbelow(17_000 - max(beside, default=0))
        with contextlib.ExitStack() as held, contextlib.suppress(OSError):
            for distance in (0, *beside):
                held.enter_context(socket.socket()).bind(("", port + distance))
            return port
