"""What uvicorn keeps of a connection: a set of objects that it tells to shut down when it stops.

Knows uvicorn's one rule (each has `shutdown`, and it waits until the set is empty); does not know uvicorn.
"""

from __future__ import annotations

from typing import Protocol

__all__ = ["Connection", "Connections"]


class Connection(Protocol):
    def shutdown(self) -> None:
        """End soon: the server stops once every connection has left the set."""


class Connections(Protocol):
    """`ServerState.connections`."""

    def add(self, connection: Connection, /) -> None: ...

    def discard(self, connection: Connection, /) -> None: ...
