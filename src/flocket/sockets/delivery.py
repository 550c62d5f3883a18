"""Encode once, hand the same frames to every session: the hot path of an emission.

Knows sockets and frames; does not know how the sockets were chosen.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from flocket.codec.socketio import Packet
from flocket.sockets.parsers import Encoded, read_frames
from flocket.sockets.recovery import is_recorded
from flocket.sockets.target import Target

if TYPE_CHECKING:
    from flocket.sockets.namespace import Namespace
    from flocket.sockets.socket import Socket

__all__ = ["deliver"]


def deliver(
    sockets: Iterable[Socket[Any]],
    packet: Packet,
    target: Target,
    nsp: Namespace[Any],
    encoded: Encoded | None = None,
) -> int:
    """Send one packet to these sockets, which are of one namespace; to how many it went.

    `encoded` are its frames, if they are there already: made for other nodes too, or by another node. Then the
    packet's own data may be absent; it is read from the frames for those who listen to what goes out.
    """
    position = 0
    log = nsp.adapter.log
    if log is not None:
        if is_recorded(packet, target):
            encoded = log.record(nsp._parser, packet, encoded, target)
            position = log.position
        elif packet.id is None:
            encoded = log.mark(nsp._parser, packet, encoded, target)
    sent = 0
    volatile = target.volatile
    for socket in sockets:
        if encoded is None:
            # Not before somebody wants it: a node without members pays nothing.
            encoded = nsp._parser.encode(packet, target.compress)
        session = socket._session
        if volatile and not session.writable:
            nsp._counters.volatile_dropped += 1
            continue
        if socket._outgoing is not None:
            if packet.data is None:
                packet.data = read_frames(nsp._parser, encoded.frames).data
            socket._tell_outgoing(packet.data)
        for frame in encoded.frames if session.protocol == 4 else encoded.for_protocol(session.protocol):
            session.send(frame)
        if position:
            socket._log_position = position
        sent += 1
    nsp._counters.events_out += sent
    return sent
