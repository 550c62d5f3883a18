"""The brain of a cluster's adapter: asks the other nodes, answers them, counts the answers, gives up in time.

One namespace's. Knows the words nodes say; does not know on which wire or bus they travel (link.py).
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from flocket.adapters import messages as m
from flocket.adapters.link import Link
from flocket.adapters.questions import Question
from flocket.adapters.translate import details_from, details_map, options_of, target_of
from flocket.codec.errors import DecodeError
from flocket.codec.frames import Frame
from flocket.codec.msgpack import pack
from flocket.codec.socketio import Packet, PacketType
from flocket.errors import AckTimeout, EncodeError
from flocket.sockets.adapter import Adapter
from flocket.sockets.answers import Answers
from flocket.sockets.delivery import deliver
from flocket.sockets.parsers import Encoded
from flocket.sockets.remote import SocketDetails
from flocket.sockets.target import Target

if TYPE_CHECKING:
    from flocket.sockets.namespace import Namespace

__all__ = ["ClusterNamespace", "make_request_id"]

log = logging.getLogger("flocket")

_RECOUNT = 0.5  # seconds: a node known to be dead is left out within a second


def make_request_id() -> str:
    """16 hexadecimal digits, as Node's ClusterAdapter makes them."""
    return os.urandom(8).hex()


