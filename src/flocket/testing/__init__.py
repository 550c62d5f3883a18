"""For tests of programs that use flocket: a client in memory, and the suite for the author of an adapter."""

from __future__ import annotations

from flocket.testing.client import Client, connect
from flocket.testing.conformance import AdapterConformance

__all__ = ["AdapterConformance", "Client", "connect"]
