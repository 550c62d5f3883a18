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
from collections.abc import Callable, Sequence

from flocket.adapters.bus import NodeIdentity
from flocket.adapters.buses.lanes import Lane, Lanes
from flocket.adapters.buses.mesh import Mesh, Peer
from flocket.cluster.adopt import Adopter
from flocket.cluster.handoff import refuse_offers
from flocket.cluster.listen import Listener
from flocket.cluster.place import Placement, Sticky
from flocket.cluster.relay import Relay
from flocket.cluster.runtime import Inherited, clean, make_identity, meeting_place
from flocket.observe import Counters
from flocket.options import Limits

__all__ = ["Worker"]

MEETING = 0.5  # seconds for those who are there to greet: who asks them as it starts must know of them

log = logging.getLogger("flocket.cluster")


class Worker:
    """Made within the running loop, in the process that serves: its identity must not be older than a fork.

    `key` is what it has in common with its siblings (runtime.py), `given` what a supervisor left.
    """

    def __init__(self, key: str, given: Inherited | None = None) -> None:
        self.number = given.worker if given is not None else 0
        folder = meeting_place(key)
        self.mesh = Mesh(folder, make_identity(folder), worker=self.number, make_folder=lambda: meeting_place(key))
        self.relay = Relay(self.mesh)
        refuse_offers(self.mesh)  # as long as nothing is accepted: while it starts, and under a host that accepts
        self.placement: Placement | None = None
        self._lanes = Lanes(self.mesh)
        self._given = given
        self._listener: Listener | None = None
        self._all_end = False
        self._adopter: Adopter | None = None

    @property
    def node(self) -> NodeIdentity:
        return self.mesh.node

    def lane(self, name: str) -> Lane:
        """A bus to the same server of every sibling: that which has this name."""
        return self._lanes.lane(name)

    async def join(self) -> None:
        """Meet the siblings: before anything is served, as the session ids carry this worker's tag."""
        clean(self.mesh.folder)
        self.mesh.on_down.append(_tell_of_a_hung)
        await self.mesh.start()
        await self.mesh.met(MEETING)
        if self._given is not None:
            lifeline = self._given.lifeline
            lifeline.setblocking(False)
            asyncio.get_running_loop().add_reader(lifeline, self._read_lifeline)

    def accept(
        self,
        listening: Sequence[socket.socket],
        adopter: Adopter,
        load: Callable[[], int],
        *,
        sticky: Sticky = "session",
        is_ours: Callable[[str], bool] = lambda path: True,
        readable: bool = True,
        limits: Limits | None = None,
        counters: Counters | None = None,
    ) -> None:
        """Accept from now on; `adopter` serves what stays. `load` is what this worker carries.

        Not `readable`: it is encrypted and cannot be peeked at, so it stays where it arrives, and is relayed.
        `limits` are those of a request's head, and `counters` count whom they refuse.
        """
        self._adopter = adopter
        self.placement = Placement(
            self.mesh,
            adopter.adopt,
            load,
            sticky=sticky,
            slots=self._given.slots if self._given is not None else 0,
            chosen=self._given is None,  # a node with a port of its own, which others have too
            is_ours=is_ours,
            limits=limits,
            counters=counters,
            warn=log.warning,
        )
        self._listener = Listener(listening, self.placement.arrive if readable else adopter.adopt)
        if self._given is not None:
            self._given.lifeline.send(b"ready")

    @property
    def accepting(self) -> bool:
        return self._listener is not None and self._listener.accepting

    @property
    def pending(self) -> int:
        """Connections that were accepted, and that no protocol has yet: they count in draining."""
        placing = self.placement.pending if self.placement is not None else 0
        return placing + (self._adopter.pending if self._adopter is not None else 0)

    def drain(self) -> None:
        """Take no new sessions, if a sibling can. Accept as ever, unless siblings do so on the same sockets."""
        if self.placement is not None:
            self.placement.drain()
        if self._given is not None:
            self._read_lifeline()  # what it says came before the signal, and may not have been read yet
            if not self._all_end:
                self._accept_no_more()

    def leave(self) -> None:
        """Accept no more, and take no new sessions; what came before is placed as ever, what waits is ended."""
        self._accept_no_more()
        if self.placement is not None:
            self.placement.drain()
        self.relay.leave()

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
        await self._lanes.aclose()
        await self.mesh.aclose()
        with contextlib.suppress(OSError):
            self.mesh.folder.rmdir()  # the last one, mostly

    def _accept_no_more(self) -> None:
        if self._listener is not None:
            self._listener.close()

    def _read_lifeline(self) -> None:
        assert self._given is not None
        with contextlib.suppress(BlockingIOError):
            said, told = self._given.lifeline.recv(64), self._all_end
            self._all_end = True
            if not said:
                asyncio.get_running_loop().remove_reader(self._given.lifeline)
                if not told:
                    log.error("the supervisor is gone: worker %d drains and ends", self.number)
                    os.kill(os.getpid(), signal.SIGTERM)  # one way to end, whoever wants it


def _tell_of_a_hung(peer: Peer, why: str) -> None:
    if why == "hung":
        told = "worker %d (pid %d) does not answer: its clients wait; does a handler block it?"
        log.warning(told, peer.worker, peer.pid)
