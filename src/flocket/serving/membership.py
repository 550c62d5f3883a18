"""A server's place among the workers of a machine: its tag, its adapter, and requests that are a sibling's.

Joins EngineApp to cluster/; knows both, and nothing of ports or signals.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Protocol

from flocket.adapters.buses.unix import UnixBus
from flocket.adapters.cluster import ClusterAdapter
from flocket.cluster.relay import Relay
from flocket.cluster.runtime import meeting_key
from flocket.cluster.worker import Worker
from flocket.engine.engine import Engine
from flocket.errors import AdapterError, ConfigError
from flocket.serving.routes import EngineLike

__all__ = ["Member", "Membership", "meet_siblings"]

log = logging.getLogger("flocket")

FIRST_KIND = 64  # of the mesh's frames, above those of hand-overs and relays; each server's bus takes five
KINDS = 5


class Member(Protocol):
    """A server that can have siblings."""

    _engine: Engine
    _front: EngineLike
    _tag: str

    def _join_siblings(self, adapter: ClusterAdapter) -> None:
        """Reach the siblings' clients through this, unless the user chose an adapter."""


class Membership:
    """All servers of one process, in one mesh of workers."""

    def __init__(self, worker: Worker, members: Sequence[Member]) -> None:
        self.worker = worker
        self._members = members
        self._relay: Relay | None = None

    async def join(self) -> None:
        """Before the servers start: their session ids carry this worker's tag."""
        await self.worker.join()
        mesh = self.worker.mesh
        self._relay = Relay(mesh)
        for index, member in enumerate(self._members):
            member._tag = mesh.node.tag
            member._front = self._relay.front(member._engine)
            bus = UnixBus(mesh, first_kind=FIRST_KIND + KINDS * index)
            member._join_siblings(ClusterAdapter(bus, node=mesh.node))

    @property
    def pending(self) -> int:
        """What came here and is owed to somebody: connections without a protocol, requests under relay."""
        return self.worker.pending + (self._relay.pending if self._relay is not None else 0)

    async def leave(self, seconds: float) -> None:
        """Accept no more, and let what is pending find its place, within `seconds`."""
        self.worker.leave()
        if self._relay is not None:
            self._relay.leave()
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while self.pending and loop.time() < end:  # noqa: ASYNC110  # what ends it is spread over many objects
            await asyncio.sleep(0.02)

    async def aclose(self) -> None:
        await self.worker.aclose()


async def meet_siblings(member: Member, cluster: str | None) -> Membership | None:
    """Join whoever serves the same under a host that is not ours; alone, with a warning, if that cannot be."""
    if meeting_key(cluster, None) is None:
        return None  # nobody bound a port for several processes
    try:
        path = member._engine.options.path
        membership = Membership(Worker(None, cluster=cluster, path=path), [member])
        await membership.join()
    except (ConfigError, AdapterError) as error:
        log.warning("serving without siblings: %s", error)
        return None
    return membership
