"""What moves bytes between the nodes of a cluster: five calls, and a few optional abilities.

Knows channels and bytes; does not know what is said in them (messages.py) nor what follows from it
(cluster.py). Everything here is called in the event loop's thread.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

__all__ = ["Bus", "CountsNodes", "Interest", "NodeIdentity", "OnMessage", "PeerEvents"]

OnMessage = Callable[[str, bytes], None]  # channel, data; it must not raise and must not block


@dataclass(frozen=True, slots=True)
class NodeIdentity:
    """Who a node is for the length of its life: made when it starts, after any fork, never at import."""

    uid: str  # 16 hexadecimal digits, new in each life
    tag: str  # the 4 characters that begin the session ids which this node owns (engine/sid.py)
    epoch: int  # when this life began, in milliseconds since 1970: of two lives the later is the greater


class Bus(ABC):
    """One node's access to the others. An author implements the five abstract methods; the rest has defaults.

    What one node publishes arrives at each other node in the order of publishing, at most once. A bus may
    also deliver a node's own messages to itself: the reader drops those by the node's uid. A bus that loses
    its broker comes back by itself and subscribes again to all it was subscribed to.
    """

    max_message: int = 16_777_216  # bytes: all attachments of one packet (10 MB), its text, and room

    @abstractmethod
    async def start(self, node: NodeIdentity, on_message: OnMessage) -> None:
        """Connect, within the running loop. Raises AdapterError if the broker cannot be reached."""

    @abstractmethod
    def subscribe(self, channel: str) -> None:
        """Receive what others publish there. Takes effect in order with `publish`; twice is as once."""

    @abstractmethod
    def unsubscribe(self, channel: str) -> None:
        """Receive it no longer; what is on its way may still come. Without `subscribe`: nothing happens."""

    @abstractmethod
    def publish(self, channel: str, data: bytes) -> bool:
        """Queue a message for every other node that subscribed to `channel`, and return at once.

        False: it was not queued for one of them, at least, because the queue is full; it is counted, and
        lost. Raises ValueError for more than `max_message` bytes.
        """

    @abstractmethod
    async def aclose(self) -> None:
        """Send what is queued (for a second at most), tell the others, and release everything."""

    async def drained(self) -> None:  # noqa: B027  # a default, for a bus whose queue needs no waiting
        """Return once what is queued is below the mark: what an awaited `emit` waits for."""

    async def settled(self) -> None:  # noqa: B027  # a default, for a bus that sends in place
        """Return once every `subscribe` so far is in effect: what an awaited `join` waits for."""

    def stats(self) -> dict[str, int]:
        """What it counts, for `io.stats()`."""
        return {}


@runtime_checkable
class CountsNodes(Protocol):
    """A bus whose broker counts the subscribers of a channel (Redis: PUBSUB NUMSUB)."""

    async def count_nodes(self, channel: str) -> int:
        """How many nodes are subscribed, this one included."""


@runtime_checkable
class PeerEvents(Protocol):
    """A bus that sees the other nodes come and go by itself. Set both callbacks before `start`.

    A peer that hangs is reported down, and up again when it answers: meanwhile messages for it are queued up
    to the bound. A peer that died is down for good: its successor has another uid.
    """

    on_peer_up: Callable[[NodeIdentity], None] | None
    on_peer_down: Callable[[str, str], None] | None  # uid; why: "gone" (its connection ended) or "hung"

    def peers(self) -> Collection[NodeIdentity]:
        """The other nodes that are up now."""


@runtime_checkable
class Interest(Protocol):
    """A bus that knows who subscribed to what, so that a message goes to no node that has no use for it.

    A subscription that another node made before some event is known here when that event's consequence
    arrives, whichever way it came: a client that was told "you joined" may at once cause an emission on any
    node, and gets it.
    """

    def publish_any(self, channels: Collection[str], channel: str, data: bytes) -> bool:
        """As `publish`, once to each node that subscribed to one of `channels`; it arrives as `channel`."""

    def interested(self, channels: Collection[str]) -> Collection[str]:
        """The uids of the nodes (up or hung) that would get it now."""
