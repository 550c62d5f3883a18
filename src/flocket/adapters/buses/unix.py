"""The bus between the workers of one machine: messages over the mesh, to those who subscribed only.

Knows which node subscribed to what; does not know what a message says, nor how nodes meet (mesh.py).
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable, Collection, Iterable, Iterator

from flocket.adapters.bus import Bus, NodeIdentity, OnMessage
from flocket.adapters.buses.links import QUEUE_LIMIT
from flocket.adapters.buses.mesh import FIRST_FREE_KIND, Mesh, Peer

__all__ = ["UnixBus"]

_LENGTH = struct.Struct("!I")
_RETRY = 0.25  # seconds until a peer whose queue was full is told our subscriptions again


class UnixBus(Bus):
    """`UnixBus(mesh)`: starts the mesh if it is not running, and then ends it, too."""

    def __init__(self, mesh: Mesh, *, first_kind: int = FIRST_FREE_KIND) -> None:
        self.mesh = mesh
        self.on_peer_up: Callable[[NodeIdentity], None] | None = None
        self.on_peer_down: Callable[[str, str], None] | None = None
        self._kind = first_kind  # and the four after it
        self._on_message: OnMessage = lambda channel, data: None
        self._subscribed: set[str] = set()
        self._interest: dict[Peer, set[str]] = {}  # what each told us
        self._told: set[Peer] = set()  # who knows all our subscriptions
        self._pending: list[tuple[Collection[str], bytes]] = []
        self._pending_size = 0
        self._syncs: dict[int, tuple[Peer, asyncio.Future[None]]] = {}
        self._last_sync = 0
        self._owns_mesh = False
        self._retry: asyncio.TimerHandle | None = None
        # Now, not when it starts: the mesh may run already, and what peers subscribe to is told only once.
        receivers = (self._on_subscribe, self._on_unsubscribe, self._on_data, self._on_sync, self._on_synced)
        for offset, receiver in enumerate(receivers):
            mesh.receive(first_kind + offset, receiver)
        mesh.on_up.append(self._up)
        mesh.on_down.append(self._down)

    # -- the Bus

    async def start(self, node: NodeIdentity, on_message: OnMessage) -> None:
        if node != self.mesh.node:
            raise ValueError(f"the mesh is {self.mesh.node.uid}'s, not {node.uid}'s")
        self._on_message = on_message
        self._loop = asyncio.get_running_loop()
        if not self.mesh.running:
            self._owns_mesh = True
            await self.mesh.start()
        for peer in list(self.mesh.peers.values()):
            if peer.identity is not None:
                self._up(peer)

    def subscribe(self, channel: str) -> None:
        if channel not in self._subscribed:
            self._subscribed.add(channel)
            # At once, not at the end of the turn: a client told of the join may speak to another node next.
            self._tell(self._kind, [channel])

    def unsubscribe(self, channel: str) -> None:
        if channel in self._subscribed:
            self._subscribed.discard(channel)
            self._tell(self._kind + 1, [channel])

    def publish(self, channel: str, data: bytes) -> bool:
        return self.publish_any((channel,), channel, data)

    async def drained(self) -> None:
        self._flush()
        await self.mesh.drained()

    async def settled(self) -> None:
        """Ask every peer that is well: when it answers, it has read what was written before the question."""
        waiting = []
        for peer in list(self._told):
            if peer.up:
                self._last_sync += 1
                answer = self._loop.create_future()
                self._syncs[self._last_sync] = (peer, answer)
                if self.mesh.send(peer, self._kind + 3, self._last_sync.to_bytes(8, "big"), now=True):
                    waiting.append(answer)
        if waiting:
            await asyncio.wait(waiting)

    async def aclose(self) -> None:
        self._flush()
        if self._retry is not None:
            self._retry.cancel()
        self.mesh.on_up.remove(self._up)
        self.mesh.on_down.remove(self._down)
        if self._owns_mesh:
            await self.mesh.aclose()
        else:
            self._tell(self._kind + 1, self._subscribed)
        for offset in range(5):
            self.mesh.ignore(self._kind + offset)
        for _, answer in self._syncs.values():
            answer.cancel()

    def stats(self) -> dict[str, int]:
        return {"garbage": self.mesh.garbage, "dropped": self.mesh.dropped, "peers": len(self.peers())}

    # -- Interest, PeerEvents

    def publish_any(self, channels: Collection[str], channel: str, data: bytes) -> bool:
        if len(data) > self.max_message:
            raise ValueError(f"a message of {len(data)} bytes: the bus takes {self.max_message}")
        if not self._pending:
            self._loop.call_soon(self._flush)
        self._pending.append((channels, _pack(channel) + data))
        self._pending_size += len(data)
        return all(peer.waiting + self._pending_size <= QUEUE_LIMIT for peer in self._interest)

    def catch_up(self) -> None:
        """Deliver what the others have written to this node by now."""
        for peer in list(self._interest):
            if peer.incoming is not None:
                peer.incoming.read_all()

    def interested(self, channels: Collection[str]) -> Collection[str]:
        found = []
        for peer, interest in list(self._interest.items()):
            if interest.isdisjoint(channels) and peer.incoming is not None:
                peer.incoming.read_all()
            if peer.identity is not None and not interest.isdisjoint(channels):
                found.append(peer.identity.uid)
        return found

    def peers(self) -> Collection[NodeIdentity]:
        return [peer.identity for peer in self._interest if peer.up and peer.identity is not None]

    # -- out

    def _flush(self) -> None:
        pending, self._pending, self._pending_size = self._pending, [], 0
        for peer, interest in list(self._interest.items()):
            if peer.incoming is not None and any(interest.isdisjoint(channels) for channels, _ in pending):
                # Its subscription may lie unread here, when a consequence of it has come by another way.
                peer.incoming.read_all()
            for channels, payload in pending:
                if not interest.isdisjoint(channels):
                    self.mesh.send(peer, self._kind + 2, payload)
            if peer.out is not None:
                peer.out.flush()

    def _tell(self, kind: int, channels: Iterable[str]) -> None:
        payload = b"".join(map(_pack, channels))
        for peer in list(self._told):
            if not self.mesh.send(peer, kind, payload, now=True):
                self._told.discard(peer)  # it hangs, and its queue is full
                self._tell_later()

    def _tell_all(self, peer: Peer) -> None:
        if self.mesh.send(peer, self._kind, b"".join(map(_pack, self._subscribed)), now=True):
            self._told.add(peer)
        else:
            self._tell_later()

    def _tell_later(self) -> None:
        if self._retry is None:
            self._retry = asyncio.get_running_loop().call_later(_RETRY, self._tell_again)

    def _tell_again(self) -> None:
        self._retry = None
        for peer in self._interest.keys() - self._told:
            self._tell_all(peer)

    # -- in

    def _up(self, peer: Peer) -> None:
        self._interest.setdefault(peer, set())
        if peer not in self._told:
            self._tell_all(peer)
        if self.on_peer_up is not None and peer.identity is not None:
            self.on_peer_up(peer.identity)

    def _down(self, peer: Peer, why: str) -> None:
        if why == "gone":
            self._interest.pop(peer, None)
            self._told.discard(peer)
        for number, (asked, answer) in list(self._syncs.items()):
            if asked is peer:
                del self._syncs[number]
                if not answer.done():
                    answer.set_result(None)
        if self.on_peer_down is not None and peer.identity is not None:
            self.on_peer_down(peer.identity.uid, why)

    def _on_subscribe(self, peer: Peer, payload: bytes, fd: int | None) -> None:
        self._interest.setdefault(peer, set()).update(self._channels(payload))

    def _on_unsubscribe(self, peer: Peer, payload: bytes, fd: int | None) -> None:
        self._interest.setdefault(peer, set()).difference_update(self._channels(payload))

    def _on_data(self, peer: Peer, payload: bytes, fd: int | None) -> None:
        channel, end = self._unpack(payload, 0)
        if channel is not None:
            self._on_message(channel, payload[end:])

    def _on_sync(self, peer: Peer, payload: bytes, fd: int | None) -> None:
        self.mesh.send(peer, self._kind + 4, payload, now=True)

    def _on_synced(self, peer: Peer, payload: bytes, fd: int | None) -> None:
        asked = self._syncs.pop(int.from_bytes(payload[:8], "big"), None)
        if asked is not None and not asked[1].done():
            asked[1].set_result(None)

    def _channels(self, payload: bytes) -> Iterator[str]:
        at = 0
        while at < len(payload):
            channel, at = self._unpack(payload, at)
            if channel is None:
                return
            yield channel

    def _unpack(self, payload: bytes, at: int) -> tuple[str | None, int]:
        start = at + _LENGTH.size
        if start <= len(payload):
            end = start + _LENGTH.unpack_from(payload, at)[0]
            if end <= len(payload):
                try:
                    return payload[start:end].decode("utf-8", "surrogatepass"), end
                except UnicodeDecodeError:
                    pass
        self.mesh.garbage += 1
        return None, 0


def _pack(channel: str) -> bytes:
    # A room's name is a client's word at times, and what JavaScript can send includes lone surrogates.
    name = channel.encode("utf-8", "surrogatepass")
    return _LENGTH.pack(len(name)) + name
