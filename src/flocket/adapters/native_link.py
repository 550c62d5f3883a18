"""One namespace's way to the nodes on a Bus, in our own dialect: which channel each word goes to.

Knows rooms as channels, where the bus tells who listens; does not know who is alive, or what is answered.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from flocket.adapters import messages as m
from flocket.adapters.brain import ClusterNamespace
from flocket.adapters.link import Link, Receive
from flocket.adapters.questions import Question
from flocket.adapters.translate import options_of
from flocket.codec.socketio import Packet
from flocket.sockets.parsers import Encoded
from flocket.sockets.target import Target

if TYPE_CHECKING:
    from flocket.adapters.cluster import ClusterAdapter

__all__ = ["NativeLink"]


class NativeLink(Link):
    """One namespace's way to the others, in our dialect."""

    def __init__(self, adapter: ClusterNamespace, cluster: ClusterAdapter) -> None:
        assert cluster.node is not None, "ClusterAdapter.start() comes before the namespaces"
        self.uid = cluster.node.uid
        self.counters = cluster.counters
        self._adapter = adapter
        self._cluster = cluster
        self._nsp = adapter.nsp
        self._interest = cluster._interest is not None
        self._events = 0
        self.holds: Callable[[str], bool] = lambda room: False

    async def open(self, receive: Receive) -> None:
        self._cluster.enter(self._adapter, receive)
        await self._cluster.bus.settled()

    async def close(self) -> None:
        self._cluster.leave(self._adapter)

    def say(self, message: m.Message, to: str = "") -> bool:
        if to or isinstance(message, m.Response):
            return self._cluster.say_all(message, to)
        return self._cluster.say(self._cluster.channel(self._nsp.name), message)

    def broadcast(self, packet: Packet, target: Target) -> Encoded | None:
        encoded = self._nsp._parser.encode(packet, target.compress)
        frames = tuple([(frame.binary, frame.payload) for frame in encoded.frames])
        self._events += 1
        encoded.event = f"{self.uid}-{self._events}"
        said = m.BroadcastFrames(
            uid=self.uid, nsp=self._nsp.name, frames=frames, opts=options_of(target), event=self._events
        )
        if target.rooms is not None and self._interest:
            self._cluster.say_where(target.rooms, self._nsp.name, said)
        else:
            self.say(said)
        return encoded

    def ask(self, question: Question, message: m.Message) -> None:
        # Every node answers, also one that has no such namespace: who is expected is known.
        question.expect_nodes(self._cluster.peers)
        self._cluster.say_all(message)

    async def server_count(self) -> int:
        return 1 + len(self._cluster.peers)

    async def drained(self) -> None:
        await self._cluster.bus.drained()

    async def settled(self) -> None:
        await self._cluster.bus.settled()

    def room_created(self, room: str) -> None:
        self.subscribe_room(room)

    def room_deleted(self, room: str) -> None:
        if not self.holds(room):
            self.unsubscribe_room(room)

    def subscribe_room(self, room: str) -> None:
        if self._interest:
            self._cluster.bus.subscribe(self._cluster.channel(self._nsp.name) + room)

    def unsubscribe_room(self, room: str) -> None:
        if self._interest:
            self._cluster.bus.unsubscribe(self._cluster.channel(self._nsp.name) + room)
