"""A socket as another node, or a fetch, sees it: facts copied, and what may be done to it from afar."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flocket.codec.socketio import Packet
from flocket.sockets.emission import Emission
from flocket.sockets.sends import BroadcastOperator, event_packet
from flocket.sockets.target import Target

if TYPE_CHECKING:
    from flocket.sockets.namespace import Namespace

__all__ = ["RemoteSocket", "SocketDetails"]


@dataclass(frozen=True, slots=True)
class SocketDetails:
    """What nodes tell each other of a socket. `handshake` is as Node's: JSON values only."""

    id: str
    handshake: Mapping[str, Any]
    rooms: frozenset[str]
    data: Any


class RemoteSocket:
    """One socket of any node, as it was when fetched; what is done to it reaches it wherever it is."""

    __slots__ = ("_nsp", "_target", "data", "handshake", "id", "rooms")

    def __init__(self, nsp: Namespace[Any], details: SocketDetails) -> None:
        self.id = details.id
        self.handshake = details.handshake
        self.rooms = details.rooms
        self.data = details.data
        self._nsp = nsp
        self._target = Target(rooms=(details.id,))

    def emit(self, event: str, *args: Any) -> Emission:
        """Send it an event."""
        return self._nsp.broadcast(event_packet(self._nsp.name, event, args), self._target)

    def timeout(self, seconds: float) -> RemoteSocket:
        """The same socket, whose `emit_with_ack` waits that long."""
        other = RemoteSocket(self._nsp, SocketDetails(self.id, self.handshake, self.rooms, self.data))
        other._target = self._target.within(seconds)
        return other

    async def emit_with_ack(self, event: str, *args: Any) -> Any:
        """Send it an event and return its answer. Raises AckTimeout, also when it is gone."""
        packet: Packet = event_packet(self._nsp.name, event, args)
        return await self._nsp.ask_one(packet, self._target)

    def join(self, *rooms: str) -> Emission:
        return BroadcastOperator(self._nsp, self._target).sockets_join(*rooms)

    def leave(self, *rooms: str) -> Emission:
        return BroadcastOperator(self._nsp, self._target).sockets_leave(*rooms)

    def disconnect(self, close: bool = False) -> Emission:
        return BroadcastOperator(self._nsp, self._target).disconnect_sockets(close)

    def __repr__(self) -> str:
        return f"<RemoteSocket {self.id} of {self._nsp.name}>"
