"""One client in one namespace: its facts, its rooms, what comes from it, and its end.

Knows its session and namespace; does not know how others are reached (the adapter does).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sized
from typing import TYPE_CHECKING, Any, Generic

from flocket.codec.socketio import Packet
from flocket.engine.request import Request
from flocket.engine.session import Session
from flocket.errors import Disconnected
from flocket.sockets.calls import call_all
from flocket.sockets.emission import Emission
from flocket.sockets.generics import T
from flocket.sockets.handshake import Handshake
from flocket.sockets.remote import SocketDetails
from flocket.sockets.says import CLOSED, CONNECTED, CONNECTING, Says
from flocket.sockets.screening import screen
from flocket.sockets.target import Target
from flocket.sockets.turns import Turns

if TYPE_CHECKING:
    from flocket.sockets.client import Client
    from flocket.sockets.namespace import Namespace
    from flocket.sockets.server import Server

__all__ = ["Socket"]

log = logging.getLogger("flocket")

WAITING_EVENTS = 10_000  # events of one client that wait for their turn; more, and it is disconnected


class Socket(Says, Generic[T]):
    """One client in one namespace. `data` is yours; other nodes get a copy of it when they fetch.

    `to`, `except_` and `broadcast` mean others, never this client itself.
    """

    __slots__ = (
        "__weakref__",
        "_auth",
        "_client",
        "_farewell",
        "_handshake",
        "_issued",
        "_last_rooms",
        "_log_found",
        "_log_known",
        "_log_position",
        "_log_since",
        "_tasks",
        "_turns",
        "data",
        "id",
        "nsp",
        "recovered",
    )

    def __init__(self, sid: str, nsp: Namespace[T], client: Client, auth: dict[str, Any]) -> None:
        self.id = sid
        self.nsp = nsp
        self.data: T = nsp.server._make_data()
        self.recovered = False
        self.pid = None
        self._log_known: str | None = None
        self._log_found: dict[str, Any] | None = None
        self._log_since = self._log_position = 0  # positions of recovery's log: see Saved
        self._client = client
        self._session = client.session
        self._auth = auth
        self._issued = int(nsp.server._runtime.wall() * 1000)
        self._handshake: Handshake | None = None
        self._acks = None
        self._emission = None
        self._turns = Turns(self, nsp.server._limits.handlers)
        self._listeners = None
        self._outgoing = None
        self._tasks: set[asyncio.Task[Any]] | None = None
        self._last_rooms: frozenset[str] | None = None
        self._farewell: Callable[[], None] | None = None  # what waits for the `connection` handler to return
        self._state = CONNECTING

    # -- facts --------------------------------------------------------------------------------------------

    @property
    def connected(self) -> bool:
        return self._state == CONNECTED

    @property
    def disconnected(self) -> bool:
        return self._state == CLOSED

    @property
    def server(self) -> Server[T]:
        return self.nsp.server

    @property
    def conn(self) -> Session:
        """The session that carries it: `.id`, `.transport.name`, `.protocol`."""
        return self._session

    @property
    def request(self) -> Request:
        """The request that opened the session."""
        return self._session.request

    @property
    def handshake(self) -> Handshake:
        if self._handshake is None:
            self._handshake = Handshake(self._session.request, self._auth, self._issued)
        return self._handshake

    @property
    def rooms(self) -> frozenset[str]:
        """The rooms it is in, its own id among them; while `disconnecting` runs, those that it was in."""
        if self._last_rooms is not None:
            return self._last_rooms
        return frozenset(self.nsp.adapter.sids.get(self.id, ()))

    def _details(self) -> SocketDetails:
        return SocketDetails(self.id, self.handshake.to_wire(), self.rooms, self.data)

    # -- rooms --------------------------------------------------------------------------------------------

    def join(self, *rooms: str) -> Emission:
        """Join rooms: in effect here at once; awaited, known to the other nodes."""
        Target().to(*rooms)  # names are checked where all names are
        return self._in_loop(lambda: self._joins(rooms))

    def leave(self, *rooms: str) -> Emission:
        """Leave rooms."""
        Target().to(*rooms)
        return self._in_loop(lambda: self._leaves(rooms))

    def _in_loop(self, change: Callable[[], None]) -> Emission:
        server = self.nsp.server
        if server._elsewhere():
            server._runtime.post(change)
        else:
            change()
        return Emission(lambda: server._settled(self.nsp.adapter.settled))

    def _joins(self, rooms: tuple[str, ...]) -> None:
        if self._state in (CONNECTING, CONNECTED):
            self.nsp.adapter.add_all(self.id, rooms)

    def _leaves(self, rooms: tuple[str, ...]) -> None:
        for room in rooms:
            self.nsp.adapter.remove(self.id, room)

    # -- receiving ----------------------------------------------------------------------------------------

    def _queue(self, packet: Packet, message: Sized) -> None:
        """An event that has to wait for its turn, and what it came in (or as much): its size counts."""
        if not self._turns.wait(packet, len(message), WAITING_EVENTS, self._client.waiting_bound):
            log.warning("%s: %s sends faster than its handlers end; disconnected", self.nsp.shown, self.id)
            self.nsp._counters.bad_packets += 1
            self._session.drop("parse error", "too many events waiting", 1008)

    def _dispatch(self, packet: Packet) -> None:
        if self._state != CONNECTED:
            return  # events behind a disconnect are dropped, as in Node
        data = packet.data
        name, args = data[0], data[1:]
        if name.__class__ is not str:
            # JavaScript may name events by numbers, and looks them up as text.
            name = str(int(name)) if name == int(name) else str(name)
        answer = None if packet.id is None else self._answer_to(packet.id)
        events = self.nsp._events
        if self._listeners is not None or events.any:
            screen(self, name, args, answer)
            return
        handlers = events.handlers.get(name)
        if handlers is not None:
            call_all(self, name, handlers, args, answer)

    # -- tasks and end --------------------------------------------------------------------------------------

    def create_task(self, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run a coroutine beside; its error is logged, and it is cancelled when this socket disconnects."""
        if self._tasks is None:
            self._tasks = set()
        return self.nsp.server._own_task(coroutine, self._tasks)

    def disconnect(self, close: bool = False) -> Emission:
        """Leave the namespace; with `close`, end the whole connection."""
        return self._in_loop(lambda: self._disconnects(close))

    def _disconnects(self, close: bool) -> None:
        if self._state != CONNECTED:
            return
        if close:
            self._client.disconnect()
            return
        self.nsp.adapter.before_leaving(self)
        self._client.dismiss(self.nsp.name)
        self._on_close("server namespace disconnect")

    def _on_close(self, reason: str) -> None:
        """The end, whoever caused it: told once."""
        if self._state != CONNECTED:
            return
        self._state = CLOSED
        self._client.forget(self)
        rooms = self._last_rooms = frozenset(self.nsp.adapter.sids.get(self.id, ()))
        if self.nsp._comebacks is not None:
            self.nsp._comebacks.leave(self, reason, rooms)
        self._abandon()
        self.nsp._socket_left(self, reason)

    def _abandon(self) -> None:
        """Let go of all that was waiting for this client."""
        self._turns.drop_waiting()
        self._emission = None  # which knows this socket
        if self._acks is not None:
            self._acks.abandon()
        if self._listeners is not None:
            self._listeners.abandon(Disconnected(f"socket {self.id} disconnected"))
        for task in tuple(self._tasks or ()):
            task.cancel()

    def __repr__(self) -> str:
        return f"<Socket {self.id} of {self.nsp.name}>"
