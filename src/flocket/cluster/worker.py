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

from flocket.adapters.buses.mesh import Mesh
from flocket.cluster.adopt import Adopter
from flocket.cluster.listen import Listener
from flocket.cluster.place import Placement, Sticky
from flocket.cluster.runtime import Inherited, clean, make_identity, meeting_key, meeting_place

__all__ = ["Worker"]

log = logging.getLogger("flocket.cluster")


class Worker:
    """Made within the running loop, in the process that serves: its identity must not be older than a fork.

    `given` is what a supervisor left; without it the siblings are those with the same `cluster`, or those who
    inherited a port from the same parent. They serve the same `path`: two servers of one program do not meet.
    """

    def __init__(self, given: Inherited | None = None, *, cluster: str | None = None, path: str = "") -> None:
        self.number = given.worker if given is not None else 0
        key = meeting_key(cluster, given.token if given is not None else None)
        folder = meeting_place(f"{key} {path}")
        self.mesh = Mesh(folder, make_identity(folder), worker=self.number)
        self.placement: Placement | None = None
        self._given = given
        self._listener: Listener | None = None
        self._adopter: Adopter | None = None

    async def join(self) -> None:
        """Meet the siblings: before anything is served, as the session ids carry this worker's tag."""
        clean(self.mesh.folder)
        await self.mesh.start()
        if self._given is not None:
            lifeline = self._given.lifeline
            lifeline.setblocking(False)
            asyncio.get_running_loop().add_reader(lifeline, self._on_lifeline)

    def accept(
        self,
        listening: Sequence[socket.socket],
        protocol: Callable[[], asyncio.Protocol],
        load: Callable[[], int],
        *,
        sticky: Sticky = "session",
        is_ours: Callable[[str], bool] = lambda path: True,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Accept from now on; a connection that stays gets a protocol. `load` is what this worker carries."""
        adopter = self._adopter = Adopter(protocol, tls)
        self.placement = Placement(
            self.mesh,
            adopter.adopt,
            load,
            sticky=sticky,
            slots=self._given.slots if self._given is not None else 0,
            is_ours=is_ours,
            warn=log.warning,
        )
        # What is encrypted cannot be peeked at: it is served where it arrives, and relayed.
        self._listener = Listener(listening, self.placement.arrive if tls is None else adopter.adopt)
        if self._given is not None:
            self._given.lifeline.send(b"ready")

    @property
    def pending(self) -> int:
        """Connections that were accepted, and that no protocol has yet: they count in draining."""
        placing = self.placement.pending if self.placement is not None else 0
        return placing + (self._adopter.pending if self._adopter is not None else 0)

    def leave(self) -> None:
        """Accept no more, and take no new sessions; what came before is placed as ever."""
        if self._listener is not None:
            self._listener.close()
        if self.placement is not None:
            self.placement.drain()

    def take_no_more(self) -> None:
        """Take no connection from siblings either: they relay. Whoever has no protocol yet is refused."""
        if self.placement is not None:
            self.placement.close()

    async def aclose(self) -> None:
        """Go."""
        self.leave()
        self.take_no_more()
        if self._adopter is not None:
            await self._adopter.aclose()
        if self._given is not None:
            asyncio.get_running_loop().remove_reader(self._given.lifeline)
            self._given.lifeline.close()
        await self.mesh.aclose()
        with contextlib.suppress(OSError):
            self.mesh.folder.rmdir()  # the last one, mostly

    def _on_lifeline(self) -> None:
        assert self._given is not None
        with contextlib.suppress(BlockingIOError):
            if self._given.lifeline.recv(64):
                return
            asyncio.get_running_loop().remove_reader(self._given.lifeline)
            log.error("the supervisor is gone: worker %d drains and ends", self.number)
            os.kill(os.getpid(), signal.SIGTERM)  # one way to end, whoever wants it
