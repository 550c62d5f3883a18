"""The rights that docs/deploy.md gives to nodes and emitters are enough, and no command is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import pytest
from tests.support.documents import Document
from tests.support.fleet import LocalClient, fleet
from tests.support.polling import until
from tests.support.programs import ROOT
from tests.support.redis import RedisServer, redis_cluster

from flocket import AsyncEmitter, Emitter, Recovery
from flocket.adapters.urls import adapter_from_url

RIGHTS = Document(ROOT / "docs" / "deploy.md").program("acl").splitlines()


@pytest.fixture(scope="module", params=[1, 3], ids=["one Redis", "Redis Cluster"])
def servers(request: pytest.FixtureRequest) -> Iterator[list[RedisServer]]:
    with RedisServer() as one, redis_cluster() if request.param == 3 else nullcontext([one]) as all_of_them:
        for server in all_of_them:
            for line in RIGHTS:
                assert server.command("ACL", "SETUSER", *line.split()[1:]) == "OK"
        yield all_of_them


@pytest.mark.parametrize("scheme", ["redis", "redis+sharded", "redis+streams"])
def test_nodes_and_emitters_are_refused_nothing(servers: list[RedisServer], scheme: str) -> None:
    url = f"{scheme}://node:secret@127.0.0.1:{servers[0].port}"
    emits = url.replace("node", "emitter")
    options: dict[str, Any] = {"recovery": Recovery()} if "streams" in scheme else {}

    async def test() -> None:
        async with fleet(2, lambda: adapter_from_url(url), **options) as nodes:
            one, two = [await LocalClient(node).connected() for node in nodes]
            await nodes[1].sockets[two.sid].join("room")
            await nodes[1].of("/").adapter.settled()
            nodes[0].to("room").emit("hi")
            with Emitter(emits) as emitter:
                await asyncio.to_thread(emitter.to("room").emit, "plain")
            async with AsyncEmitter(emits) as other:
                await other.to("room").emit("asynchronous")
            await until(lambda: [event[0] for event in two.events] == ["hi", "plain", "asynchronous"])
            assert await nodes[0].count() == 2
            assert await nodes[0].of("/").adapter.server_count() == 2
            assert len(await nodes[0].timeout(5).emit_with_ack("question", 1)) == 2
            if options:
                two.leave()
                await until(lambda: not nodes[1].sockets)
                nodes[0].emit("missed")
                back = LocalClient(nodes[0], auth={"pid": two.pid, "offset": two.offset})
                await until(lambda: [event[0] for event in back.events] == ["missed"])
            await nodes[1].of("/").adapter.settled()
            one.leave()

    asyncio.run(test())
    assert [server.command("ACL", "LOG") for server in servers] == [""] * len(servers)
