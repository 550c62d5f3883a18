"""A mixed cluster for the tests: nodes of Node, told what to do over their input, beside nodes of ours in
the loop.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from tests.support.fleet import LocalClient, fleet
from tests.support.node_process import NODE_FOLDER, node_environment
from tests.support.polling import until

from flocket import Server
from flocket.options import Recovery

__all__ = ["Mixed", "NodeNode", "mixed_cluster", "serve_like_node"]


class NodeNode:
    """tests/node/cluster_node.js as a process; `events` of each of its clients."""

    def __init__(self, kind: str, url: str, name: str, options: dict[str, Any], **environment: str) -> None:
        self._command = [str(NODE_FOLDER / "cluster_node.js"), kind, url, name, json.dumps(options)]
        self._environment = {**node_environment(), **environment}
        self._asked: dict[int, asyncio.Future[Any]] = {}
        self.events: list[list[list[Any]]] = [[], []]
        self.told: list[list[Any]] = []
        self.ids: list[str] = []

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            "node",
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=self._environment,
            limit=2**26,
        )
        assert self._process.stdout is not None
        assert json.loads(await asyncio.wait_for(self._process.stdout.readline(), 20)) == {"ready": True}
        self._reader = asyncio.create_task(self._read())
        self.ids = await self.do("clientIds")

    async def _read(self) -> None:
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            said = json.loads(line)
            if "client" in said:
                while len(self.events) <= said["client"]:
                    self.events.append([])
                self.events[said["client"]].append(said["event"])
            elif "told" in said:
                self.told.append(said["told"])
            elif "error" in said:
                self._asked.pop(said["id"]).set_exception(AssertionError(said["error"]))
            else:
                self._asked.pop(said["id"]).set_result(said["result"])

    async def do(self, command: str, *args: Any, **fields: Any) -> Any:
        """Let it do something (see the script), and return its result."""
        number = len(self._asked) + id(fields) % 10**9
        future = self._asked[number] = asyncio.get_running_loop().create_future()
        asked = {"id": number, "do": command, "args": _to_json(list(args)), **fields}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(asked).encode() + b"\n")
        return await asyncio.wait_for(future, 20)

    def stop(self) -> None:
        """Stop it at once, as a crash would."""
        if self._process.returncode is None:
            self._process.kill()

    async def aclose(self) -> None:
        self.stop()
        await self._process.wait()
        await asyncio.wait_for(self._reader, 10)
        transport: Any = self._process._transport  # type: ignore[attr-defined]  # or it warns that it is not closed
        transport.close()


def _to_json(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"$bytes": value.hex()}
    if isinstance(value, list):
        return [_to_json(item) for item in value]
    return value


def serve_like_node(server: Server[Any]) -> None:
    """The handlers of cluster_node.js, for a node of ours."""
    told: list[list[Any]] = []
    server.told = told  # type: ignore[attr-defined]  # what a test looks at

    @server.on("connection")
    async def connection(socket: Any) -> None:
        if "name" in socket.handshake.auth:
            socket.data["name"] = socket.handshake.auth["name"]
        await socket.join("everyone")

    @server.on_server_side("count")
    def count() -> int:
        return len(server.sockets)

    @server.on_server_side("tell")
    def tell(*args: Any) -> None:
        told.append(list(args))


@dataclass
class Mixed:
    """Two nodes of Node and two of ours, each with two clients."""

    theirs: list[NodeNode] = field(default_factory=list)
    ours: list[Server[Any]] = field(default_factory=list)
    clients: list[LocalClient] = field(default_factory=list)  # of ours[0], ours[0], ours[1], ours[1]

    @property
    def inboxes(self) -> dict[str, list[list[Any]]]:
        """What each client got, by the client's name."""
        boxes = {f"node{n}-{c}": node.events[c] for n, node in enumerate(self.theirs) for c in (0, 1)}
        return boxes | {f"ours{n // 2}-{n % 2}": client.events for n, client in enumerate(self.clients)}

    @property
    def ids(self) -> dict[str, str]:
        """The id of each client's socket, by the client's name."""
        ids = {f"node{n}-{c}": node.ids[c] for n, node in enumerate(self.theirs) for c in (0, 1)}
        return ids | {f"ours{n // 2}-{n % 2}": client.sid for n, client in enumerate(self.clients)}

    async def expect(self, event: list[Any], names: set[str]) -> None:
        """Each of these clients gets this event next, and nobody else gets anything."""
        shown = _to_json(event)
        await until(lambda: all(self.inboxes[name] for name in names))
        await asyncio.sleep(0.05)
        for name, inbox in self.inboxes.items():
            assert [_to_json(got) for got in inbox] == ([shown] if name in names else []), name
            inbox.clear()


@asynccontextmanager
async def mixed_cluster(
    kind: str,
    url: str,
    make_adapter: Callable[[], Any],
    options: dict[str, Any],
    recovery: Recovery | None = None,
    **environment: str,
) -> AsyncIterator[Mixed]:
    """A cluster on the Redis of `url`; `options` are those of Node's adapter."""
    async with AsyncExitStack() as stack:
        mixed = Mixed([NodeNode(kind, url, f"node{number}", options, **environment) for number in (0, 1)])
        for node in mixed.theirs:
            await node.start()
            stack.push_async_callback(node.aclose)
        mixed.ours = await stack.enter_async_context(fleet(2, make_adapter, serve_like_node, recovery=recovery))
        for number, server in enumerate(mixed.ours):
            for nth in (0, 1):
                auth = {"name": f"ours{number}-{nth}"}
                mixed.clients.append(await LocalClient(server, auth=auth).connected())
        for client in mixed.clients:
            client.answer = partial(_answer, _name(mixed, client))
        yield mixed


def _answer(name: str, data: list[Any]) -> list[Any] | None:
    return None if data[0] == "silence" else [name, "second"]


def _name(mixed: Mixed, client: LocalClient) -> str:
    number = mixed.clients.index(client)
    return f"ours{number // 2}-{number % 2}"
