"""ClusterAdapter: the nodes on a Bus as one, in our own dialect. What an author of a bus gives it to.

Knows the channels, who is alive, and which namespace a message is for; what is said is brain.py's, what is
answered answering.py's.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from flocket.adapters import messages as m
from flocket.adapters.brain import ClusterNamespace
from flocket.adapters.bus import Bus, Interest, NodeIdentity, PeerEvents
from flocket.adapters.counters import AdapterCounters
from flocket.adapters.lines import BusLines
from flocket.adapters.link import Link, Receive
from flocket.adapters.moving import Moving
from flocket.adapters.peers import HEARTBEAT_INTERVAL, HEARTBEAT_TIMEOUT, Order, Peers
from flocket.adapters.questions import Question
from flocket.adapters.translate import options_of
from flocket.adapters.wire.native import Native
from flocket.codec.errors import DecodeError
from flocket.codec.socketio import Packet
from flocket.engine.sid import make_tag
from flocket.errors import EncodeError
from flocket.sockets.parsers import Encoded
from flocket.sockets.recovery import Restored, Saved
from flocket.sockets.target import Target

if TYPE_CHECKING:
    from flocket.sockets.adapter import Adapter
    from flocket.sockets.namespace import Namespace

__all__ = ["ClusterAdapter", "make_identity"]

log = logging.getLogger("flocket")

_ORDERS = 10_000  # channels whose order is watched; beyond that, those that were silent longest are forgotten
_SOME = "~"  # ends a channel on which not every node gets every message, so that holes mean nothing


def make_identity(tag: str = "") -> NodeIdentity:
    """Who this node is, from now on. Not before a fork, or two would be one."""
    return NodeIdentity(os.urandom(8).hex(), tag or make_tag(os.urandom), time.time_ns() // 1_000_000)


class ClusterAdapter:
    """Give it to `io.adapter(...)`: it joins this node to all others whose bus has the same `prefix`.

    `key` signs each message, and refuses what is not signed with it. `heartbeat_interval` and
    `heartbeat_timeout` (seconds) matter on a bus that does not see its nodes come and go by itself. A
    question that another node does not answer within `requests_timeout` seconds raises.
    """

    def __init__(
        self,
        bus: Bus,
        *,
        prefix: str = "flocket",
        key: str | bytes | None = None,
        requests_timeout: float = 5.0,
        heartbeat_interval: float = HEARTBEAT_INTERVAL,
        heartbeat_timeout: float = HEARTBEAT_TIMEOUT,
        node: NodeIdentity | None = None,
    ) -> None:
        self.bus = bus
        # Asked once: to ask whether an object fits a Protocol costs more than to publish.
        self._interest = bus if isinstance(bus, Interest) else None
        self._told_of_peers = isinstance(bus, PeerEvents)
        self.prefix = prefix
        self.requests_timeout = requests_timeout
        self.counters = AdapterCounters()
        self.node: NodeIdentity | None = node
        # Whoever says which node this is reaches the others' sessions by itself: the workers of one machine.
        self.lines = BusLines(bus, prefix, key.encode() if isinstance(key, str) else key) if node is None else None
        self._key = key.encode() if isinstance(key, str) else key
        self._interval = heartbeat_interval
        self._peers = Peers(heartbeat_timeout)
        self._orders: OrderedDict[tuple[str, str], Order] = OrderedDict()
        self._namespaces: dict[str, tuple[ClusterNamespace, Receive]] = {}
        self._tag: Callable[[], str] = lambda: ""
        self._heart: asyncio.Task[None] | None = None
        self._last_said = 0.0

    def __call__(self, nsp: Namespace[Any]) -> Adapter:
        """The adapter of one namespace."""
        self._tag = lambda: nsp.server._tag
        return _Namespace(nsp, self)

    # -- life ---------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Join the others. Raises AdapterError if they cannot be reached."""
        node = self.node = self.node or make_identity(self._tag())
        self._wire = Native(node.uid, node.epoch, key=self._key, max_message=self.bus.max_message)
        if isinstance(self.bus, PeerEvents):
            self.bus.on_peer_down = lambda uid, why: self._lost(uid)
        await self.bus.start(node, self._on_message)
        self.bus.subscribe(self._everyone)
        self.bus.subscribe(self._inbox(node.uid))
        if not self._told_of_peers:
            self.say(self._everyone, m.InitialHeartbeat(uid=node.uid, nsp=""))
            self._heart = asyncio.get_running_loop().create_task(self._beat())

    async def aclose(self) -> None:
        """Leave the others."""
        if self._heart is not None:
            self._heart.cancel()
            await asyncio.gather(self._heart, return_exceptions=True)
        if self.node is not None:
            self.say(self._everyone, m.Close(uid=self.node.uid, nsp=""))
            await self.bus.aclose()

    async def _beat(self) -> None:
        assert self.node is not None
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(min(1.0, self._interval))
            for uid in self._peers.sweep(loop.time()):
                self._lost(uid)
            if loop.time() - self._last_said >= self._interval:
                self.say(self._everyone, m.Heartbeat(uid=self.node.uid, nsp=""))

    # -- channels -----------------------------------------------------------------------------------------

    @property
    def _everyone(self) -> str:
        return f"{self.prefix}#"

    def _inbox(self, uid: str) -> str:
        return f"{self.prefix}#@{uid}"

    def channel(self, nsp: str) -> str:
        return f"{self.prefix}#{nsp}#"

    # -- saying and hearing ---------------------------------------------------------------------------------

    @property
    def peers(self) -> list[str]:
        """The uids of the other nodes that are up."""
        if not isinstance(self.bus, PeerEvents):
            return list(self._peers.uids)
        up = [peer.uid for peer in self.bus.peers()]
        if self._interest is None:
            return up
        # One that has just begun is on the bus before it listens: asked now, it would answer nothing.
        listening = self._interest.interested([self._everyone])
        return [uid for uid in up if uid in listening]

    def say(self, channel: str, message: m.Message) -> bool:
        """Publish; False if it is lost. Raises EncodeError."""
        data = self._wire.encode(channel, message)
        if channel == self._everyone:
            self._last_said = asyncio.get_running_loop().time()
        return self._count(self.bus.publish(channel, data))

    def say_where(self, rooms: tuple[str, ...], nsp: str, message: m.Message) -> bool:
        """Publish to the nodes that have members in one of these rooms, on a bus that knows them."""
        channel = self.channel(nsp) + _SOME
        assert self._interest is not None
        wanted = [self.channel(nsp) + room for room in rooms]
        if not self._interest.interested(wanted):
            return True
        return self._count(self._interest.publish_any(wanted, channel, self._wire.encode(channel, message)))

    def say_all(self, message: m.Message, to: str = "") -> bool:
        """Publish to every node, or to one."""
        return self.say(self._inbox(to) if to else self._everyone, message)

    def _count(self, queued: bool) -> bool:
        self.counters.published += queued
        self.counters.publish_dropped += not queued
        return queued

    def _on_message(self, channel: str, data: bytes) -> None:
        if self.lines is not None and channel in self.lines.hearers:
            self.counters.bad_messages += not self.lines.heard(channel, data)
            return
        try:
            envelope = self._wire.decode(channel, data)
        except DecodeError as error:
            self.counters.bad_messages += 1
            log.debug("a message on %.60r is ignored: %s", channel, error)
            return
        assert self.node is not None
        message, uid = envelope.message, envelope.uid
        if uid == self.node.uid or not self._in_order(channel, uid, envelope.epoch, envelope.seq, message):
            return
        if not self._told_of_peers and self._peers.heard(uid, asyncio.get_running_loop().time()):
            log.info("node %s has joined", uid)
        match message:
            case m.InitialHeartbeat():
                self.say_all(m.Heartbeat(uid=self.node.uid, nsp=""), uid)
            case m.Heartbeat():
                pass
            case m.Close():
                self._peers.left(uid)
                self._lost(uid)
            case _:
                self._pass_on(message)

    def _in_order(self, channel: str, uid: str, epoch: int, seq: int, message: m.Message) -> bool:
        """Whether to take this message: nothing comes twice, and no event behind a later one."""
        key = (uid, channel)
        order = self._orders.get(key)
        if order is None:
            order = self._orders[key] = Order()
            if len(self._orders) > _ORDERS:
                self._orders.popitem(last=False)
        holes = order.holes
        verdict = order.arrived(epoch, seq)
        if not channel.endswith(_SOME):
            self.counters.holes += order.holes - holes
        if verdict == "double":
            self.counters.doubles += 1
        elif verdict == "late":
            self.counters.late += 1
        # An event behind a later one would break the order that clients are promised; an answer harms nobody.
        return verdict == "next" or (verdict == "late" and isinstance(message, m.Response))

    def _pass_on(self, message: m.Message) -> None:
        found = self._namespaces.get(message.nsp)
        if found is not None:
            found[1](message, "")
            return
        request_id = getattr(message, "request_id", None)
        if request_id is not None and not isinstance(message, m.Response):
            assert self.node is not None
            self.say_all(m.Absent(uid=self.node.uid, nsp=message.nsp, request_id=request_id), message.uid)

    def _lost(self, uid: str) -> None:
        for key in [key for key in self._orders if key[0] == uid and not self._told_of_peers]:
            del self._orders[key]
        log.info("node %s is gone", uid)
        for adapter, _ in list(self._namespaces.values()):
            adapter.peer_lost(uid)

    # -- namespaces ---------------------------------------------------------------------------------------

    def enter(self, adapter: ClusterNamespace, receive: Receive) -> None:
        """A namespace begins to receive."""
        name = adapter.nsp.name
        self._namespaces[name] = (adapter, receive)
        self.bus.subscribe(self.channel(name))

    def leave(self, adapter: ClusterNamespace) -> None:
        """A namespace receives no more."""
        name = adapter.nsp.name
        if self._namespaces.get(name, (None,))[0] is adapter:
            del self._namespaces[name]
            self.bus.unsubscribe(self.channel(name))


