"""The brain of a cluster's adapter: tells and asks the other nodes, counts their answers, gives up in time.

One namespace's. Knows the words nodes say; does not know on which wire or bus they travel (link.py), nor how others
are answered (answering.py).
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from flocket.adapters import messages as m
from flocket.adapters.answering import Answering
from flocket.adapters.questions import Question
from flocket.adapters.translate import details_from, options_of
from flocket.codec.msgpack import pack
from flocket.codec.socketio import Packet
from flocket.errors import AckTimeout, EncodeError
from flocket.sockets.answers import Answers
from flocket.sockets.delivery import deliver
from flocket.sockets.remote import SocketDetails
from flocket.sockets.target import Target

if TYPE_CHECKING:
    from flocket.sockets.namespace import Namespace

__all__ = ["ClusterNamespace", "make_request_id"]

_RECOUNT = 0.5  # seconds: a node known to be dead is left out within a second


def make_request_id() -> str:
    """16 hexadecimal digits, as Node's ClusterAdapter makes them."""
    return os.urandom(8).hex()


class ClusterNamespace(Answering):
    """An Adapter whose emissions, questions and changes reach the sockets of every node."""

    def __init__(self, nsp: Namespace[Any], requests_timeout: float = 5.0) -> None:
        super().__init__(nsp, requests_timeout)
        self.questions: dict[str, Question] = {}

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

    def hear(self, response: m.Response) -> None:
        question = self.questions.get(response.request_id)
        if question is not None:
            _hear(question, response)


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
