"""A dynamic namespace: a pattern or a callable, and the children that clients ask for by name.

Knows its children; who may enter one, and what happens there, is a Namespace's matter.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from flocket.codec.socketio import Packet, PacketType
from flocket.errors import ConfigError
from flocket.sockets.answers import Answers
from flocket.sockets.emission import Emission
from flocket.sockets.generics import T
from flocket.sockets.namespace import Namespace
from flocket.sockets.remote import RemoteSocket
from flocket.sockets.target import Target

if TYPE_CHECKING:
    from flocket.sockets.server import Server

__all__ = ["ParentNamespace"]


class ParentNamespace(Namespace[T]):
    """A dynamic namespace: children are made as clients ask for them, and share its registry. Emitting reaches all."""

    def __init__(
        self,
        server: Server[T],
        name: str,
        test: re.Pattern[str] | Callable[[str, dict[str, Any]], Any],
        cleanup: bool,
        child_class: type[Namespace[T]],
    ) -> None:
        super().__init__(server, name)
        self.children: dict[str, Namespace[T]] = {}
        self._test = test
        self._cleanup = cleanup
        self._child_class = child_class

    def matches(self, name: str) -> bool:
        """Whether this is a pattern, and the name fits it."""
        return isinstance(self._test, re.Pattern) and self._test.search(name) is not None

    def allows(self, name: str, auth: dict[str, Any]) -> Any:
        """What the callable says, or an awaitable of it; False for a pattern."""
        return False if isinstance(self._test, re.Pattern) else self._test(name, auth)

    def child(self, name: str) -> Namespace[T]:
        """The child of that name, made if need be."""
        child = self.children.get(name)
        if child is None:
            if self._child_class is Namespace:
                child = Namespace(self.server, name, self._events)
            else:  # its methods are bound to it, so it has a registry of its own
                child = self._child_class(self.server, name)
                child._events.include(self._events)
            child._parent = self
            self.children[name] = child
            self.server._namespace_made(child)
        return child

    def _child_emptied(self, child: Namespace[T]) -> None:
        if self._cleanup and self.children.get(child.name) is child:
            del self.children[child.name]
            self.server._namespace_gone(child)

    def broadcast(self, packet: Packet, target: Target) -> Emission:
        self.server._elsewhere()  # NotRunning is said also while there are no children
        self._parser.encode(packet)
        return self._each(lambda child: child.broadcast(Packet(PacketType.EVENT, child.name, packet.data), target))

    def join_sockets(self, target: Target, rooms: tuple[str, ...]) -> Emission:
        return self._each(lambda child: child.join_sockets(target, rooms))

    def leave_sockets(self, target: Target, rooms: tuple[str, ...]) -> Emission:
        return self._each(lambda child: child.leave_sockets(target, rooms))

    def close_sockets(self, target: Target, close: bool) -> Emission:
        return self._each(lambda child: child.close_sockets(target, close))

    def _each(self, do: Callable[[Namespace[T]], Emission]) -> Emission:
        emissions = [do(child) for child in list(self.children.values())]

        async def all_done() -> None:
            for emission in emissions:
                await emission

        return Emission(all_done)

    async def count_sockets(self, target: Target) -> int:
        return sum([await child.count_sockets(target) for child in list(self.children.values())])

    async def broadcast_with_ack(self, packet: Packet, target: Target) -> Answers:
        raise ConfigError("emit_with_ack() is not supported on parent namespaces: ask each child's sockets")

    async def fetch(self, target: Target) -> list[RemoteSocket]:
        raise ConfigError("fetch_sockets() is not supported on parent namespaces: fetch each child's")

    def server_side_emit(self, event: str, *args: Any) -> Emission:
        raise ConfigError("server_side_emit() is not supported on parent namespaces: tell each child's")

    async def server_side_emit_with_ack(self, event: str, *args: Any) -> Answers:
        raise ConfigError("server_side_emit_with_ack() is not supported on parent namespaces: ask each child's")
