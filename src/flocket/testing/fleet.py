"""Several Servers in one loop, joined by an author's adapters, with clients in memory: what the suite's tests run on.

Knows how they are made, and how long to wait for them; does not know what is tested.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any

from flocket.serving.server import Server
from flocket.sockets.socket import Socket
from flocket.testing.client import Client, connect

__all__ = ["Fleet", "OnFleets"]


class Fleet:
    """The nodes of one test, and two clients on each: `clients[0]` and `[1]` are the first node's."""

    def __init__(self, nodes: Sequence[Server[Any]], clients: Sequence[Client]) -> None:
        self.nodes = nodes
        self.clients = clients

    def socket(self, client: Client) -> Socket[Any]:
        """The server's side of a client."""
        for node in self.nodes:
            found = node.of(client.namespace).sockets.get(client.id)
            if found is not None:
                return found
        raise AssertionError(f"{client!r} is on no node")


class OnFleets:
    """What a class of such tests inherits; `adapters` is for its author to say."""

    timeout = 5.0
    quiet = 0.1

    def adapters(self, count: int) -> AbstractAsyncContextManager[Sequence[Any]]:
        raise NotImplementedError("say how `count` adapters that are joined are made")

    async def joined(self, nodes: Sequence[Server[Any]]) -> None:
        """Return once each node knows all others: by what `server_count` says, unless you know better."""

        async def all_known() -> bool:
            counts = [await node.of("/").adapter.server_count() for node in nodes]
            return counts == [len(nodes)] * len(nodes)

        await self.until(all_known)

    # -- for the tests --------------------------------------------------------------------------------------

    def run(self, test: Callable[[Fleet], Coroutine[Any, Any, None]], count: int = 3) -> None:
        """Run a test with `count` joined nodes and two clients on each."""

        async def body() -> None:
            async with self.fleet(count) as fleet:
                await test(fleet)

        asyncio.run(body())

    @asynccontextmanager
    async def fleet(self, count: int) -> AsyncIterator[Fleet]:
        async with AsyncExitStack() as stack:
            adapters = await stack.enter_async_context(self.adapters(count))
            nodes = []
            for adapter in adapters:
                io: Server[Any] = Server(serve_client=False)
                io.adapter(adapter)
                nodes.append(await stack.enter_async_context(io))
            await self.joined(nodes)
            clients = [await stack.enter_async_context(connect(node)) for node in nodes for _ in range(2)]
            yield Fleet(nodes, clients)

    async def until(self, condition: Callable[[], Awaitable[bool]]) -> None:
        """Return once it holds; fails after `timeout`."""
        async with asyncio.timeout(self.timeout):
            while not await condition():  # noqa: ASYNC110  # a condition of several nodes has no event
                await asyncio.sleep(0.01)

    async def hears(self, clients: Sequence[Client], event: str, *args: Any) -> None:
        """Each of these gets this event next, with these arguments."""
        for client in clients:
            assert await client.receive(event, timeout=self.timeout) == args

    async def silent(self, clients: Sequence[Client], event: str) -> None:
        """None of these gets such an event."""
        await asyncio.sleep(self.quiet)
        for client in clients:
            try:
                args = await client.receive(event, timeout=0.001)
            except TimeoutError:
                continue
            raise AssertionError(f"{client!r} got {event!r} {args!r}")
