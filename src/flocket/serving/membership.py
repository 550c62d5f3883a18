"""A server's place among the workers of a machine: its tag, its adapter, and requests that are a sibling's.

Joins EngineApp to cluster/; knows both, and nothing of ports or signals.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Sequence
from typing import Protocol

from flocket.adapters.bus import NodeIdentity
from flocket.adapters.buses.lanes import Lane
from flocket.cluster.far import FarMesh, Lines
from flocket.cluster.relay import Relay, RelayEngine
from flocket.cluster.runtime import Inherited, meeting_key
from flocket.cluster.worker import Worker
from flocket.engine.engine import Engine
from flocket.engine.sid import make_tag
from flocket.errors import AdapterError, ConfigError
from flocket.serving.routes import EngineLike

__all__ = ["Member", "Membership", "Reach", "meet_siblings", "membership_of"]

IN_FLIGHT = 0.1  # seconds from a connection's acceptance until its request has been served, and to spare

log = logging.getLogger("flocket")


class Member(Protocol):
    """A server that can have siblings."""

    _engine: Engine
    _front: EngineLike
    _tag: str
    _cluster: str | None

    def _join_siblings(self, lane: Lane, node: NodeIdentity) -> None:
        """Reach the siblings' clients through this, unless the user chose an adapter; `node` is this worker."""


class Membership:
    """All servers of one process, in one mesh of workers."""

    def __init__(self, worker: Worker, members: Sequence[Member]) -> None:
        self.worker = worker
        # Before the mesh runs: what siblings say first is heard.
        for member in members:
            member._tag = worker.node.tag
            member._front = worker.relay.front(member._engine)
            member._join_siblings(worker.lane(member._engine.options.path), worker.node)

    async def join(self) -> None:
        """Before the servers start: their session ids carry this worker's tag."""
        await self.worker.join()

    @property
    def pending(self) -> int:
        """What came here and is owed to somebody: connections without a protocol, requests under relay."""
        return self.worker.pending + self.worker.relay.pending

    async def drain(self) -> None:
        """Let siblings have the new sessions; whatever else comes is served and placed as ever.

        Where they accept in this worker's place, return when what it had accepted has been served: to take no
        session, or to tell a probe that it is not ready, would be an answer for all of them.
        """
        self.worker.drain()
        if not self.worker.accepting:
            await asyncio.sleep(IN_FLIGHT)

    async def leave(self, seconds: float) -> None:
        """Accept no more, and let what is pending find its place, within `seconds`."""
        self.worker.leave()
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while self.pending and loop.time() < end:  # noqa: ASYNC110  # what ends it is spread over many objects
            await asyncio.sleep(0.02)
        self.worker.take_no_more()

    async def aclose(self) -> None:
        await self.worker.aclose()


def membership_of(members: Sequence[Member], given: Inherited | None) -> Membership | None:
    """Where these servers meet their siblings; None if they can have none."""
    cluster = next((member._cluster for member in members if member._cluster is not None), None)
    key = meeting_key(cluster, given.token if given is not None else None)
    if key is None:
        return None
    # Two servers of one program, each alone under a host that is not ours, are no siblings of each other.
    path = members[0]._engine.options.path if members else ""
    return Membership(Worker(f"{key} {path}", given), members)


async def meet_siblings(member: Member) -> Membership | None:
    """Join whoever serves the same under a host that is not ours; alone, with a warning, if that cannot be."""
    try:
        membership = membership_of([member], None)
        if membership is not None:
            await membership.join()
    except (ConfigError, AdapterError) as error:
        log.warning("serving without siblings: %s", error)
        return None
    return membership


class Reach:
    """A server's access to sessions on other machines, over channels of its adapter's bus."""

    def __init__(self, member: Member, lines: Lines) -> None:
        node = NodeIdentity(os.urandom(8).hex(), member._tag, time.time_ns() // 1_000_000)
        self.mesh = FarMesh(lines, node, f"{lines.prefix}{member._engine.options.path}")
        self._relay = Relay(self.mesh)
        self._member = member
        self._front = self._relay.front(member._engine)

    async def start(self) -> None:
        """Serve requests whose session is on another machine."""
        near = self._member._front
        if isinstance(near, RelayEngine):
            near.beyond = self._front  # siblings first: they are nearer
            near.on_gone(self.mesh.forget)  # they have greeted there, too
        else:
            self._member._front = self._front
        await self.mesh.start(self._draw)

    def _draw(self) -> str:
        if isinstance(self._member._front, RelayEngine) and self._member._front is not self._front:
            # Its siblings know it by this tag already. Of 16 million, the next one will do.
            raise AdapterError("a node of another machine has drawn the same tag: start again")
        self._member._tag = make_tag(os.urandom)
        return self._member._tag

    def leave(self) -> None:
        """End what waits here for sessions elsewhere, without harm to them."""
        self._relay.leave()

    def close(self) -> None:
        """Be gone for the others."""
        self.mesh.close()
        engine, near = self._member._engine, self._member._front
        if near is self._front:
            self._member._front = engine
        elif isinstance(near, RelayEngine):
            near.beyond = engine

    def stats(self) -> dict[str, int]:
        return {
            "relay_nodes": len(self.mesh.peers),
            "relay_requests": self._relay.relayed,
            "relay_holes": self.mesh.holes,
            "relay_garbage": self.mesh.garbage,
        }
