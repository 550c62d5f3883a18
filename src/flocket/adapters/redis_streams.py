"""RedisStreamsAdapter: a node in a cluster of Node's nodes with @socket.io/redis-streams-adapter, or of ours.

Joins the streams dialect to Redis: what goes to the log and what to pub/sub, and clients that come back to any node.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flocket.adapters import messages as m
from flocket.adapters.brain import ClusterNamespace
from flocket.adapters.buses.redis import CHANNEL, SHARD
from flocket.adapters.buses.redis_cluster import RedisClusterBus
from flocket.adapters.buses.redis_pipe import Words
from flocket.adapters.buses.redis_reader import Reader, StreamId
from flocket.adapters.buses.resp import ReplyError
from flocket.adapters.link import Link, Receive
from flocket.adapters.redis_comeback import restore, save
from flocket.adapters.redis_factory import RedisFactory
from flocket.adapters.redis_link import RedisLink
from flocket.adapters.stream_log import StreamLog, id_of, place_of
from flocket.adapters.translate import target_of
from flocket.adapters.wire.streams import Streams, is_durable, stream_name, stream_names
from flocket.codec.errors import DecodeError
from flocket.codec.socketio import Packet, PacketType
from flocket.errors import ConfigError, EncodeError
from flocket.options import Recovery
from flocket.sockets.delivery import deliver
from flocket.sockets.parsers import Encoded
from flocket.sockets.recovery import Restored, Saved, SessionLog, is_recorded
from flocket.sockets.target import Target

if TYPE_CHECKING:
    from flocket.sockets.adapter import Adapter
    from flocket.sockets.namespace import Namespace
    from flocket.sockets.socket import Socket

__all__ = ["RedisStreamsAdapter"]

log = logging.getLogger("flocket")

_BROADCAST = "3"  # the type of an event's entry
_LOG_TIME = 1.0  # seconds after which an event that is not in the log yet is delivered without a place there
_RECENT = 1_000  # events that are kept in memory besides, to join what a client missed to what goes on


class RedisStreamsAdapter(RedisFactory):
    """`io.adapter(RedisStreamsAdapter("redis://localhost:6379"))`: what nodes say lasts through a broken connection.

    Names and defaults are those of Node's adapter, `max_len` the length at which a stream is trimmed, and must be
    the same on all nodes. With several streams, Node's nodes neither read nor are read in namespaces whose hash is
    negative; ours read those too. With `Server(recovery=...)` the log also serves clients that come back, to any
    node of either language; then an event is delivered when it is read from the log, here as on the other nodes.
    """

    dialect = "streams"

    def __init__(
        self,
        url: str | None = None,
        *,
        host: str = "localhost",
        port: int = 6379,
        client: Any = None,
        stream_name: str = "socket.io",
        stream_count: int = 1,
        channel_prefix: str = "socket.io",
        use_sharded_pub_sub: bool = False,
        max_len: int = 10_000,
        read_count: int = 100,
        session_key_prefix: str = "sio:session:",
        only_plaintext: bool = False,
        requests_timeout: float = 5.0,
        start_timeout: float = 0.0,
    ) -> None:
        for name, number in (("stream_count", stream_count), ("max_len", max_len), ("read_count", read_count)):
            if number < 1:
                raise ConfigError(f"{name}={number!r}: a whole number above 0")
        super().__init__(url, host, port, client, requests_timeout, start_timeout)
        self.name = stream_name
        self.stream_count = stream_count
        self.channel_prefix = channel_prefix
        self.kind = SHARD if use_sharded_pub_sub else CHANNEL
        self.max_len = max_len
        self.session_key_prefix = session_key_prefix
        self.only_plaintext = only_plaintext
        self._read_count = read_count
        self._links: dict[str, _Link] = {}
        self._readers: list[Reader] = []

    @property
    def prefix(self) -> str:
        return self.channel_prefix

    def __call__(self, nsp: Namespace[Any]) -> Adapter:
        return _Namespace(nsp, self)

    async def start(self) -> None:
        await super().start()
        streams = [name.encode() for name in stream_names(self.name, self.stream_count)]
        # One connection reads them all, but on a Redis Cluster, where each may be on another master.
        on_cluster = isinstance(self.bus, RedisClusterBus)
        groups = [[stream] for stream in streams] if on_cluster else [streams]
        self._readers = [self._make_reader(group) for group in groups]
        try:
            for reader in self._readers:
                await reader.start()
        except BaseException:
            await self.aclose()
            raise

    def _make_reader(self, streams: list[bytes]) -> Reader:
        reader = Reader(self.bus.endpoint_of(streams[0]), streams, self._on_entry, self._read_count)

        def refused(why: str) -> None:
            self.bus.look()
            reader.endpoint = self.bus.endpoint_of(streams[0])

        reader.on_refused = refused
        return reader

    async def aclose(self) -> None:
        for reader in self._readers:
            await reader.aclose()
        await super().aclose()

    def health(self) -> dict[str, Any]:
        found = super().health()
        now = asyncio.get_running_loop().time()
        deaf = [now - reader.lost_at for reader in self._readers if reader.connection is None]
        if deaf:
            away_for = max(found.get("away_for", 0.0), round(max(deaf), 3))
            found |= {"ok": False, "hears": False, "away_for": away_for}
        return found

    def stats(self) -> dict[str, int]:
        self.counters.holes = sum(reader.gaps for reader in self._readers)
        return super().stats()

    # -- the log --------------------------------------------------------------------------------------------

    def enter(self, link: _Link) -> None:
        """A namespace begins to receive."""
        self._links[link.nsp] = link

    def leave(self, link: _Link) -> None:
        """A namespace receives no more."""
        if self._links.get(link.nsp) is link:
            del self._links[link.nsp]

    def position(self, nsp: str) -> StreamId:
        """How far the log of a namespace has been read here."""
        stream = stream_name(nsp, self.name, self.stream_count).encode()
        return next(reader.position[stream] for reader in self._readers if stream in reader.position)

    def _on_entry(self, stream: bytes, entry: StreamId, fields: dict[bytes, bytes]) -> None:
        try:
            said = {key.decode(): value.decode() for key, value in fields.items()}
        except UnicodeDecodeError:
            self.counters.bad_messages += 1
            return
        link = self._links.get(said.get("nsp", ""))
        if link is not None:
            link.on_entry(entry, said)


class _Namespace(ClusterNamespace):
    def __init__(self, nsp: Namespace[Any], factory: RedisStreamsAdapter) -> None:
        super().__init__(nsp, factory.requests_timeout)
        self._factory = factory

    def make_link(self) -> Link:
        return _Link(self, self._factory)

    def make_log(self, recovery: Recovery) -> SessionLog | None:
        return StreamLog(recovery, self.nsp.server._runtime.now)

    def broadcast(self, packet: Packet, target: Target) -> None:
        if self.log is None or not is_recorded(packet, target) or target.local or target.rooms == ():
            super().broadcast(packet, target)
            return
        link = self.link
        assert isinstance(link, _Link)
        link.broadcast_logged(packet, target, self.nsp._parser.encode(packet, target.compress))

    def unicast(self, packet: Packet, target: Target) -> None:
        # Through the log, or the client would miss it if it came back to another node.
        self.broadcast(packet, target)

    def broadcast_local(self, packet: Packet, target: Target) -> int:
        return self.deliver_at(None, packet, target)

    def deliver_at(self, entry: StreamId | None, packet: Packet, target: Target) -> int:
        """Deliver to this process's clients what stands in the log at `entry`; None: it is in no log."""
        return self._deliver_to(self.sockets_local(target), entry, packet, target)

    def deliver_written(self, entry: StreamId | None, said: _Written) -> None:
        """Deliver what this node wrote, also to those who were in its rooms when it was said, and left them since."""
        sockets, now = said.sockets, self.sockets_local(said.target)
        if sockets != now:
            # Whoever came meanwhile began behind what is read in the log, and is owed this.
            sockets = now + [socket for socket in set(sockets).difference(now) if not socket.disconnected]
        self._deliver_to(sockets, entry, said.packet, said.target, said.encoded)

    def before_leaving(self, socket: Socket[Any]) -> None:
        if self.log is not None and self._link is not None:
            assert isinstance(self._link, _Link)
            for said in list(self._link.waiting):
                if socket in said.sockets:
                    said.sockets.remove(socket)
                    self._deliver_to([socket], None, said.packet, said.target, said.encoded)

    def _deliver_to(
        self,
        sockets: list[Socket[Any]],
        entry: StreamId | None,
        packet: Packet,
        target: Target,
        encoded: Encoded | None = None,
    ) -> int:
        kept = self.log
        if not isinstance(kept, StreamLog):
            return deliver(sockets, packet, target, self.nsp, encoded)
        if entry is not None:
            kept.at = kept.position = place_of(entry)
        try:
            return deliver(sockets, packet, target, self.nsp, encoded)
        finally:
            kept.at = None

    def persist_session(self, saved: Saved) -> None:
        if isinstance(self.log, StreamLog):
            words = save(self._factory.session_key_prefix, saved, self.log.window)
            if words is not None:
                self._factory.bus.command(words, len(str(words[2])))

    async def restore_session(self, pid: str, offset: str | None) -> Restored | None:
        if not isinstance(self.log, StreamLog):
            return None
        link = self.link
        assert isinstance(link, _Link)
        prefix = self._factory.session_key_prefix
        return await restore(self.nsp, self._factory.bus, prefix, link, pid, offset)

    def receive_at(self, entry: StreamId, message: m.Broadcast) -> None:
        """Another node's event, from the log. Whatever it holds, this does not raise."""
        packet = Packet(PacketType.EVENT, self.nsp.name, message.data)
        try:
            self.deliver_at(entry, packet, target_of(message.opts))
        except (DecodeError, EncodeError):
            self.link.counters.bad_messages += 1


