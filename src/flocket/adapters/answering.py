"""What a node does when others speak: it obeys, and answers from its own clients. One namespace's.

Knows the words nodes say; does not know what this node asks (brain.py), nor on which wire or bus they travel (link.py).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from flocket.adapters import messages as m
from flocket.adapters.link import Link
from flocket.adapters.translate import details_map, target_of
from flocket.codec.errors import DecodeError
from flocket.codec.frames import Frame
from flocket.codec.msgpack import pack
from flocket.codec.socketio import Packet, PacketType
from flocket.errors import EncodeError
from flocket.sockets.adapter import Adapter
from flocket.sockets.calls import FAILURES, failure_of
from flocket.sockets.delivery import deliver
from flocket.sockets.parsers import Encoded
from flocket.sockets.target import Target

if TYPE_CHECKING:
    from flocket.sockets.namespace import Namespace

__all__ = ["Answering"]

log = logging.getLogger("flocket")


class Answering(Adapter):
    """An Adapter to which other nodes may speak.

    `make_link` is called when the namespace is initialised, or speaks just before that: not before the server runs, or
    forks would share their node's uid.
    """

    def __init__(self, nsp: Namespace[Any], requests_timeout: float) -> None:
        super().__init__(nsp)
        self.requests_timeout = requests_timeout
        self._link: Link | None = None
        self._answering: set[asyncio.Task[None]] = set()

    @property
    def link(self) -> Link:
        """The way to the others. A namespace made a moment ago may speak before `init` lets it hear."""
        if self._link is None:
            self._link = self.make_link()
        return self._link

    def make_link(self) -> Link:
        """The link for this namespace."""
        raise NotImplementedError

    # -- life ---------------------------------------------------------------------------------------------

    async def init(self) -> None:
        link = self.link
        self.on("create_room", link.room_created)
        self.on("delete_room", link.room_deleted)
        await link.open(self.receive)

    async def close(self) -> None:
        for task in list(self._answering):
            task.cancel()
        await asyncio.gather(*self._answering, return_exceptions=True)
        if self._link is not None:
            await self._link.close()

    # -- what other nodes say ---------------------------------------------------------------------------

    def hear(self, response: m.Response) -> None:
        """Another node answers something that was asked here."""
        raise NotImplementedError

    def receive(self, message: m.Message, offset: str = "") -> None:
        """A message of another node, in its turn. Whatever it holds, this does not raise."""
        link = self.link
        if message.uid == link.uid:
            return
        link.counters.received += 1
        try:
            self._obey(message)
        except (DecodeError, EncodeError) as error:
            # Decoded well, but no client could be sent it: NaN, say. Nobody else is to blame.
            link.counters.bad_messages += 1
            log.debug("%s: a node's %s is ignored: %s", self.nsp.name, type(message).__name__, error)

    def _obey(self, message: m.Message) -> None:
        match message:
            case m.Broadcast(request_id=None):
                packet = Packet(PacketType.EVENT, self.nsp.name, message.data)
                self.broadcast_local(packet, target_of(message.opts))
            case m.BroadcastFrames():
                self._deliver_frames(message)
            case m.Broadcast():
                self._question_clients(message)
            case m.Response():
                self.hear(message)
            case m.Join():
                self.add_sockets_local(target_of(message.opts), message.rooms)
            case m.Leave():
                self.del_sockets_local(target_of(message.opts), message.rooms)
            case m.DisconnectSockets():
                self.disconnect_sockets_local(target_of(message.opts), message.close)
            case m.ServerSideEmit():
                self._run(self._answer_server_side(message))
            case _:
                self._answer(message)

    def _deliver_frames(self, message: m.BroadcastFrames) -> None:
        target = target_of(message.opts)
        frames = [Frame.of(payload, binary, compress=target.compress) for binary, payload in message.frames]
        packet = Packet(PacketType.EVENT, self.nsp.name)  # its data is read from the frames, if anybody looks
        event = f"{message.uid}-{message.event}"
        deliver(self.sockets_local(target), packet, target, self.nsp, Encoded(tuple(frames), event))

    def _answer(self, message: m.Message) -> None:
        uid, nsp = self.link.uid, self.nsp.name
        match message:
            case m.FetchSockets(request_id=request_id, opts=opts):
                sockets = [details_map(socket._details()) for socket in self.sockets_local(target_of(opts))]
                response = m.FetchSocketsResponse(uid=uid, nsp=nsp, request_id=request_id, sockets=sockets)
                self._reply_sockets(message.uid, response)
            case m.CountSockets(request_id=request_id, opts=opts):
                count = sum(1 for _ in self.sockets_local(target_of(opts)))
                self._reply(
                    message.uid, m.CountSocketsResponse(uid=uid, nsp=nsp, request_id=request_id, count=count)
                )
            case m.AllRooms(request_id=request_id):
                rooms = tuple(self.rooms)
                self._reply(
                    message.uid, m.AllRoomsResponse(uid=uid, nsp=nsp, request_id=request_id, rooms=rooms)
                )
            case m.SocketIds(request_id=request_id, rooms=named):
                ids = tuple(self._rooms.resolve(Target(rooms=named or None)))
                self._reply(
                    message.uid, m.SocketIdsResponse(uid=uid, nsp=nsp, request_id=request_id, sockets=ids)
                )
            case m.MoveOne(request_id=request_id, sid=sid):
                if sid in self.nsp.sockets:
                    self._move(message)
                    self._reply(message.uid, m.Done(uid=uid, nsp=nsp, request_id=request_id))

    def _move(self, message: m.MoveOne) -> None:
        if message.verb == "join":
            self.add_all(message.sid, (message.room,))
        elif message.verb == "leave":
            self.remove(message.sid, message.room)
        else:
            self.nsp.sockets[message.sid].disconnect(message.close)

    def _reply(self, to: str, response: m.Response) -> None:
        self.link.say(response, to)

    def _reply_sockets(self, to: str, response: m.FetchSocketsResponse) -> None:
        try:
            self._reply(to, response)
        except EncodeError:
            for socket in response.sockets:
                try:
                    pack(socket["data"])
                except EncodeError as error:
                    log.warning(
                        "%s: the data of socket %s cannot be sent: %s", self.nsp.name, socket["id"], error
                    )
                    socket["data"] = None
            self._reply(to, response)

    def _question_clients(self, message: m.Broadcast) -> None:
        """Ask this node's clients on behalf of another node."""
        uid, nsp, request_id = self.link.uid, self.nsp.name, message.request_id
        assert request_id is not None
        target = target_of(message.opts)

        def on_count(count: int) -> None:
            self._reply(
                message.uid, m.BroadcastClientCount(uid=uid, nsp=nsp, request_id=request_id, count=count)
            )

        def on_answer(answer: list[Any] | None) -> None:
            if answer is None:
                self._reply(message.uid, m.ClientGone(uid=uid, nsp=nsp, request_id=request_id))
                return
            value = answer[0] if answer else None
            try:
                said = m.BroadcastAck(uid=uid, nsp=nsp, request_id=request_id, value=value)
                self._reply(message.uid, said)
            except EncodeError:  # a client's number that no double holds, say: better no value than no answer
                self._reply(message.uid, m.BroadcastAck(uid=uid, nsp=nsp, request_id=request_id))

        packet = Packet(PacketType.EVENT, nsp, message.data)
        self.question_local(packet, target, target.timeout or self.requests_timeout, on_count, on_answer)

    async def _answer_server_side(self, message: m.ServerSideEmit) -> None:
        try:
            value = await self.nsp._on_server_side_emit(message.data)
        except FAILURES as error:  # or the node that asks would wait in vain
            log.error("%s: a handler of a server-side event failed", self.nsp.name, exc_info=failure_of(error))
            self.nsp._counters.handler_errors += 1
            value = None
        if message.request_id is None:
            return
        uid, nsp = self.link.uid, self.nsp.name
        try:
            self._reply(
                message.uid,
                m.ServerSideEmitResponse(uid=uid, nsp=nsp, request_id=message.request_id, value=value),
            )
        except EncodeError:
            log.exception("%s: what a handler of a server-side event answered cannot be sent", nsp)
            none = m.ServerSideEmitResponse(uid=uid, nsp=nsp, request_id=message.request_id)
            self._reply(message.uid, none)

    def _run(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)
