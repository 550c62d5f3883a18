"""One namespace: who may connect, who is connected, and the door to its adapter.

Knows its sockets and registry; does not know sessions, or what other nodes there are.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from copy import deepcopy
from typing import TYPE_CHECKING, Any, Generic

from flocket.codec.plain import plain
from flocket.codec.socketio import Packet
from flocket.errors import AckTimeout, ConfigError, ConnectError, Disconnected
from flocket.sockets.adapter import Adapter
from flocket.sockets.answers import Answers
from flocket.sockets.calls import FAILURES, failure_of
from flocket.sockets.comeback import Comebacks
from flocket.sockets.emission import Emission
from flocket.sockets.events import LIFE_EVENTS, Events
from flocket.sockets.generics import T
from flocket.sockets.life import say_farewell, welcome
from flocket.sockets.receives import MARK, Receives
from flocket.sockets.recovery import Restored
from flocket.sockets.remote import RemoteSocket
from flocket.sockets.says import CLOSED, CONNECTED
from flocket.sockets.sends import BroadcastOperator, Sends
from flocket.sockets.socket import Socket
from flocket.sockets.target import Target

if TYPE_CHECKING:
    from flocket.sockets.client import Attempt, Client
    from flocket.sockets.dynamic import ParentNamespace
    from flocket.sockets.server import Server

__all__ = ["Namespace"]

log = logging.getLogger("flocket")


class Namespace(Sends, Receives, Generic[T]):
    """A namespace of a server, made by `io.of(name)`. Inherit it to group handlers, marked with `on`.

    `sockets` maps the ids of this process's sockets to them, `rooms` this process's rooms to ids.
    """

    def __init__(self, server: Server[T], name: str, events: Events | None = None) -> None:
        self.server = server
        self.name = name
        # As the log has it: a client chooses the name of a dynamic namespace, and must write no lines there.
        self.shown = name if name.isprintable() else ascii(name)[1:-1]
        self.sockets: dict[str, Socket[T]] = {}
        self._events = Events() if events is None else events
        self._parser = server._parser
        self._counters = server.counters
        # What precedes the JSON of an event, and of an answer before its id: see JsonParser.single.
        self._event_head = b"42" if name == "/" else f"42{name},".encode()
        self._ack_head = b"43" if name == "/" else f"43{name},".encode()
        self._ack_ids = 0
        self._entering = 0  # clients whose middlewares run
        self._kept = False  # though it is empty
        self.adapter: Adapter = server._make_adapter(self)
        self._comebacks = None if server._recovery is None else Comebacks(self)
        self._parent: ParentNamespace[T] | None = None
        if events is None:
            self._register_marked()

    def _register_marked(self) -> None:
        for name in dir(type(self)):
            function = getattr(type(self), name, None)
            for event, thread in getattr(function, MARK, ()):
                self._events.add(event, getattr(self, name), thread)

    @property
    def rooms(self) -> dict[str, set[str]]:
        return self.adapter.rooms

    @property
    def _operator(self) -> BroadcastOperator:
        return BroadcastOperator(self)

    @property
    def _registry(self) -> Events:
        return self._events

    def _next_ack_id(self) -> int:
        self._ack_ids += 1
        return self._ack_ids - 1

    # -- connections --------------------------------------------------------------------------------------

    async def _connect(self, client: Client, attempt: Attempt) -> None:
        """Let a client in, or tell it why not. Never suspends where the user's functions are all plain."""
        socket: Socket[T] = Socket(client.socket_id(self.name), self, client, attempt.auth)
        self._entering += 1  # a child that somebody is about to enter is not given up
        entered = False
        try:
            entered = await self._admit(socket, client, attempt)
        finally:
            self._entering -= 1
            if not entered:
                self._reject(socket)
            self._give_up_if_empty()
        if entered:
            await welcome(socket)

    async def _admit(self, socket: Socket[T], client: Client, attempt: Attempt) -> bool:
        comebacks, restored, auth = self._comebacks, None, attempt.auth
        skip = self.server._recovery is not None and self.server._recovery.skip_middleware
        if skip and comebacks is not None:
            restored = await comebacks.claim(socket, auth)
        try:
            for middleware in () if restored else tuple(self._events.middlewares):
                await self.server._await_if_needed(middleware(socket))
        except ConnectError as error:
            client.refuse(self.name, attempt, error.message, error.data)
            return False
        except FAILURES as error:
            log.error("%s: a middleware failed", self.shown, exc_info=failure_of(error))
            self._counters.handler_errors += 1
            client.refuse(self.name, attempt, "internal error", None)
            return False
        if comebacks is not None and restored is None and client.session.open and not attempt.replaced:
            # Behind the middlewares, with nothing awaited until it is in its rooms: no event falls between.
            restored = await comebacks.claim(socket, auth)
        if not client.session.open or attempt.replaced:
            if comebacks is not None and restored is not None:
                comebacks.give_back(restored)
            return False  # it went while the middlewares ran, or came anew: this one was never here
        self._enter(socket, client, restored)
        return True

    def _enter(self, socket: Socket[T], client: Client, restored: Restored | None) -> None:
        self.sockets[socket.id] = socket
        socket._state = CONNECTED
        if self._comebacks is not None:
            self._comebacks.enter(socket)
        self._counters.connects += 1
        client.admit(socket)
        for encoded in () if restored is None else restored.missed:
            for frame in encoded.for_protocol(client.session.protocol):
                client.session.send(frame)
        # Behind CONNECT: whoever listens to rooms may emit to it.
        self.adapter.add_all(socket.id, (socket.id,) if restored is None else restored.saved.rooms)

    def _reject(self, socket: Socket[T]) -> None:
        """It never was here: what its middlewares did for it is undone."""
        socket._state = CLOSED
        socket._abandon()
        # A client 2.x has one id in a namespace, however often it comes: whoever took this one's place keeps its rooms.
        if socket.id in self.adapter.sids and socket.id not in self.sockets:
            self.adapter.remove_all(socket.id)

    def _socket_left(self, socket: Socket[T], reason: str) -> None:
        """A socket's end. Its rooms are left here and now, or emissions would go on to a client that is gone."""
        self._counters.disconnects += 1
        self.sockets.pop(socket.id, None)
        self.adapter.remove_all(socket.id)
        self._give_up_if_empty()
        say_farewell(socket, reason)

    def _give_up_if_empty(self) -> None:
        if self._parent is None or self.sockets or self._entering:
            return
        kept = self.adapter.log
        if kept is None or not kept.awaits:
            self._parent._child_emptied(self)
        elif not self._kept:
            self._kept = True  # for those who are away and may be back
            self.server._deadlines.after(kept.window + 1.0, self._no_longer_kept)  # behind the end of it

    def _no_longer_kept(self) -> None:
        self._kept = False
        self._give_up_if_empty()

    # -- emissions: what a BroadcastOperator asks of its sphere ----------------------------------------------

    def broadcast(self, packet: Packet, target: Target) -> Emission:
        """Hand a packet to the adapter; from another thread, in its turn and already encoded."""
        server = self.server
        if server._elsewhere():
            # Here, so that its errors are the caller's, and changing the value afterwards changes nothing.
            self._parser.encode(packet)
            packet.data = _copy(packet.data)
            server._runtime.post(lambda: self.adapter.broadcast(packet, target))
        else:
            self.adapter.broadcast(packet, target)
        return Emission(lambda: server._settled(lambda: self.adapter.drained(target)))

    async def broadcast_with_ack(self, packet: Packet, target: Target) -> Answers:
        self.server._only_here("emit_with_ack")
        await self._hears()
        seconds = target.timeout if target.timeout is not None else self.server._ack_timeout
        try:
            return await self.adapter.broadcast_with_ack(packet, target, seconds)
        except AckTimeout:
            self._counters.acks_timed_out += 1
            raise

    async def _hears(self) -> None:
        """Whoever asks must hear the answers: a namespace made a moment ago does not yet."""
        ready = self.server._adapters_ready.get(self.name)
        if ready is not None:
            await asyncio.shield(ready)

    async def ask_one(self, packet: Packet, target: Target) -> Any:
        answers = await self.broadcast_with_ack(packet, target)
        if not answers:
            raise Disconnected(f"the socket is gone that was asked {packet.data[0]!r:.80}")
        return answers[0]

    async def fetch(self, target: Target) -> list[RemoteSocket]:
        self.server._only_here("fetch_sockets")
        await self._hears()
        return [RemoteSocket(self, details) for details in await self.adapter.fetch_sockets(target)]

    async def count_sockets(self, target: Target) -> int:
        self.server._only_here("count")
        await self._hears()
        return await self.adapter.count(target)

    def join_sockets(self, target: Target, rooms: tuple[str, ...]) -> Emission:
        Target().to(*rooms)
        return self._change(lambda: self.adapter.add_sockets(target, rooms))

    def leave_sockets(self, target: Target, rooms: tuple[str, ...]) -> Emission:
        Target().to(*rooms)
        return self._change(lambda: self.adapter.del_sockets(target, rooms))

    def close_sockets(self, target: Target, close: bool) -> Emission:
        return self._change(lambda: self.adapter.disconnect_sockets(target, close))

    def _change(self, change: Callable[[], None]) -> Emission:
        if self.server._elsewhere():
            self.server._runtime.post(change)
        else:
            change()
        return Emission(lambda: self.server._settled(self.adapter.settled))

    # -- node to node -----------------------------------------------------------------------------------------

    def server_side_emit(self, event: str, *args: Any) -> Emission:
        """Tell the other nodes; heard by `on_server_side`. A lone node has nobody to tell."""
        words = self._words(event, args)
        return self._change(lambda: self.adapter.server_side_emit(words))

    async def server_side_emit_with_ack(self, event: str, *args: Any) -> Answers:
        """Ask the other nodes; one answer of each. Raises AckTimeout for the silence of a live node."""
        words = self._words(event, args)
        self.server._only_here("server_side_emit_with_ack")
        await self._hears()
        return await self.adapter.server_side_emit_with_ack(words, self.server._ack_timeout)

    def _words(self, event: str, args: tuple[Any, ...]) -> list[Any]:
        if not isinstance(event, str) or event in LIFE_EVENTS:
            raise ConfigError(f"{event!r:.80} is a reserved event name, or none")
        return [event, *(_copy(args) if self.server._elsewhere() else args)]

    async def _on_server_side_emit(self, args: list[Any]) -> Any:
        """Another node's event: what the handlers answer. For adapters."""
        if not args or not isinstance(args[0], str):
            return None
        value: Any = None
        for handler in tuple(self._events.server_side.get(args[0], ())):
            result = await self.server._await_if_needed(handler.function(*handler.fit(args[1:])))
            if value is None:
                value = result
        return value

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name} {len(self.sockets)} sockets>"


def _copy(data: Any) -> Any:
    """What another thread may go on changing, as it is now."""
    try:
        return deepcopy(data)
    except Exception:  # a memoryview, say, cannot be copied as what it is
        return plain(data, lambda leaf: bytes(leaf) if isinstance(leaf, bytes | bytearray | memoryview) else leaf)
