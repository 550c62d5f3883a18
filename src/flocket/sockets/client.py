"""One session that carries the sockets of many namespaces: decodes its packets and hands each to its socket.

Knows the session and its sockets; does not know handlers.
"""

from __future__ import annotations

import logging
from collections.abc import Sized
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from flocket.codec.errors import DecodeError
from flocket.codec.socketio import Packet, PacketType
from flocket.engine.deadlines import Deadline
from flocket.engine.session import Session
from flocket.errors import EncodeError
from flocket.sockets.calls import FAILURES, failure_of
from flocket.sockets.contracts import Decoder

if TYPE_CHECKING:
    from flocket.sockets.namespace import Namespace
    from flocket.sockets.server import Server
    from flocket.sockets.socket import Socket

__all__ = ["Attempt", "Client"]

log = logging.getLogger("flocket")

CONNECT, DISCONNECT, EVENT, ACK = PacketType.CONNECT, PacketType.DISCONNECT, PacketType.EVENT, PacketType.ACK


class Attempt:
    """One CONNECT, from when it comes until it is decided."""

    __slots__ = ("auth", "replaced")

    def __init__(self, auth: dict[str, Any]) -> None:
        self.auth = auth
        self.replaced = False  # by another CONNECT of the client to the same namespace


class Client:
    """The handler of one session, for all its namespaces."""

    __slots__ = (
        "_connecting", "_deadline", "_decoder", "_left", "_parked", "_replaced", "_server", "_settled", "_sockets",
        "session",
    )  # fmt: skip

    def __init__(self, server: Server[Any], session: Session) -> None:
        self.session = session
        self._server = server
        self._decoder: Decoder = server._parser.decoder()
        self._sockets: dict[str, Socket[Any]] = {}
        self._connecting: dict[str, Attempt] | None = None
        self._replaced = 0  # attempts that count no more, and whose middlewares still run
        self._left: set[str] | None = None  # namespaces from which we disconnected it
        self._parked = 0  # bytes of a packet whose attachments are not all there
        self._deadline: Deadline | None = server._deadlines.after(server._connect_timeout, self._idle)
        self._settled = False
        server._engine.unconnected += 1

    def start(self) -> None:
        """The session is ready: clients 2.x are in "/" without asking."""
        if self.session.protocol == 3:
            self._on_connect(Packet(CONNECT, "/"))

    # -- from the session -----------------------------------------------------------------------------------

    def on_message(self, data: str | bytes) -> None:
        """One message of the client: usually a whole packet."""
        try:
            packet = self._decoder.add(data)
        except DecodeError as error:
            self.session.bad_packet(error)
            return
        if packet is None:
            self._await_attachments(data)
            return
        message: Sized = data
        if self._deadline is not None and self._settled:
            self._drop_deadline()  # the last attachment came
            message = range(self._parked + len(data))  # as long as all of them
        socket = self._sockets.get(packet.nsp)
        if socket is None:
            self._for_nobody(packet)
        elif packet.type is EVENT:
            socket.nsp._counters.events_in += 1
            if socket._turns.idle:
                socket._dispatch(packet)
            else:
                socket._queue(packet, message)
        elif packet.type is ACK:
            socket._on_ack(packet)
        elif packet.type is DISCONNECT:
            socket._on_close("client namespace disconnect")
        else:
            self.session.bad_packet("a second CONNECT to one namespace")

    def on_drain(self) -> None:
        pass

    def on_close(self, reason: str, description: str) -> None:
        """The session has ended, and so have all its sockets."""
        self._settle()
        self._drop_deadline()
        self._decoder = self._server._parser.decoder()  # attachments of a packet that never will be whole are freed
        for socket in list(self._sockets.values()):
            socket._on_close(reason)

    def _for_nobody(self, packet: Packet) -> None:
        if packet.type == CONNECT:
            self._on_connect(packet)
        elif self._left is None or packet.nsp not in self._left:
            self.session.bad_packet("a packet for a namespace that is not connected")
        # Else it was on its way when we disconnected the client from there: no fault of the client's.

    def _await_attachments(self, message: str | bytes) -> None:
        limits = self._server._limits
        if not self._sockets and self._left is None:
            # Parked attachments are memory: nobody who has not connected may have any.
            self.session.bad_packet("attachments before CONNECT")
        elif self._deadline is None:
            self._parked = len(message)
            self._deadline = self._server._deadlines.after(limits.attachment_time, self._overdue)
        else:
            self._parked += len(message)

    @property
    def waiting_bound(self) -> int:
        """Bytes that its events may hold while they wait for their turn: as many as attachments may."""
        return self._server._limits.attachment_bytes

    # -- namespaces -----------------------------------------------------------------------------------------

    def _on_connect(self, packet: Packet) -> None:
        name, auth = packet.nsp, packet.data or {}
        if self.session.protocol == 3:
            name, _, query = name.partition("?")
            auth = dict(parse_qsl(query, keep_blank_values=True))
        connecting = self._connecting or {}
        if len(self._sockets) + len(connecting) + self._replaced >= self._server._limits.namespaces:
            self._server.counters.refused += 1
            self._tell_refusal(name, "Too many namespaces", None)
        else:
            # The official client connects, disconnects and connects again before it is answered, and says nothing of
            # the second: another CONNECT takes the place of one that is not decided yet.
            former = connecting.get(name)
            if former is not None:
                former.replaced = True
                self._replaced += 1
            attempt = connecting[name] = Attempt(auth)
            self._connecting = connecting
            if self._left is not None:
                self._left.discard(name)
            self._server._run_handler(self._enter(name, attempt))

    async def _enter(self, name: str, attempt: Attempt) -> None:
        try:
            nsp: Namespace[Any] | None = await self._server._find_namespace(name, attempt.auth)
            if nsp is None:
                # Node's server gives clients 2.x only of a middleware's refusal less than all of it.
                whole = {"message": "Invalid namespace"} if self.session.protocol == 3 else None
                self.refuse(name, attempt, "Invalid namespace", whole)
            else:
                await nsp._connect(self, attempt)
        except FAILURES as error:
            failure = failure_of(error)
            self._server.counters.handler_errors += 1
            log.error("%r: a client could not be connected", name[:80], exc_info=failure)
            if name not in self._sockets:
                self.refuse(name, attempt, "internal error", None)
        finally:
            self._replaced -= attempt.replaced

    def socket_id(self, nsp: str) -> str:
        """The id of a new socket. Clients 2.x know theirs from the session's."""
        if self.session.protocol == 3:
            return self.session.id if nsp == "/" else f"{nsp}#{self.session.id}"
        return self._server._make_sid()

    def admit(self, socket: Socket[Any]) -> None:
        """A namespace has let it in."""
        self._ended_connecting(socket.nsp.name)
        self._sockets[socket.nsp.name] = socket
        self._settle()
        told = {"sid": socket.id}
        if socket.pid is not None:
            told["pid"] = socket.pid
        self.send(Packet(CONNECT, socket.nsp.name, None if self.session.protocol == 3 else told))

    def refuse(self, name: str, attempt: Attempt, message: str, data: Any) -> None:
        """Tell the client that it may not enter a namespace, and why."""
        if not attempt.replaced:
            self._ended_connecting(name)
            self._tell_refusal(name, message, data)

    def _tell_refusal(self, name: str, message: str, data: Any) -> None:
        told: Any = {"message": message}
        if data is not None:
            told["data"] = data
        if self.session.protocol == 3:
            # Clients 2.x are told the data or, if JavaScript takes it for false, the message.
            told = message if data in (None, 0, "") else data
        try:
            self.send(Packet(PacketType.CONNECT_ERROR, name, told))
        except EncodeError as error:
            log.error("%r: the data of a ConnectError: %s", name, error)
            self._tell_refusal(name, message, None)

    def forget(self, socket: Socket[Any]) -> None:
        """A socket has left; the session stays, for the others or for a later CONNECT."""
        if self._sockets.get(socket.nsp.name) is socket:
            del self._sockets[socket.nsp.name]

    def dismiss(self, name: str) -> None:
        """The server disconnects it from a namespace. What it sent there before it knows is not heard."""
        self.send(Packet(DISCONNECT, name))
        if self._left is None:
            self._left = set()
        elif len(self._left) >= self._server._limits.namespaces:
            self._left.pop()
        self._left.add(name)

    def disconnect(self) -> None:
        """The server ends the whole connection."""
        for socket in list(self._sockets.values()):
            socket._disconnects(False)
        self.session.close("forced server close")

    def send(self, packet: Packet) -> None:
        """Send a packet of the protocol itself."""
        for frame in self._server._parser.encode(packet).for_protocol(self.session.protocol):
            self.session.send(frame)

    def _ended_connecting(self, name: str) -> None:
        if self._connecting is not None:
            self._connecting.pop(name, None)
            if not self._connecting:
                self._connecting = None

    # -- deadlines ------------------------------------------------------------------------------------------

    def _settle(self) -> None:
        """It is in a namespace, or gone: no longer one of those who only hold a place."""
        if not self._settled:
            self._settled = True
            self._server._engine.unconnected -= 1
            self._drop_deadline()

    def _drop_deadline(self) -> None:
        self._server._deadlines.cancel(self._deadline)
        self._deadline = None

    def _idle(self) -> None:
        self._deadline = None
        self._server.counters.connect_timeouts += 1
        self.session.close("forced close")

    def _overdue(self) -> None:
        self._deadline = None
        self.session.bad_packet("attachments that did not come in time")
