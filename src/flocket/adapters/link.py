"""What the brain asks of its way to the other nodes: one namespace's link, whatever bus and wire are behind
it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from flocket.adapters.counters import AdapterCounters
from flocket.adapters.messages import Message
from flocket.adapters.questions import Question
from flocket.codec.socketio import Packet
from flocket.sockets.parsers import Encoded
from flocket.sockets.target import Target

__all__ = ["Link", "Receive"]

Receive = Callable[[Message, str], None]  # a message of another node; its place in the log, or ""


class Link(ABC):
    """One namespace's way to the other nodes, for the life of its adapter. `uid` is this node's on its wire.
    """

    uid: str
    counters: AdapterCounters

    @abstractmethod
    async def open(self, receive: Receive) -> None:
        """Begin to receive. Raises AdapterError if the others cannot be reached."""

    @abstractmethod
    async def close(self) -> None:
        """Receive no more."""

    @abstractmethod
    def say(self, message: Message, to: str = "") -> bool:
        """Send to all others, or the answer to the node `to`; False if it is lost. Raises EncodeError."""

    @abstractmethod
    def broadcast(self, packet: Packet, target: Target) -> Encoded | None:
        """Send an event to the others; its frames, if they were made. Raises EncodeError."""

    @abstractmethod
    def ask(self, question: Question, message: Message) -> None:
        """Send, and tell the question whose answers to expect, now or as soon as it is known."""

    async def recount(self, question: Question) -> None:  # noqa: B027  # a default
        """Called now and then while a question waits: tell it which nodes are known to be gone."""

    @abstractmethod
    async def server_count(self) -> int:
        """How many nodes there are, this one included."""

    async def drained(self) -> None:  # noqa: B027  # a default, for links whose queue needs no waiting
        """Return once what waits to be sent is below its mark."""

    async def settled(self) -> None:  # noqa: B027  # a default, for links that need not be told of rooms
        """Return once the other nodes know which rooms this one has members in."""

    def room_created(self, room: str) -> None:  # noqa: B027  # a default, as above
        """This node has the first member in a room."""

    def room_deleted(self, room: str) -> None:  # noqa: B027  # a default, as above
        """This node has no more members in a room."""
