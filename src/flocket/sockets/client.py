"""One session that carries the sockets of many namespaces: decodes its packets and hands each to its socket.

Knows the session and its sockets; does not know handlers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from flocket.codec.errors import DecodeError
from flocket.codec.socketio import Packet, PacketType
from flocket.engine.deadlines import Deadline
from flocket.engine.session import Session
from flocket.sockets.contracts import Decoder

if TYPE_CHECKING:
    from flocket.sockets.namespace import Namespace
    from flocket.sockets.server import Server
    from flocket.sockets.socket import Socket

__all__ = ["Client"]

CONNECT, DISCONNECT, EVENT, ACK = PacketType.CONNECT, PacketType.DISCONNECT, PacketType.EVENT, PacketType.ACK


class Client:
    """The handler of one session, for all its namespaces."""

    __slots__ = ("_connecting", "_deadline", "_decoder", "_server", "_settled", "_sockets", "session")

    def __init__(self, server: Server[Any], session: Session) -> None:
        self.session = session
        self._server = server
        self._decoder: Decoder = server._parser.decoder()
        self._sockets: dict[str, Socket[Any]] = {}
        self._connecting: set[str] | None = None
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
            self._await_attachments()
            return
        if self._deadline is not None and self._settled:
            self._drop_deadline()  # the last attachment came
        socket = self._sockets.get(packet.nsp)
        if socket is None:
            self._for_nobody(packet)
        elif packet.type is EVENT:
            socket._on_event(packet)
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
        for socket in list(self._sockets.values()):
            socket._on_close(reason)

    def _for_nobody(self, packet: Packet) -> None:
        if packet.type == CONNECT:
            self._on_connect(packet)
        else:
            self.session.bad_packet("a packet for a namespace that is not connected")

    def _await_attachments(self) -> None:
        limits = self._server._limits
        if not self._sockets:
            # Parked attachments are memory: nobody who has not connected may have any.
            self.session.bad_packet("attachments before CONNECT")
        elif self._deadline is None:
            self._deadline = self._server._deadlines.after(limits.attachment_time, self._overdue)

    # -- namespaces -----------------------------------------------------------------------------------------

    def _on_connect(self, packet: Packet) -> None:
        name, auth = packet.nsp, packet.data or {}
        if self.session.protocol == 3:
            name, _, query = name.partition("?")
            auth = dict(parse_qsl(query, keep_blank_values=True))
        if self._connecting is None:
            self._connecting = set()
        if name in self._connecting:
            self.session.bad_packet("a second CONNECT to one namespace")
        elif len(self._sockets) + len(self._connecting) >= self._server._limits.namespaces:
            self.refuse(name, "Too many namespaces", None)
        else:
            self._connecting.add(name)
            self._server._drive(self._enter(name, auth))

    async def _enter(self, name: str, auth: dict[str, Any]) -> None:
        nsp: Namespace[Any] | None = await self._server._find_namespace(name, auth)
        if nsp is None:
            self.refuse(name, "Invalid namespace", None)
        else:
            await nsp._connect(self, auth)

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

    def refuse(self, name: str, message: str, data: Any) -> None:
        """Tell the client that it may not enter a namespace, and why."""
        self._ended_connecting(name)
        told: Any = {"message": message}
        if data is not None:
            told["data"] = data
        if self.session.protocol == 3:
            told = message if data is None else data
        self.send(Packet(PacketType.CONNECT_ERROR, name, told))

    def forget(self, socket: Socket[Any]) -> None:
        """A socket has left; the session stays, for the others or for a later CONNECT."""
        if self._sockets.get(socket.nsp.name) is socket:
            del self._sockets[socket.nsp.name]

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
            self._connecting.discard(name)
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
        self.session.close("forced close")

    def _overdue(self) -> None:
        self._deadline = None
        self.session.bad_packet("attachments that did not come in time")
