"""One client with flags: what `socket.volatile`, `.compress` and `.timeout` give. Knows the socket it is for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from flocket.sockets.asking import ask
from flocket.sockets.emission import Emission
from flocket.sockets.sends import BroadcastOperator, event_packet
from flocket.sockets.target import Target

if TYPE_CHECKING:
    from flocket.sockets.says import Says

__all__ = ["OneClient"]


class OneClient:
    """Each step returns a new one."""

    __slots__ = ("_socket", "_target")

    def __init__(self, socket: Says, target: Target) -> None:
        self._socket = socket
        self._target = target

    @property
    def volatile(self) -> OneClient:
        return OneClient(self._socket, replace(self._target, volatile=True))

    @property
    def broadcast(self) -> BroadcastOperator:
        return BroadcastOperator(self._socket.nsp, self._target.excluding(self._socket.id))

    def compress(self, compress: bool) -> OneClient:
        return OneClient(self._socket, replace(self._target, compress=compress))

    def timeout(self, seconds: float) -> OneClient:
        return OneClient(self._socket, self._target.within(seconds))

    def to(self, *rooms: str) -> BroadcastOperator:
        return self.broadcast.to(*rooms)

    in_ = to

    def emit(self, event: str, *args: Any) -> Emission:
        packet = event_packet(self._socket.nsp.name, event, args)
        return self._socket._send_event(packet, self._target.compress, self._target.volatile)

    async def emit_with_ack(self, event: str, *args: Any) -> Any:
        return await ask(self._socket, event, args, self._target)
