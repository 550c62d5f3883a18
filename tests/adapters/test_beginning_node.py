"""A node that is on the bus and does not listen yet: a worker that has just begun."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.cluster.tools import runtime_folder
from tests.support.polling import until

from flocket import ClusterAdapter, Server
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
