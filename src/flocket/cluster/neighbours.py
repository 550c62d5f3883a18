"""What relaying asks of the other nodes, near (adapters/buses/mesh.py) or far (far.py): who is there, and frames.

A contract only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

__all__ = ["Neighbour", "Neighbours", "Receive"]


class Neighbour(Protocol):
    """Another node, by the tag that its session ids begin with."""

    tag: str
    up: bool  # whether it has been heard of lately
    heard: float  # when, in monotonic seconds
    load: int  # how much it carries; NO_MORE if it takes no new sessions, or none from here


Receive = Callable[["Neighbour", bytes, "int | None"], None]


class Neighbours(Protocol):
    """Frames of a kind to one node arrive there in the order of sending, or not at all and it is told "gone"."""

    garbage: int

    @property
    def peers(self) -> Mapping[str, Neighbour]:
        """By tag."""

    @property
    def on_down(self) -> list[Callable[..., None]]:
        """Whom to tell when a node is "gone" or "hung": (node, why)."""

    def receive(self, kind: int, receiver: Callable[..., None]) -> None:
        """Hear frames of this kind: (node, payload, descriptor or None)."""

    def send(self, peer: Any, kind: int, *parts: bytes) -> bool:
        """Send one frame to one of `peers`; False if it is lost."""
