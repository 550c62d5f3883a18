"""One process of the cluster: it joins its siblings, accepts its share, says that it is ready, and leaves.

Knows the order of these steps; does not know what is served, nor who sends the signals.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import ssl
from collections.abc import Callable, Sequence
from typing import cast

from flocket.adapters.buses.mesh import Mesh
from flocket.cluster.listen import Listener
from flocket.cluster.place import Placement, Sticky
from flocket.cluster.runtime import Inherited, clean, make_identity, meeting_key, meeting_place

__all__ = ["Worker"]

log = logging.getLogger("flocket.cluster")

ProtocolFactory = Callable[[], asyncio.Protocol]


class Worker:
    """Made within the running loop, in the process that serves. `given` is what a supervisor left."""

    def __init__(self, given: Inherited | None = None, *, cluster: str | None = None) -> None:
        self.given = given
        self.number = given.worker if given is not None else 0
        folder = meeting_place(meeting_key(cluster, given.token if given is not None else None))
        self.mesh = Mesh(folder, make_identity(folder), worker=self.number)
        self.placement: Placement | None = None
        self._listener: Listener | None = None
        self._adopting: set[asyncio.Task[None]] = set()

    async def join(self) -> None:
        """Meet the siblings: before anything is served, as the session ids carry this worker's tag."""
        clean(self.mesh.folder)
        await self.mesh.start()
        if self.given is not None:
            lifeline = self.given.lifeline
            lifeline.setblocking(False)
            asyncio.get_running_loop().add_reader(lifeline, self._on_lifeline)

    def accept(
        self,
        listening: Sequence[socket.socket],
        protocol: ProtocolFactory,
        load: Callable[[], int],
        *,
        sticky: Sticky = "session",
        is_ours: Callable[[str], bool] = lambda path: True,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Accept from now on; a connection that stays gets a protocol. `load` is what this worker carries."""
        given = self.given
        self._protocol, self._tls = protocol, tls
        self.placement = Placement(
            self.mesh,
            self._adopt,
            load,
            sticky=sticky,
            slots=given.slots if given is not None else 0,
            is_ours=is_ours,
            warn=log.warning,
        )
        # What is encrypted cannot be peeked at: it is served where it arrives, and relayed.
        arrive = self.placement.arrive if tls is None else self._adopt
        self._listener = Listener(listening, arrive)
        if given is not None:
            given.lifeline.send(b"ready")

    @property
    def pending(self) -> int:
        """Connections that were accepted, and that no protocol has yet: they count in draining."""
        return len(self._adopting) + (self.placement.pending if self.placement is not None else 0)

    def leave(self) -> None:
        """Accept no more, and take no new sessions; connections that came before are placed as ever."""
        if self._listener is not None:
            self._listener.close()
        if self.placement is not None:
            self.placement.drain()

    async def aclose(self) -> None:
        """Go. Whoever has no protocol yet is refused."""
        self.leave()
        if self.placement is not None:
            self.placement.close()
        if self._adopting:
            await asyncio.wait(self._adopting)
        if self.given is not None:
            asyncio.get_running_loop().remove_reader(self.given.lifeline)
            self.given.lifeline.close()
        await self.mesh.aclose()
        with contextlib.suppress(OSError):
            self.mesh.folder.rmdir()  # the last one, mostly

    def _adopt(self, sock: socket.socket, read: bytes = b"") -> None:
        task = asyncio.get_running_loop().create_task(self._serve(sock, read))
        self._adopting.add(task)
        task.add_done_callback(self._adopting.discard)

    async def _serve(self, sock: socket.socket, read: bytes) -> None:
        loop = asyncio.get_running_loop()
        factory = self._protocol if not read else lambda: _Fed(self._protocol(), read)
        try:
            await loop.connect_accepted_socket(factory, sock, ssl=self._tls)
        except (OSError, asyncio.CancelledError):
            sock.close()  # it has gone; or it does not speak TLS

    def _on_lifeline(self) -> None:
        assert self.given is not None
        with contextlib.suppress(BlockingIOError):
            if self.given.lifeline.recv(64):
                return
            asyncio.get_running_loop().remove_reader(self.given.lifeline)
            log.error("the supervisor is gone: worker %d drains and ends", self.number)
            os.kill(os.getpid(), signal.SIGTERM)  # one way to end, whoever wants it


class _Fed(asyncio.Protocol):
    """Gives a protocol what was read before it existed, ahead of all that the loop reads."""

    def __init__(self, protocol: asyncio.Protocol, read: bytes) -> None:
        self._protocol = protocol
        self._read = read

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.Transport, transport).set_protocol(self._protocol)  # uvloop's is no subclass of it
        self._protocol.connection_made(transport)
        self._protocol.data_received(self._read)