class ClusterNamespace(Adapter):
    """An Adapter whose emissions, questions and changes reach the sockets of every node.

    `make_link` is called when the namespace is initialised: not before, or forks would share their node's
    uid.
    """

    def __init__(self, nsp: Namespace[Any], requests_timeout: float = 5.0) -> None:
        super().__init__(nsp)
        self.requests_timeout = requests_timeout
        self.questions: dict[str, Question] = {}
        self._link: Link | None = None
        self._answering: set[asyncio.Task[None]] = set()

    @property
    def link(self) -> Link:
        assert self._link is not None, "the adapter is used before init()"
        return self._link

    def make_link(self) -> Link:
        """The link for this namespace."""
        raise NotImplementedError

    # -- life ---------------------------------------------------------------------------------------------

    async def init(self) -> None:
        link = self._link = self.make_link()
        self.on("create_room", link.room_created)
        self.on("delete_room", link.room_deleted)
        await link.open(self.receive)

    async def close(self) -> None:
        for task in list(self._answering):
            task.cancel()
        await asyncio.gather(*self._answering, return_exceptions=True)
        if self._link is not None:
            await self._link.close()

    # -- what this process says -----------------------------------------------------------------------------

    def broadcast(self, packet: Packet, target: Target) -> None:
        if target.local or target.rooms == ():
            super().broadcast(packet, target)
            return
        try:
            encoded = self.link.broadcast(packet, target)
        except EncodeError:
            self._blame(packet, target)
            raise
        deliver(self.sockets_local(target), packet, target, self.nsp, encoded)

    def _blame(self, packet: Packet, target: Target) -> None:
        # The path in a wire's error begins at its envelope: the packet's own is what the caller knows.
        self.nsp._parser.encode(packet, target.compress)

    def _ask_others(self, question: Question, asked: m.Message, packet: Packet, target: Target) -> None:
        try:
            self.link.ask(question, asked)
        except EncodeError:
            self._blame(packet, target)
            raise

    async def drained(self, target: Target) -> None:
        await super().drained(target)
        if not target.local and self._link is not None:  # a dynamic namespace's parent has none: its children have
            await self._link.drained()

    async def settled(self) -> None:
        await super().settled()
        if self._link is not None:
            await self._link.settled()

    def add_sockets(self, target: Target, rooms: tuple[str, ...]) -> None:
        self._say(target, m.Join(uid=self.link.uid, nsp=self.nsp.name, opts=options_of(target), rooms=rooms))
        self.add_sockets_local(target, rooms)

    def del_sockets(self, target: Target, rooms: tuple[str, ...]) -> None:
        self._say(target, m.Leave(uid=self.link.uid, nsp=self.nsp.name, opts=options_of(target), rooms=rooms))
        self.del_sockets_local(target, rooms)

    def disconnect_sockets(self, target: Target, close: bool) -> None:
        opts = options_of(target)
        self._say(target, m.DisconnectSockets(uid=self.link.uid, nsp=self.nsp.name, opts=opts, close=close))
        self.disconnect_sockets_local(target, close)

    def _say(self, target: Target, message: m.Message) -> None:
        if not target.local and target.rooms != ():
            self.link.say(message)

    def server_side_emit(self, args: list[Any]) -> None:
        pack(args)  # names the place of what cannot be sent
        self.link.say(m.ServerSideEmit(uid=self.link.uid, nsp=self.nsp.name, data=args))

    # -- what it asks -----------------------------------------------------------------------------------

    async def server_count(self) -> int:
        return await self.link.server_count()

    async def server_side_emit_with_ack(self, args: list[Any], timeout: float) -> Answers:
        pack(args)
        question = Question(make_request_id())
        asked = m.ServerSideEmit(
            uid=self.link.uid, nsp=self.nsp.name, data=args, request_id=question.request_id
        )
        return await self._ask(question, asked, timeout, "server_side_emit_with_ack")

    async def fetch_sockets(self, target: Target) -> list[SocketDetails]:
        local = await super().fetch_sockets(target)
        if target.local or target.rooms == ():
            return local
        question = Question(make_request_id())
        asked = m.FetchSockets(
            uid=self.link.uid, nsp=self.nsp.name, request_id=question.request_id, opts=options_of(target)
        )
        question.values += local
        return await self._ask(question, asked, target.timeout or self.requests_timeout, "fetch_sockets")

    async def count(self, target: Target) -> int:
        local = await super().count(target)
        if target.local or target.rooms == ():
            return local
        question = Question(make_request_id())
        asked = m.CountSockets(
            uid=self.link.uid, nsp=self.nsp.name, request_id=question.request_id, opts=options_of(target)
        )
        answers = await self._ask(question, asked, target.timeout or self.requests_timeout, "count")
        # A wire without a word for counting has the sockets themselves.
        return local + sum(answer if isinstance(answer, int) else 1 for answer in answers)

    async def broadcast_with_ack(self, packet: Packet, target: Target, timeout: float) -> Answers:
        if target.local or target.rooms == ():
            return await self.ask_local(packet, target, timeout)
        question = Question(make_request_id())
        asked = m.Broadcast(
            uid=self.link.uid,
            nsp=self.nsp.name,
            data=packet.data,
            opts=options_of(target, timeout),
            request_id=question.request_id,
        )
        self.questions[question.request_id] = question

        def on_answer(answer: list[Any] | None) -> None:
            if answer is None:
                question.client_gone("")
            else:
                question.client_answer("", answer[0] if answer else None)

        try:
            # Our own first: with no other node there, asking the others would be the end of it.
            self.question_local(packet, target, timeout, question.count_own, on_answer)
            self._ask_others(question, asked, packet, target)
            return await self._gather(question, timeout, "emit_with_ack")
        finally:
            del self.questions[question.request_id]

    async def ask_nodes(self, make: Callable[[str], m.Message], uid: str = "") -> Answers:
        """Ask every other node, or the one `uid`; `make` gives the question for a request's id."""
        question = Question(make_request_id())
        asked = make(question.request_id)
        if not uid:
            return await self._ask(question, asked, self.requests_timeout, type(asked).__name__)
        question.expect_nodes((uid,))
        self.questions[question.request_id] = question
        try:
            self.link.say(asked, uid)
            return await self._gather(question, self.requests_timeout, type(asked).__name__)
        finally:
            del self.questions[question.request_id]

    async def _ask(self, question: Question, asked: m.Message, timeout: float, what: str) -> Answers:
        self.questions[question.request_id] = question
        try:
            self.link.ask(question, asked)
            return await self._gather(question, timeout, what)
        finally:
            del self.questions[question.request_id]

    async def _gather(self, question: Question, timeout: float, what: str) -> Answers:
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout
        while not question.done.is_set():
            left = end - loop.time()
            if left <= 0:
                self.link.counters.questions_timed_out += 1
                raise AckTimeout(f"{what}: {question.state} within {timeout:g} s", list(question.values))
            try:
                async with asyncio.timeout(min(left, _RECOUNT)):
                    await question.done.wait()
            except TimeoutError:
                await self.link.recount(question)
        if question.error is not None:
            raise question.error
        return question.answers

    def peer_lost(self, uid: str) -> None:
        """A node is known to be gone."""
        for question in list(self.questions.values()):
            question.lost(uid)

    # -- what other nodes say ---------------------------------------------------------------------------

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
                question = self.questions.get(message.request_id)
                if question is not None:
                    _hear(question, message)
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
        except Exception:
            log.exception("%s: a handler of a server-side event failed", self.nsp.name)
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


def _hear(question: Question, response: m.Response) -> None:
    uid = response.uid
    match response:
        case m.FetchSocketsResponse(sockets=sockets):
            question.answer(uid, map(details_from, sockets))
        case m.CountSocketsResponse(count=count):
            question.answer(uid, (count,))
        case m.ServerSideEmitResponse(value=value):
            question.answer(uid, (value,))
        case m.AllRoomsResponse(rooms=values) | m.SocketIdsResponse(sockets=values):
            question.answer(uid, values)
        case m.BroadcastClientCount(count=count):
            question.count(uid, count)
        case m.BroadcastAck(value=value):
            question.client_answer(uid, value)
        case m.ClientGone():
            question.client_gone(uid)
        case m.Absent():
            question.answer(uid)
        case m.FindSessionResponse(rooms=rooms):
            question.answer(uid, () if rooms is None else ((uid, rooms),))
        case m.TakeSessionResponse():
            question.answer(uid, (response,) if response.sid else ())
