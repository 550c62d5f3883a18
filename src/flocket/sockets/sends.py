"""All that can be said to many: `emit`, rooms, flags, questions, fetches, as one set of methods.

Server, Namespace and Socket share it; each says whom it means by `_operator`. Does not know how it is delivered.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from flocket.codec.socketio import RESERVED_EVENTS, Packet, PacketType
from flocket.errors import ConfigError
from flocket.sockets.answers import Answers
from flocket.sockets.emission import Emission
from flocket.sockets.events import check_name
from flocket.sockets.target import EVERYONE, Target

if TYPE_CHECKING:
    from flocket.sockets.remote import RemoteSocket

__all__ = ["BroadcastOperator", "Sends", "Sphere", "event_packet"]

EVENT = PacketType.EVENT


def event_packet(nsp: str, event: str, args: tuple[Any, ...], ack_id: int | None = None) -> Packet:
    """An EVENT packet. The names that the client's library uses itself are refused."""
    check_name(event)
    if event in RESERVED_EVENTS:
        raise ConfigError(f'"{event}" is a reserved event name')
    return Packet(EVENT, nsp, [event, *args], ack_id)


class Sphere(Protocol):
    """What an operator acts on: a namespace, which hands on to its adapter."""

    name: str

    def broadcast(self, packet: Packet, target: Target) -> Emission: ...

    async def broadcast_with_ack(self, packet: Packet, target: Target) -> Answers: ...

    async def fetch(self, target: Target) -> list[RemoteSocket]: ...

    async def count_sockets(self, target: Target) -> int: ...

    def join_sockets(self, target: Target, rooms: tuple[str, ...]) -> Emission: ...

    def leave_sockets(self, target: Target, rooms: tuple[str, ...]) -> Emission: ...

    def close_sockets(self, target: Target, close: bool) -> Emission: ...


class Sends:
    """Whom these methods mean is `_operator`'s to say."""

    __slots__ = ()

    @property
    def _operator(self) -> BroadcastOperator:
        raise NotImplementedError

    def to(self, *rooms: str) -> BroadcastOperator:
        """Only sockets in one of these rooms (of all rooms named in a chain, each socket once). None named: nobody."""
        return self._operator._with(lambda target: target.to(*rooms))

    in_ = to

    def except_(self, *rooms: str) -> BroadcastOperator:
        """None of the sockets in these rooms."""
        return self._operator._with(lambda target: target.excluding(*rooms))

    @property
    def volatile(self) -> BroadcastOperator:
        """May be lost for a client that is not ready to receive."""
        return self._operator._with(lambda target: replace(target, volatile=True))

    @property
    def local(self) -> BroadcastOperator:
        """Only sockets of this process."""
        return self._operator._with(lambda target: replace(target, local=True))

    def compress(self, compress: bool) -> BroadcastOperator:
        """Whether the transport may compress it (where compression was agreed on)."""
        return self._operator._with(lambda target: replace(target, compress=compress))

    def timeout(self, seconds: float) -> BroadcastOperator:
        """How long `emit_with_ack` waits, in place of the server's `ack_timeout`."""
        return self._operator._with(lambda target: target.within(seconds))

    def emit(self, event: str, *args: Any) -> Emission:
        """Send an event. A plain call: the values are encoded at once, and changing them later changes nothing.

        What it returns may be dropped; awaited, it waits while the receivers' or the bus's buffers are above their
        mark, not for delivery. Raises EncodeError for what cannot be sent, NotRunning before the server runs.
        """
        operator = self._operator
        return operator._sphere.broadcast(event_packet(operator._sphere.name, event, args), operator._target)

    def send(self, *args: Any) -> Emission:
        """Send the event "message", as JavaScript's `send`."""
        return self.emit("message", *args)

    async def emit_with_ack(self, event: str, *args: Any) -> Answers:
        """Send an event and gather each client's first value. Raises AckTimeout, whose `answers` came in time."""
        operator = self._operator
        packet = event_packet(operator._sphere.name, event, args)
        return await operator._sphere.broadcast_with_ack(packet, operator._target)

    async def fetch_sockets(self) -> list[RemoteSocket]:
        """The sockets meant, of every node: copies of what they are now."""
        operator = self._operator
        return await operator._sphere.fetch(operator._target)

    async def count(self) -> int:
        """How many sockets are meant, of every node."""
        operator = self._operator
        return await operator._sphere.count_sockets(operator._target)

    def sockets_join(self, *rooms: str) -> Emission:
        """Make the sockets meant join these rooms."""
        operator = self._operator
        return operator._sphere.join_sockets(operator._target, rooms)

    def sockets_leave(self, *rooms: str) -> Emission:
        """Make the sockets meant leave these rooms."""
        operator = self._operator
        return operator._sphere.leave_sockets(operator._target, rooms)

    def disconnect_sockets(self, close: bool = False) -> Emission:
        """Disconnect the sockets meant from this namespace; with `close`, end their connections."""
        operator = self._operator
        return operator._sphere.close_sockets(operator._target, close)


class BroadcastOperator(Sends):
    """A target being described: each step returns a new one, so a half-described one may be kept and used twice."""

    __slots__ = ("_sphere", "_target")

    def __init__(self, sphere: Sphere, target: Target = EVERYONE) -> None:
        self._sphere = sphere
        self._target = target

    @property
    def _operator(self) -> BroadcastOperator:
        return self

    def _with(self, change: Callable[[Target], Target]) -> BroadcastOperator:
        return BroadcastOperator(self._sphere, change(self._target))
