"""One unix bus for all servers of a process: each has a lane, and meets the servers of its name in the siblings.

Knows names and channels; does not know what is said. A process may hold several servers (two Servers mounted in one
application), and their numbers and order may differ from worker to worker: only the name says which belong together.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from flocket.adapters.bus import Bus, NodeIdentity, OnMessage
from flocket.adapters.buses.machine import machine_of
from flocket.adapters.buses.mesh import Mesh
from flocket.adapters.buses.unix import UnixBus

__all__ = ["Lane", "Lanes"]

_END = "\0"  # of a lane's name, before the channel's


class Lanes:
    """The bus that they share: it runs from the first lane's start on."""

    def __init__(self, mesh: Mesh) -> None:
        self.bus = UnixBus(mesh)
        self.running: dict[str, Lane] = {}
        self._names: dict[str, int] = {}
        self._started = False

    def lane(self, name: str) -> Lane:
        """The bus for the server of this name; of several with one name the second is the siblings' second."""
        number = self._names[name] = self._names.get(name, 0) + 1
        return Lane(self, name if number == 1 else f"{name} {number}")

    async def start(self, lane: Lane) -> None:
        self.running[lane.name] = lane
        if not self._started:
            self._started = True
            self.bus.on_peer_up = self._up
            self.bus.on_peer_down = self._down
            await self.bus.start(self.bus.mesh.node, self._on_message)

    async def aclose(self) -> None:
        if self._started:
            await self.bus.aclose()

    def _on_message(self, channel: str, data: bytes) -> None:
        name, _, channel = channel.partition(_END)
        lane = self.running.get(name)
        if lane is not None:
            lane.on_message(channel, data)

    def _up(self, node: NodeIdentity) -> None:
        for lane in list(self.running.values()):
            if lane.on_peer_up is not None:
                lane.on_peer_up(node)

    def _down(self, uid: str, why: str) -> None:
        for lane in list(self.running.values()):
            if lane.on_peer_down is not None:
                lane.on_peer_down(uid, why)


class Lane(Bus):
    """One server's part."""

    def __init__(self, lanes: Lanes, name: str) -> None:
        self.name = name
        self.on_message: OnMessage = lambda channel, data: None
        self.on_peer_up: Callable[[NodeIdentity], None] | None = None
        self.on_peer_down: Callable[[str, str], None] | None = None
        self._lanes = lanes
        self._bus = lanes.bus
        self._subscribed: set[str] = set()

    def machine(self, purpose: str) -> str:
        """A name that the siblings on this lane have in common for this purpose, and nobody else has."""
        return machine_of(self._bus.mesh.folder, f"{self.name}{_END}{purpose}")

    async def start(self, node: NodeIdentity, on_message: OnMessage) -> None:
        if node != self._bus.mesh.node:
            raise ValueError(f"the mesh is {self._bus.mesh.node.uid}'s, not {node.uid}'s")
        self.on_message = on_message
        await self._lanes.start(self)

    def subscribe(self, channel: str) -> None:
        self._subscribed.add(channel)
        self._bus.subscribe(self._full(channel))

    def unsubscribe(self, channel: str) -> None:
        self._subscribed.discard(channel)
        self._bus.unsubscribe(self._full(channel))

    def publish(self, channel: str, data: bytes) -> bool:
        return self._bus.publish(self._full(channel), data)

    def publish_any(self, channels: Collection[str], channel: str, data: bytes) -> bool:
        return self._bus.publish_any([self._full(one) for one in channels], self._full(channel), data)

    def stats(self) -> dict[str, int]:
        return self._bus.stats()

    def interested(self, channels: Collection[str]) -> Collection[str]:
        return self._bus.interested([self._full(one) for one in channels])

    def catch_up(self) -> None:
        self._bus.catch_up()

    def peers(self) -> Collection[NodeIdentity]:
        return self._bus.peers()

    async def drained(self) -> None:
        await self._bus.drained()

    async def settled(self) -> None:
        await self._bus.settled()

    async def aclose(self) -> None:
        self._lanes.running.pop(self.name, None)
        for channel in self._subscribed:
            self._bus.unsubscribe(self._full(channel))
        self._subscribed.clear()
        await self._bus.drained()

    def _full(self, channel: str) -> str:
        return self.name + _END + channel