class _Namespace(ClusterNamespace):
    def __init__(self, nsp: Namespace[Any], cluster: ClusterAdapter) -> None:
        super().__init__(nsp, cluster.requests_timeout)
        self._cluster = cluster
        self._moving: Moving | None = None

    def make_link(self) -> Link:
        link = _NativeLink(self, self._cluster)
        if self.log is not None:
            catch_up = getattr(self._cluster.bus, "catch_up", _nothing)
            self._moving = Moving(self, self.log, link.subscribe_room, link.unsubscribe_room, catch_up)
            link.holds = self._moving.holds
        return link

    def persist_session(self, saved: Saved) -> None:
        super().persist_session(saved)
        if self._moving is not None:
            self._moving.keep(saved)

    async def restore_session(self, pid: str, offset: str | None) -> Restored | None:
        here = self.log is not None and self.log.rooms_of(pid) is not None
        if here or self._moving is None or not self._cluster.peers:
            return await super().restore_session(pid, offset)
        return await self._moving.fetch(pid, offset)

    def _answer(self, message: m.Message) -> None:
        if self._moving is None or not isinstance(message, m.FindSession | m.TakeSession):
            super()._answer(message)
        elif isinstance(message, m.FindSession):
            self._reply(message.uid, self._moving.find(message))
        else:
            # In a turn of its own: it reads what the others wrote, and this word came in the midst of reading.
            asyncio.get_running_loop().call_soon(self._give, self._moving, message)

    def _give(self, moving: Moving, message: m.TakeSession) -> None:
        try:
            self._reply(message.uid, moving.give(message))
        except EncodeError as error:
            log.warning("%s: a session cannot move to another node: %s", self.nsp.name, error)
            nothing = m.TakeSessionResponse(uid=self.link.uid, nsp=self.nsp.name, request_id=message.request_id)
            self._reply(message.uid, nothing)


