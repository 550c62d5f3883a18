"""One client in one namespace: emit, join, leave, data, disconnect; what comes from it.

Knows its session and namespace; does not know how others are reached (the adapter does).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence, Sized
from inspect import isawaitable
from threading import get_ident
from typing import TYPE_CHECKING, Any, Generic

from flocket.codec.socketio import Packet, PacketType
from flocket.engine.request import Request
from flocket.engine.session import Session
from flocket.errors import Disconnected
from flocket.sockets.answers import Acks
from flocket.sockets.asking import ask
from flocket.sockets.calls import Turns, call_all, failed
from flocket.sockets.emission import Emission
from flocket.sockets.generics import T
from flocket.sockets.handshake import Handshake
from flocket.sockets.hears import Hears
from flocket.sockets.one_client import OneClient
from flocket.sockets.remote import SocketDetails
from flocket.sockets.sends import RESERVED, BroadcastOperator, Sends, event_packet
from flocket.sockets.target import Target

if TYPE_CHECKING:
    from flocket.sockets.client import Client
    from flocket.sockets.namespace import Namespace
    from flocket.sockets.server import Server

__all__ = ["Socket"]

log = logging.getLogger("flocket")

CONNECTING, CONNECTED, CLOSED = range(3)

MARK = 65_536  # bytes waiting for a client from which on an awaited emission waits too: asyncio's high-water mark
WAITING_EVENTS = 10_000  # events of one client that wait for their turn; more, and it is disconnected


class Socket(Hears, Sends, Generic[T]):
    """One client in one namespace. `data` is yours; other nodes get a copy of it when they fetch.

    `to`, `except_` and `broadcast` mean others, never this client itself.
    """

    __slots__ = (
        "__weakref__",
        "_acks",
        "_auth",
        "_client",
        "_emission",
        "_farewell",
        "_handshake",
        "_issued",
        "_last_rooms",
        "_log_found",
        "_log_known",
        "_log_position",
        "_log_since",
        "_session",
        "_state",
        "_tasks",
        "_turns",
        "data",
        "id",
        "nsp",
        "pid",
        "recovered",
    )

    def __init__(self, sid: str, nsp: Namespace[T], client: Client, auth: dict[str, Any]) -> None:
        self.id = sid
        self.nsp = nsp
        self.data: T = nsp.server._make_data()
        self.recovered = False
        self.pid: str | None = None  # known to the client alone; only where recovery is on
        self._log_known: str | None = None
        self._log_found: dict[str, Any] | None = None
        self._log_since = self._log_position = 0  # positions of recovery's log: see Saved
        self._client = client
        self._session: Session = client.session
        self._auth = auth
        self._issued = int(nsp.server._runtime.wall() * 1000)
        self._handshake: Handshake | None = None
        self._acks: Acks | None = None
        self._emission: Emission | None = None
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

    # -- sending ------------------------------------------------------------------------------------------

    @property
    def _operator(self) -> BroadcastOperator:
        return self.broadcast

    @property
    def broadcast(self) -> BroadcastOperator:
        """Everyone else in the namespace."""
        return BroadcastOperator(self.nsp, Target(except_rooms=(self.id,)))

    def emit(self, event: str, *args: Any) -> Emission:
        """Send this client an event. A plain call: the values are encoded at once."""
        nsp = self.nsp
        if event.__class__ is str and event not in RESERVED and self._outgoing is None and self.pid is None:
            frame = nsp._parser.single(nsp._event_head, [event, *args])
            if frame is not None and (get_ident() == nsp.server._runtime.thread or not nsp.server._elsewhere()):
                if self._state == CONNECTED:
                    self._session.send(frame)
                    nsp._counters.events_out += 1
                return self._emission or self._make_emission()
        return self._send_event(event_packet(nsp.name, event, args), True, False)

    def _make_emission(self) -> Emission:
        # One for all: it holds nothing of what was sent.
        emission = self._emission = Emission(lambda: self.nsp.server._settled(self._drained))
        return emission

    @property
    def volatile(self) -> OneClient:  # type: ignore[override]  # to itself, where Sends means others
        """May be lost if this client is not ready to receive."""
        return OneClient(self, Target(volatile=True))

    def compress(self, compress: bool) -> OneClient:  # type: ignore[override]  # as above
        return OneClient(self, Target(compress=compress))

    def timeout(self, seconds: float) -> OneClient:  # type: ignore[override]  # as above
        """How long `emit_with_ack` waits, in place of the server's `ack_timeout`."""
        return OneClient(self, Target().within(seconds))

    async def emit_with_ack(self, event: str, *args: Any) -> Any:
        """Send an event and return the client's answer: its value, a tuple if it sent several.

        Raises AckTimeout when it comes too late, Disconnected at once when the client is gone.
        """
        return await ask(self, event, args, Target())

    def _send_event(self, packet: Packet, compress: bool, volatile: bool) -> Emission:
        server = self.nsp.server
        encoded = self.nsp._parser.encode(packet, compress)
        if server._elsewhere():
            server._runtime.post(lambda: self._send_frames(packet, encoded, volatile))
        else:
            self._send_frames(packet, encoded, volatile)
        return self._emission or self._make_emission()

    def _send_frames(self, packet: Packet, encoded: Any, volatile: bool) -> None:
        session = self._session
        if self._state != CONNECTED:
            return
        if volatile and not session.writable:
            self.nsp._counters.volatile_dropped += 1
            return
        if self.pid is not None and packet.id is None:
            adapter = self.nsp.adapter
            target = Target((self.id,), volatile=volatile, compress=encoded.frames[0].compress)
            if volatile:
                adapter.broadcast_local(packet, target)
            else:
                adapter.unicast(packet, target)
            return
        if self._outgoing is not None:
            self._tell_outgoing(packet.data)
        for frame in encoded.for_protocol(session.protocol):
            session.send(frame)
        self.nsp._counters.events_out += 1

    def _acks_made(self) -> Acks:
        if self._acks is None:
            self._acks = Acks()
        return self._acks

    @property
    def _behind(self) -> bool:
        """Whether more waits for this client than an awaited emission adds to."""
        return self._session.open and self._session.buffered > MARK

    async def _drained(self) -> None:
        await asyncio.sleep(0)
        if self._behind:
            drained = asyncio.Event()
            self._session.when_drained(drained.set)
            await drained.wait()

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

    def _on_event(self, packet: Packet, message: Sized) -> None:
        """An event, and what it came in (or as much): if it has to wait, its size counts."""
        self.nsp._counters.events_in += 1
        if self._turns.idle:
            self._dispatch(packet)
        elif not self._turns.wait(packet, len(message), WAITING_EVENTS, self._client.waiting_bound):
            log.warning("%s: %s sends faster than its handlers end; disconnected", self.nsp.shown, self.id)
            self._session.drop("parse error", "too many events waiting", 1008)

    def _dispatch(self, packet: Packet) -> None:
        if self._state != CONNECTED:
            return  # events behind a disconnect are dropped, as in Node
        name, *args = packet.data
        if name.__class__ is not str:
            # JavaScript may name events by numbers, and looks them up as text.
            name = str(int(name)) if name == int(name) else str(name)
        answer = None if packet.id is None else self._answer_to(packet.id)
        events = self.nsp._events
        if self._listeners is not None or events.any:
            self._screen(name, args, answer)
            return
        handlers = events.handlers.get(name)
        if handlers is not None:
            call_all(self, name, handlers, args, answer)

    def _screen(self, name: str, args: list[Any], answer: Callable[[Any], None] | None) -> None:
        """Ask this client's guards. The first that has to be awaited holds up the events behind, so none overtakes."""
        guards = () if self._listeners is None else tuple(self._listeners.guards)
        for index, guard in enumerate(guards):
            try:
                result = guard(name, args)
            except Exception as error:
                failed(self, name, error, answer)
                return
            if isawaitable(result):
                self._turns.hold(self._screen_on(result, guards[index + 1 :], name, args, answer))
                return
        self._hand_over(name, args, answer)

    async def _screen_on(
        self,
        begun: Awaitable[Any],
        guards: Sequence[Callable[..., Any]],
        name: str,
        args: list[Any],
        answer: Callable[[Any], None] | None,
    ) -> None:
        self._turns.beginning -= 1
        try:
            await begun
            for guard in guards:
                await self.nsp.server._await_if_needed(guard(name, args))
        except Exception as error:
            failed(self, name, error, answer)
        else:
            self._hand_over(name, args, answer)
        finally:
            self._turns.release()

    def _hand_over(self, name: str, args: list[Any], answer: Callable[[Any], None] | None) -> None:
        """Show an event to those who watch all, then call its handlers: the namespace's, then this client's."""
        call = self.nsp.server._call_watcher
        for watcher in tuple(self.nsp._events.any):
            call(watcher, (self, name, *args))
        for watcher in () if self._listeners is None else tuple(self._listeners.any):
            call(watcher, (name, *args))
        if self._state != CONNECTED:
            return
        own = [] if self._listeners is None else self._listeners.taken(name)
        handlers = [*self.nsp._events.handlers.get(name, ()), *own]
        if handlers:  # or nobody answers, and the client's own timeout tells it so
            call_all(self, name, handlers, args, answer)

    def _answer_to(self, ack_id: int) -> Callable[[Any], None]:
        answered = False

        def answer(value: Any) -> None:
            nonlocal answered
            if answered or self._state != CONNECTED:
                return
            values = list(value) if isinstance(value, tuple) else [] if value is None else [value]
            nsp = self.nsp
            frame = nsp._parser.single(b"%b%d" % (nsp._ack_head, ack_id), values)
            if frame is not None:
                answered = True
                self._session.send(frame)
                return
            encoded = nsp._parser.encode(Packet(PacketType.ACK, nsp.name, values, ack_id))
            answered = True
            for frame in encoded.for_protocol(self._session.protocol):
                self._session.send(frame)

        return answer

    def _on_ack(self, packet: Packet) -> None:
        if self._acks is not None and packet.id is not None:
            self._acks.answer(packet.id, packet.data)

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
