"""A node that has just begun: one that is on the bus and does not listen yet, one whose tag is another's."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from tests.cluster.tools import runtime_folder
from tests.support.fleet import fleet
from tests.support.polling import until
from tests.support.redis import RedisServer

from flocket import ClusterAdapter, RedisAdapter, Server
from flocket.adapters.buses.mesh import Mesh
from flocket.adapters.buses.unix import UnixBus
from flocket.cluster.runtime import make_identity


def test_a_node_that_does_not_listen_yet_is_not_waited_for() -> None:
    async def scene(folder: Path) -> None:
        mesh, beginning = (Mesh(folder, make_identity(folder)) for _ in range(2))
        io: Server = Server(serve_client=False)
        io.adapter(ClusterAdapter(UnixBus(mesh), node=mesh.node))
        async with io:
            await beginning.start()
            await until(lambda: any(peer.up for peer in mesh.peers.values()))
            async with asyncio.timeout(1):
                assert await io.count() == 0
            await beginning.aclose()

    with runtime_folder() as folder:
        asyncio.run(scene(Path(folder)))


def test_servers_that_drew_the_same_tag_make_sessions_with_two() -> None:
    def setup(server: Server[Any]) -> None:
        server._tag = "same"

    async def scene(url: str) -> None:
        async with fleet(3, lambda: RedisAdapter(url), setup) as nodes:
            sids = [server._engine._make_sid() for server in nodes]
            assert sids[0].startswith("same")
            assert len({sid[:4] for sid in sids}) == 3

    with RedisServer() as redis:
        asyncio.run(scene(redis.url))