@dataclass(slots=True)
class _Written:
    packet: Packet
    target: Target
    encoded: Encoded
    sockets: list[Socket[Any]]  # whom it is for here
    timer: asyncio.TimerHandle | None = None


class _Link(RedisLink):
    def __init__(self, adapter: _Namespace, factory: RedisStreamsAdapter) -> None:
        self.wire = Streams(
            adapter.nsp.name,
            os.urandom(8).hex(),
            name=factory.name,
            count=factory.stream_count,
            prefix=factory.channel_prefix,
            only_plaintext=factory.only_plaintext,
        )
        super().__init__(factory, self.wire, factory.kind, self.wire.base, self.wire.base)
        self.stream = self.wire.stream
        self._adapter = adapter
        self._factory = factory
        self._sequence = 0
        self._written: dict[str, _Written] = {}  # to the log, and not read there yet
        self._recent: deque[tuple[StreamId, dict[str, str]]] = deque(maxlen=_RECENT)

    async def open(self, receive: Receive) -> None:
        kept = self._adapter.log
        if kept is not None:
            kept.position = place_of(self._factory.position(self.nsp))
        self._factory.enter(self)
        await super().open(receive)

    async def close(self) -> None:
        self._factory.leave(self)
        await super().close()

    # -- hearing the log -----------------------------------------------------------------------------------

    def on_entry(self, entry: StreamId, said: dict[str, str]) -> None:
        """An entry of this namespace's log."""
        kept = self._adapter.log
        if kept is not None:
            kept.position = place_of(entry)
            if said.get("type") == _BROADCAST:
                self._recent.append((entry, said))
        if said.get("uid") == self.uid:
            # Our own: delivered when it was said, but for those that wait for their place in the log.
            seq = said.get("seq", "")
            if seq in self._written:
                self._adapter.deliver_written(entry, self._take_written(seq))
            return
        try:
            message = self.wire.decode_entry(said)
        except DecodeError as error:
            self.ignore(error)
            return
        if isinstance(message, m.Broadcast) and kept is not None:
            self.counters.received += 1
            self._adapter.receive_at(entry, message)
        else:
            self.receive(message, id_of(place_of(entry)))

    # -- the log, for clients that come back ----------------------------------------------------------------

    @property
    def waiting(self) -> Collection[_Written]:
        """What was said here, and has no place in the log yet."""
        return self._written.values()

    @property
    def position(self) -> StreamId:
        return self._factory.position(self.nsp)

    def recent(self, after: StreamId) -> list[tuple[StreamId, dict[str, str]]] | None:
        if after < self._forgotten():
            return None
        return [(entry, said) for entry, said in self._recent if entry > after]

    def _forgotten(self) -> StreamId:
        return self._recent[0][0] if len(self._recent) == _RECENT else (0, 0)

    # -- saying -------------------------------------------------------------------------------------------

    def publish(self, message: m.Message, to: str) -> bool:
        if to or not is_durable(message):
            return super().publish(message, to)
        words, size = self._xadd(message)
        return self._bus.command(words, size)

    def _xadd(self, message: m.Message) -> tuple[Words, int]:
        entry = self.wire.encode_entry(message)
        fields = [part for pair in entry.items() for part in pair]
        words: Words = ("XADD", self.wire.stream, "MAXLEN", "~", self._factory.max_len, "*", *fields)
        return words, len(entry.get("data", "")) + 128

    def broadcast_logged(self, packet: Packet, target: Target, encoded: Encoded) -> None:
        """Write an event to the log; it is delivered here when it is read there, or when it cannot be written."""
        self._sequence += 1
        seq = str(self._sequence)
        words, _ = self._xadd(self.event(packet, target))
        sockets = self._adapter.sockets_local(target)
        self._written[seq] = written = _Written(packet, target, encoded, sockets)
        asked = self._bus.ask(*words, "seq", seq)

        def done(asked: asyncio.Future[Any]) -> None:
            failed = asked.cancelled() or asked.exception() is not None
            self.counters.published += not failed
            self.counters.publish_dropped += failed
            if failed:
                refusal = None if asked.cancelled() else asked.exception()
                if isinstance(refusal, ReplyError):
                    self._bus.tell_refusal(refusal)
                self._deliver_unlogged(seq)

        asked.add_done_callback(done)
        if seq in self._written:
            loop = asyncio.get_running_loop()
            written.timer = loop.call_later(_LOG_TIME, self._deliver_unlogged, seq)

    def _deliver_unlogged(self, seq: str) -> None:
        # In the order of saying: what was said before is late too.
        while self._written and seq in self._written:
            first = next(iter(self._written))
            self._adapter.deliver_written(None, self._take_written(first))

    def _take_written(self, seq: str) -> _Written:
        written = self._written.pop(seq)
        if written.timer is not None:
            written.timer.cancel()
        return written