def _nothing() -> None:
    pass


class _NativeLink(Link):
    """One namespace's way to the others, in our dialect."""

    def __init__(self, adapter: ClusterNamespace, cluster: ClusterAdapter) -> None:
        assert cluster.node is not None, "ClusterAdapter.start() comes before the namespaces"
        self.uid = cluster.node.uid
        self.counters = cluster.counters
        self._adapter = adapter
        self._cluster = cluster
        self._nsp = adapter.nsp
        self._interest = cluster._interest is not None
        self._events = 0
        self.holds: Callable[[str], bool] = lambda room: False

    async def open(self, receive: Receive) -> None:
        self._cluster.enter(self._adapter, receive)
        await self._cluster.bus.settled()

    async def close(self) -> None:
        self._cluster.leave(self._adapter)

    def say(self, message: m.Message, to: str = "") -> bool:
        if to or isinstance(message, m.Response):
            return self._cluster.say_all(message, to)
        return self._cluster.say(self._cluster.channel(self._nsp.name), message)

    def broadcast(self, packet: Packet, target: Target) -> Encoded | None:
        encoded = self._nsp._parser.encode(packet, target.compress)
        frames = tuple([(frame.binary, frame.payload) for frame in encoded.frames])
        self._events += 1
        encoded.event = f"{self.uid}-{self._events}"
        said = m.BroadcastFrames(
            uid=self.uid, nsp=self._nsp.name, frames=frames, opts=options_of(target), event=self._events
        )
        if target.rooms is not None and self._interest:
            self._cluster.say_where(target.rooms, self._nsp.name, said)
        else:
            self.say(said)
        return encoded

    def ask(self, question: Question, message: m.Message) -> None:
        # Every node answers, also one that has no such namespace: who is expected is known.
        question.expect_nodes(self._cluster.peers)
        self._cluster.say_all(message)

    async def server_count(self) -> int:
        return 1 + len(self._cluster.peers)

    async def drained(self) -> None:
        await self._cluster.bus.drained()

    async def settled(self) -> None:
        await self._cluster.bus.settled()

    def room_created(self, room: str) -> None:
        self.subscribe_room(room)

    def room_deleted(self, room: str) -> None:
        if not self.holds(room):
            self.unsubscribe_room(room)

    def subscribe_room(self, room: str) -> None:
        if self._interest:
            self._cluster.bus.subscribe(self._cluster.channel(self._nsp.name) + room)

    def unsubscribe_room(self, room: str) -> None:
        if self._interest:
            self._cluster.bus.unsubscribe(self._cluster.channel(self._nsp.name) + room)
