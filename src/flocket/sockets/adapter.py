"""Adapter: who is in which room and how an emission reaches them. The base, and the adapter of a lone node.

An author who joins several nodes inherits it and adds the others to each method. Knows one namespace.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from copy import deepcopy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from flocket.codec.socketio import Packet
from flocket.engine.deadlines import Deadline
from flocket.errors import ConfigError
from flocket.options import Recovery
from flocket.sockets.answers import Answers
from flocket.sockets.delivery import deliver
from flocket.sockets.recovery import Restored, Saved, SessionLog
from flocket.sockets.remote import SocketDetails
from flocket.sockets.rooms import ROOM_EVENTS, Rooms
from flocket.sockets.target import EVERYONE, Target

if TYPE_CHECKING:
    from flocket.sockets.namespace import Namespace
    from flocket.sockets.socket import Socket

__all__ = ["Adapter"]

log = logging.getLogger("flocket")


class Adapter:
    """One namespace's adapter, made by the server with the namespace; everything runs in the server's loop.

    What is called `*_local` means this process alone, and is what a message from another node ends in.
    """

    def __init__(self, nsp: Namespace[Any]) -> None:
        self.nsp = nsp
        self._listeners: dict[str, list[Callable[..., object]]] = {}
        self._rooms = Rooms(self._tell)
        self.log: SessionLog | None = None if nsp.server._recovery is None else self.make_log(nsp.server._recovery)

    # -- life ---------------------------------------------------------------------------------------------

    async def init(self) -> None:
        """Called once, before the namespace's first socket."""

    async def close(self) -> None:
        """Called once, when the server closes or a dynamic namespace is given up."""

    # -- rooms --------------------------------------------------------------------------------------------

    @property
    def rooms(self) -> dict[str, set[str]]:
        """Room to the ids of this process's sockets in it. Yours to read."""
        return self._rooms.rooms

    @property
    def sids(self) -> dict[str, set[str]]:
        """Id to its rooms, for the sockets of this process. Yours to read."""
        return self._rooms.sids

    def sockets(self, rooms: Iterable[str] | None = None) -> set[str]:
        """The ids of this process's sockets that are in any of the rooms, or of all; a copy."""
        if isinstance(rooms, str):
            raise ConfigError(f"rooms={rooms!r:.80}: a set or a list of rooms")
        return set(self._rooms.resolve(EVERYONE if rooms is None else EVERYONE.to(*rooms)))

    def socket_rooms(self, sid: str) -> set[str] | None:
        """The rooms of a socket of this process, a copy; None if there is no such socket."""
        rooms = self._rooms.sids.get(sid)
        return None if rooms is None else set(rooms)

    def on(self, event: str, listener: Callable[..., object]) -> None:
        """Plain functions for `create_room` and `delete_room` (room), `join_room` and `leave_room` (room, id)."""
        if event not in ROOM_EVENTS:
            raise ConfigError(f"{event!r:.80}: an adapter tells of {', '.join(ROOM_EVENTS)}")
        self._listeners.setdefault(event, []).append(listener)

    def _tell(self, event: str, *args: str) -> None:
        for listener in self._listeners.get(event, ()):
            try:
                listener(*args)
            except Exception:  # the user's own mistake must not leave a socket half in a room
                self.nsp._counters.handler_errors += 1
                log.exception("%s: a listener of %r failed", self.nsp.shown, event)

    def add_all(self, sid: str, rooms: Iterable[str]) -> None:
        """A socket of this process joins rooms."""
        self._rooms.add(sid, rooms)

    def remove(self, sid: str, room: str) -> None:
        """A socket of this process leaves a room."""
        self._rooms.remove(sid, room)

    def remove_all(self, sid: str) -> None:
        """A socket of this process is gone."""
        self._rooms.remove_all(sid)

    def before_leaving(self, socket: Socket[Any]) -> None:
        """This process is about to disconnect a socket: what an adapter still holds for it goes first."""

    async def settled(self) -> None:
        """Return once every `add_all` so far is known to the other nodes."""
        await asyncio.sleep(0)

    # -- emissions ----------------------------------------------------------------------------------------

    def broadcast(self, packet: Packet, target: Target) -> None:
        """Send a packet to the sockets meant. Must encode at once, and not block."""
        if not self.broadcast_local(packet, target):
            self.nsp._parser.encode(
                packet
            )  # a value that cannot be sent is an error also while nobody listens

    def broadcast_local(self, packet: Packet, target: Target) -> int:
        """Send a packet to those of this process; to how many it went."""
        return deliver(self.sockets_local(target), packet, target, self.nsp)

    def unicast(self, packet: Packet, target: Target) -> None:
        """Send a packet to one socket of this process, by its id, in the way that can be recovered."""
        self.broadcast_local(packet, target)

    async def drained(self, target: Target) -> None:
        """Return once the buffers that an emission to `target` fills are below their mark."""
        await asyncio.sleep(0)
        for socket in [socket for socket in self.sockets_local(target) if socket._behind]:
            await socket._drained()

    async def broadcast_with_ack(self, packet: Packet, target: Target, timeout: float) -> Answers:
        """Ask the sockets meant; one value of each. Raises AckTimeout with what came within `timeout` seconds."""
        return await self.ask_local(packet, target, timeout)

    async def ask_local(self, packet: Packet, target: Target, timeout: float) -> Answers:
        """Ask those of this process."""
        done = asyncio.Event()
        values: list[Any] = []
        asked = 0

        def on_count(count: int) -> None:
            nonlocal asked
            asked = count

        def on_answer(answer: list[Any] | None) -> None:
            nonlocal asked
            if answer is None:
                asked -= 1
            else:
                values.append(answer[0] if answer else None)
            if len(values) >= asked:
                done.set()

        self.question_local(packet, target, timeout, on_count, on_answer)
        if asked > len(values):
            await self.nsp.server._within(timeout, done, values)
        return Answers(values)

    def question_local(
        self,
        packet: Packet,
        target: Target,
        timeout: float,
        on_count: Callable[[int], None],
        on_answer: Callable[[list[Any] | None], None],
    ) -> None:
        """Ask those of this process without waiting.

        `on_count` is told at once how many were asked, then `on_answer` each client's values, or None for a client
        that is gone. After `timeout` seconds answers are no longer listened for.
        """
        ack_id = packet.id = self.nsp._next_ack_id()
        sockets = self.sockets_local(target)
        owed = len(sockets)
        deadline: Deadline | None = None

        def forget() -> None:
            for socket in sockets:
                if socket._acks is not None:
                    socket._acks.forget(ack_id)

        def on_one(values: list[Any] | None) -> None:
            nonlocal owed
            owed -= 1
            if not owed:
                self.nsp.server._deadlines.cancel(deadline)  # or it would keep all these sockets until its time
            on_answer(values)

        on_count(owed)
        for socket in sockets:
            socket._acks_made().expect(ack_id, on_one)
        try:
            deliver(sockets, packet, target, self.nsp)
        except BaseException:
            forget()
            raise
        if owed:
            deadline = self.nsp.server._deadlines.after(timeout, forget)

    # -- the sockets themselves -----------------------------------------------------------------------------

    def sockets_local(self, target: Target) -> list[Socket[Any]]:
        """The sockets of this process that the target means; a copy, as whoever is told may leave."""
        sockets = self.nsp.sockets
        # Copies: sending to one that does not read may end it, and its rooms with it, while we are in the middle.
        if target.rooms is None and not target.except_rooms:
            return list(sockets.values())
        found = map(sockets.get, self._rooms.resolve(target))
        return [socket for socket in found if socket is not None]

    async def fetch_sockets(self, target: Target) -> list[SocketDetails]:
        """What the sockets meant are now, of every node."""
        return [_copied(socket._details()) for socket in self.sockets_local(target)]

    async def count(self, target: Target) -> int:
        """How many sockets are meant, of every node."""
        return len(self.sockets_local(target))

    async def server_count(self) -> int:
        """How many nodes there are, this one included."""
        return 1

    def add_sockets(self, target: Target, rooms: tuple[str, ...]) -> None:
        """Make the sockets meant join rooms."""
        self.add_sockets_local(target, rooms)

    def add_sockets_local(self, target: Target, rooms: tuple[str, ...]) -> None:
        for socket in self.sockets_local(target):
            self.add_all(socket.id, rooms)

    def del_sockets(self, target: Target, rooms: tuple[str, ...]) -> None:
        """Make the sockets meant leave rooms."""
        self.del_sockets_local(target, rooms)

    def del_sockets_local(self, target: Target, rooms: tuple[str, ...]) -> None:
        for socket in self.sockets_local(target):
            for room in rooms:
                self.remove(socket.id, room)

    def disconnect_sockets(self, target: Target, close: bool) -> None:
        """Disconnect the sockets meant."""
        self.disconnect_sockets_local(target, close)

    def disconnect_sockets_local(self, target: Target, close: bool) -> None:
        for socket in self.sockets_local(target):
            socket.disconnect(close)

    # -- recovery -------------------------------------------------------------------------------------------

    def make_log(self, recovery: Recovery) -> SessionLog | None:
        """What keeps events for clients that may come back; None for an adapter whose broker does."""
        return SessionLog(recovery, self.nsp.server._runtime.now)

    def persist_session(self, saved: Saved) -> None:
        """A socket of this process has gone, and may come back, here or to another node."""
        if self.log is not None:
            self.log.save(saved)

    async def restore_session(self, pid: str, offset: str | None) -> Restored | None:
        """A client claims to have been `pid`, and to have received all up to `offset`.

        Whatever is emitted after this has returned is the caller's to deliver: it goes on at once.
        """
        return None if self.log is None else self.log.take(pid, offset)

    # -- node to node ---------------------------------------------------------------------------------------

    def server_side_emit(self, args: list[Any]) -> None:
        """Send an event (name first) to the other nodes. A lone node has none."""

    async def server_side_emit_with_ack(self, args: list[Any], timeout: float) -> Answers:
        """Send an event to the other nodes and gather one answer of each."""
        return Answers()


def _copied(details: SocketDetails) -> SocketDetails:
    # As from another node: whoever fetches gets facts, not a hand on the socket itself.
    try:
        return replace(details, data=deepcopy(details.data))
    except Exception:  # the user's own class may hold a lock, a connection, anything
        return details
