"""For tests of programs that use flocket: a client in memory."""

from __future__ import annotations

from flocket.testing.client import Client, connect

__all__ = ["Client", "connect"]
