"""Give a connection that was accepted elsewhere to a protocol of this process's loop.

Knows connections on their way to a protocol; does not know how they came, nor what the protocol does.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import cast

from flocket.options import Limits

__all__ = ["Adopter"]

HANDSHAKE_TIME = Limits().header_time  # seconds for a TLS handshake, as for a request's head
HANDSHAKES = 1_000  # at once; one more pushes out the oldest, as with request heads


class Adopter:
    """`adopt(sock)` serves a connection by a protocol that `make` gives, within TLS if there is a context."""

    def __init__(
        self,
        make: Callable[[], asyncio.Protocol],
        tls: ssl.SSLContext | None = None,
        handshakes: int = HANDSHAKES,
        handshake_time: float = HANDSHAKE_TIME,
    ) -> None:
        self._make = make
        self._tls = tls
        self._handshakes = handshakes
        self._handshake_time = handshake_time
        self._adopting: dict[asyncio.Task[None], None] = {}  # the oldest first
        self._loop = asyncio.get_running_loop()

    @property
    def pending(self) -> int:
        """Connections that no protocol has yet."""
        return len(self._adopting)

    def adopt(self, sock: socket.socket, read: bytes = b"") -> None:
        """Serve it; `read` is what was read of it already."""
        task = self._loop.create_task(self._serve(sock, read))
        self._adopting[task] = None
        task.add_done_callback(self._done)
        if self._tls is not None and len(self._adopting) > self._handshakes:
            oldest = next(iter(self._adopting))
            del self._adopting[oldest]
            oldest.cancel()

    async def aclose(self) -> None:
        """Drop what no protocol has yet: a TLS handshake that takes long."""
        for task in self._adopting:
            task.cancel()
        if self._adopting:
            await asyncio.wait(self._adopting)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._adopting.pop(task, None)

    async def _serve(self, sock: socket.socket, read: bytes) -> None:
        make = self._make if not read else lambda: _Fed(self._make(), read)
        try:
            await self._loop.connect_accepted_socket(
                make, sock, ssl=self._tls, ssl_handshake_timeout=self._handshake_time if self._tls else None
            )
        except OSError:
            sock.close()  # it has gone; or it does not speak TLS
        except asyncio.CancelledError:
            sock.close()
            raise


class _Fed(asyncio.Protocol):
    """Gives a protocol what was read before it existed, ahead of all that the loop reads."""

    def __init__(self, protocol: asyncio.Protocol, read: bytes) -> None:
        self._protocol = protocol
        self._read = read

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.Transport, transport).set_protocol(self._protocol)  # uvloop's is no subclass of it
        self._protocol.connection_made(transport)
        self._protocol.data_received(self._read)
