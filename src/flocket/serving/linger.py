"""Ends a connection whose peer is still sending: says the last word, closes our half, and reads on into the void.

Closing at once would make the kernel answer the unread bytes with a reset, which can overtake our last word
(RFC 9112, 9.6). Does not know which protocol was spoken, nor what was said.
"""

from __future__ import annotations

import asyncio

from flocket.serving.connections import Connections

__all__ = ["linger"]


def linger(transport: asyncio.Transport, connections: Connections, seconds: float) -> None:
    """Close `transport` once the peer has seen all that was written, or after `seconds`."""
    if transport.is_closing():
        return
    transport.set_protocol(_Linger(transport, connections, seconds))
    if transport.can_write_eof():
        transport.write_eof()
        transport.resume_reading()
    else:
        transport.close()  # TLS has no half-close: its own closing message does this


class _Linger(asyncio.Protocol):
    __slots__ = ("_connections", "_deadline", "_transport")

    def __init__(self, transport: asyncio.Transport, connections: Connections, seconds: float) -> None:
        self._transport = transport
        self._connections = connections
        self._deadline = asyncio.get_running_loop().call_later(seconds, transport.abort)
        connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._deadline.cancel()
        self._connections.discard(self)

    def shutdown(self) -> None:
        """uvicorn is stopping, and waits for every connection."""
        self._transport.abort()
