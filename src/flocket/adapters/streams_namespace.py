"""One namespace on Redis streams: which of its events go through the log, and so may be missed and caught up.

Knows the log's place of what it delivers; does not know how an entry is written or read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flocket.adapters import messages as m
from flocket.adapters.brain import ClusterNamespace
from flocket.adapters.buses.redis_reader import StreamId
from flocket.adapters.link import Link
from flocket.adapters.redis_comeback import restore, save
from flocket.adapters.stream_log import StreamLog, place_of
from flocket.adapters.streams_link import StreamsLink, Written
from flocket.adapters.translate import target_of
from flocket.codec.errors import DecodeError
from flocket.codec.socketio import Packet, PacketType
from flocket.errors import EncodeError
from flocket.options import Recovery
from flocket.sockets.delivery import deliver
from flocket.sockets.parsers import Encoded
from flocket.sockets.recovery import Restored, Saved, SessionLog, is_recorded
from flocket.sockets.target import Target

if TYPE_CHECKING:
    from flocket.adapters.redis_streams import RedisStreamsAdapter
    from flocket.sockets.namespace import Namespace
    from flocket.sockets.socket import Socket

__all__ = ["StreamsNamespace"]


class StreamsNamespace(ClusterNamespace):
    def __init__(self, nsp: Namespace[Any], factory: RedisStreamsAdapter) -> None:
        super().__init__(nsp, factory.requests_timeout)
        self._factory = factory

    def make_link(self) -> Link:
        return StreamsLink(self, self._factory)

    def make_log(self, recovery: Recovery) -> SessionLog | None:
        return StreamLog(recovery, self.nsp.server._runtime.now)

    def broadcast(self, packet: Packet, target: Target) -> None:
        if self.log is None or not is_recorded(packet, target) or target.local or target.rooms == ():
            super().broadcast(packet, target)
            return
        link = self.link
        assert isinstance(link, StreamsLink)
        link.broadcast_logged(packet, target, self.nsp._parser.encode(packet, target.compress))

    def unicast(self, packet: Packet, target: Target) -> None:
        # Through the log, or the client would miss it if it came back to another node.
        self.broadcast(packet, target)

    def broadcast_local(self, packet: Packet, target: Target) -> int:
        return self.deliver_at(None, packet, target)

    def deliver_at(self, entry: StreamId | None, packet: Packet, target: Target) -> int:
        """Deliver to this process's clients what stands in the log at `entry`; None: it is in no log."""
        return self._deliver_to(self.sockets_local(target), entry, packet, target)

    def deliver_written(self, entry: StreamId | None, said: Written) -> None:
        """Deliver what this node wrote, also to those who were in its rooms when it was said, and left them since."""
        sockets, now = said.sockets, self.sockets_local(said.target)
        if sockets != now:
            # Whoever came meanwhile began behind what is read in the log, and is owed this.
            sockets = now + [socket for socket in set(sockets).difference(now) if not socket.disconnected]
        self._deliver_to(sockets, entry, said.packet, said.target, said.encoded)

    def before_leaving(self, socket: Socket[Any]) -> None:
        if self.log is not None and self._link is not None:
            assert isinstance(self._link, StreamsLink)
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
        assert isinstance(link, StreamsLink)
        prefix = self._factory.session_key_prefix
        return await restore(self.nsp, self._factory.bus, prefix, link, pid, offset)

    def receive_at(self, entry: StreamId, message: m.Broadcast) -> None:
        """Another node's event, from the log. Whatever it holds, this does not raise."""
        packet = Packet(PacketType.EVENT, self.nsp.name, message.data)
        try:
            self.deliver_at(entry, packet, target_of(message.opts))
        except (DecodeError, EncodeError):
            self.link.counters.bad_messages += 1
