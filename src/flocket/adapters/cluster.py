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
from flocket.adapters.link import Receive
from flocket.adapters.native_namespace import NativeNamespace
from flocket.adapters.peers import HEARTBEAT_INTERVAL, HEARTBEAT_TIMEOUT, Order, Peers
from flocket.adapters.wire.native import Native
from flocket.codec.errors import DecodeError
from flocket.engine.sid import make_tag
from flocket.options import HOUR, check_seconds

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
        given = {
            "requests_timeout": requests_timeout,
            "heartbeat_interval": heartbeat_interval,
            "heartbeat_timeout": heartbeat_timeout,
        }
        check_seconds(given, most=HOUR)
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
        self._left: set[str] = set()  # who said goodbye, until the bus says so too
        self._orders: OrderedDict[tuple[str, str], Order] = OrderedDict()
        self._namespaces: dict[str, tuple[ClusterNamespace, Receive]] = {}
        self._tag: Callable[[], str] = lambda: ""
        self._heart: asyncio.Task[None] | None = None
        self._last_said = 0.0

    def __call__(self, nsp: Namespace[Any]) -> Adapter:
        """The adapter of one namespace."""
        self._tag = lambda: nsp.server._tag
        return NativeNamespace(nsp, self)

    # -- life ---------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Join the others. Raises AdapterError if they cannot be reached."""
        node = self.node = self.node or make_identity(self._tag())
        self._wire = Native(node.uid, node.epoch, key=self._key, max_message=self.bus.max_message)
        if isinstance(self.bus, PeerEvents):
            self.bus.on_peer_down = self._on_peer_down
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

    def stats(self) -> dict[str, int]:
        """The counters of this node's adapter, and of its bus."""
        return self.counters.snapshot() | self.bus.stats()

    async def _beat(self) -> None:
        assert self.node is not None
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(min(1.0, self._interval))
            for uid in self._peers.sweep(loop.time()):
                log.info("node %s is gone", uid)
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
                if self._told_of_peers:
                    self._left.add(uid)
                elif self._peers.left(uid):
                    log.info("node %s has left", uid)
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

    def _on_peer_down(self, uid: str, why: str) -> None:
        if uid in self._left:
            self._left.discard(uid)  # as it said: no news
        elif why == "gone":
            log.info("node %s is gone", uid)
        self._lost(uid)

    def _lost(self, uid: str) -> None:
        for key in [key for key in self._orders if key[0] == uid and not self._told_of_peers]:
            del self._orders[key]
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
