"""A node in a process of its own, for the tests: what is published on "ask" it publishes on "answer"."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from flocket.adapters.bus import NodeIdentity
from flocket.adapters.buses.mesh import Mesh
from flocket.adapters.buses.unix import UnixBus


async def main() -> None:
    node = NodeIdentity(sys.argv[2], sys.argv[3], 1)
    bus = UnixBus(Mesh(Path(sys.argv[1]), node))

    def echo(channel: str, data: bytes) -> None:
        bus.publish("answer", data)

    await bus.start(node, echo)
    bus.subscribe("ask")
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
