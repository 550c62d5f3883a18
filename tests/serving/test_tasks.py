"""What a peer does unasked starts nothing: asyncio's tasks are counted within the serving process."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from tests.serving.peer import Peer, masked, until

from flocket import Server, Socket
from flocket.cluster.ports import bind
from flocket.serving.hosting import Serving


def test_twenty_thousand_unasked_pongs_create_no_task() -> None:
    created: list[str] = []

    def counting(loop: asyncio.AbstractEventLoop, coroutine: asyncio._CoroutineLike[object]) -> asyncio.Task[object]:
        created.append(repr(coroutine))
        return asyncio.Task(coroutine, loop=loop)

    async def main() -> None:
        io: Server = Server()
        seen = 0

        @io.on("mark")
        def mark(socket: Socket, number: int) -> None:
            nonlocal seen
            seen = number

        listening = bind("127.0.0.1", 0)
        serving = asyncio.create_task(Serving(io, drain=0.1).serve_here(listening))
        peer = await Peer.websocket(listening[0].getsockname()[1], path="/socket.io/?EIO=4&transport=websocket")
        await peer.frame()  # the open packet
        peer.send(masked(0x81, b"40"))
        await peer.frame()
        peer.send(masked(0x81, b'42["mark",1]'))
        await until(lambda: seen == 1)
        before = len(asyncio.all_tasks())
        asyncio.get_running_loop().set_task_factory(counting)  # type: ignore[arg-type]
        for _ in range(20):
            peer.send(masked(0x81, b"3") * 500, masked(0x8A, b"") * 500)
            await peer.writer.drain()
        peer.send(masked(0x81, b'42["mark",2]'))
        await until(lambda: seen == 2)
        asyncio.get_running_loop().set_task_factory(None)
        assert created == []
        assert len(asyncio.all_tasks()) <= before
        peer.close()
        serving.cancel()
        with suppress(asyncio.CancelledError):
            await serving

    asyncio.run(main())
