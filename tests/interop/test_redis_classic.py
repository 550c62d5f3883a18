"""A mixed cluster on one Redis, joined by @socket.io/redis-adapter and by RedisAdapter."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from tests.interop.redis_behaviour import CHECKS, TOGETHER
from tests.support.fleet import LocalClient, fleet
from tests.support.mixed import Mixed, mixed_cluster
from tests.support.node_process import run_node
from tests.support.polling import until
from tests.support.redis import RedisServer

from flocket import AsyncEmitter, RedisAdapter, Server
from flocket.adapters.buses.redis import RedisBus
from flocket.adapters.buses.redis_address import RedisAddress
from flocket.adapters.cluster import make_identity
from flocket.adapters.urls import adapter_from_url


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_in_a_mixed_cluster(redis: RedisServer, check: Callable[[Mixed], Awaitable[None]]) -> None:
    async def test() -> None:
        async with mixed_cluster("classic", redis.url, lambda: RedisAdapter(redis.url), {}) as cluster:
            await check(cluster)

    asyncio.run(test())


@pytest.mark.parametrize("specific", [False, True])
def test_with_ioredis_another_key_and_specific_response_channels(redis: RedisServer, specific: bool) -> None:
    options: dict[str, Any] = {"key": "mine", "publishOnSpecificResponseChannel": specific}

    async def test() -> None:
        async with mixed_cluster(
            "classic-ioredis",
            redis.url,
            lambda: RedisAdapter(redis.url, key="mine", publish_on_specific_response_channel=not specific),
            options,
        ) as cluster:
            for check in TOGETHER:
                await check(cluster)
                for inbox in cluster.inboxes.values():
                    inbox.clear()

    asyncio.run(test())


def test_all_rooms_of_all_nodes_are_known_to_either_side(redis: RedisServer) -> None:
    async def test() -> None:
        async with mixed_cluster("classic", redis.url, lambda: RedisAdapter(redis.url), {}) as cluster:
            adapter: Any = cluster.ours[0].of("/").adapter
            rooms = {*cluster.ids.values(), "everyone"}
            assert await adapter.all_rooms() == rooms
            assert set(await cluster.theirs[0].do("allRooms")) == rooms

    asyncio.run(test())


def test_npms_emitter_reaches_our_nodes(redis: RedisServer) -> None:
    async def test() -> None:
        told: list[Any] = []
        adapters = iter([RedisAdapter(redis.url), RedisAdapter(redis.url)])

        def setup(server: Server[Any]) -> None:
            @server.on_server_side("told")
            def hear(*args: Any) -> None:
                told.append(args)

            server.of("/chat")

        async with fleet(2, lambda: next(adapters), setup) as nodes:
            red, blue = [await LocalClient(node).connected() for node in nodes]
            chat = await LocalClient(nodes[0], "/chat").connected()
            await nodes[0].sockets[red.sid].join("red")
            await nodes[1].sockets[blue.sid].join("red", "blue")
            assert await asyncio.to_thread(run_node, "emitter.js", None, 30.0, redis.url) == {"done": True}
            await until(lambda: blue.disconnected and len(told) == 2)
            assert red.events == [["all", 1, b"\1\2"], ["red", {"a": None}], ["not blue"], ["green"]]
            assert blue.events == [["all", 1, b"\1\2"], ["red", {"a": None}], ["green"]]
            assert chat.events == [["chat", 1]]
            assert told == [("x", 2), ("x", 2)]
            assert nodes[0].sockets[red.sid].rooms == {red.sid, "red", "green"}

    asyncio.run(test())


def test_legacy_requests_of_older_nodes_are_answered(redis: RedisServer) -> None:
    async def test() -> None:
        async with fleet(1, lambda: RedisAdapter(redis.url)) as nodes:
            node = nodes[0]
            one, two = await LocalClient(node).connected(), await LocalClient(node).connected()
            bus = RedisBus(RedisAddress.parse(redis.url))
            answers: list[Any] = []
            await bus.start(make_identity(), lambda channel, data: answers.append(json.loads(data)))
            bus.subscribe("socket.io-response#/#")
            await bus.settled()

            async def ask(**request: Any) -> Any:
                bus.publish("socket.io-request#/#", json.dumps({"uid": "old", "requestId": "q", **request}).encode())
                await until(lambda: answers)
                return answers.pop()

            assert await ask(type=2, sid=one.sid, room="red") == {"requestId": "q"}
            assert node.sockets[one.sid].rooms == {one.sid, "red"}
            assert await ask(type=0, rooms=["red"]) == {"requestId": "q", "sockets": [one.sid]}
            assert sorted((await ask(type=0, rooms=[]))["sockets"]) == sorted([one.sid, two.sid])
            assert sorted((await ask(type=1))["rooms"]) == sorted([one.sid, two.sid, "red"])
            assert await ask(type=3, sid=one.sid, room="red") == {"requestId": "q"}
            assert node.sockets[one.sid].rooms == {one.sid}
            assert await ask(type=4, sid=two.sid, close=False) == {"requestId": "q"}
            assert two.disconnected
            await bus.aclose()

    asyncio.run(test())


@pytest.mark.parametrize("scheme", ["redis", "redis+sharded", "redis+streams"])
def test_our_emitter_reaches_our_nodes_in_every_dialect(redis: RedisServer, scheme: str) -> None:
    url = redis.url.replace("redis", scheme)

    async def test() -> None:
        async with fleet(2, lambda: adapter_from_url(url)) as nodes:
            clients = [await LocalClient(node).connected() for node in nodes]
            await nodes[1].sockets[clients[1].sid].join("red")
            async with AsyncEmitter(url) as emitter:
                await emitter.emit("all", b"\1")
                await emitter.to("red").emit("red")
                await emitter.to("red").sockets_join("blue")
                await until(lambda: "blue" in nodes[1].rooms)
                await nodes[1].of("/").adapter.settled()
                await emitter.to("blue").except_("red").emit("never")
                await emitter.to("blue").disconnect_sockets()
            await until(lambda: clients[1].disconnected)
            assert [client.events for client in clients] == [[["all", b"\1"]], [["all", b"\1"], ["red"]]]

    asyncio.run(test())


def test_a_message_that_would_cut_off_every_subscriber_is_not_published(redis: RedisServer) -> None:
    async def test() -> None:
        async with fleet(2, lambda: RedisAdapter(redis.url)) as nodes:
            clients = [await LocalClient(node).connected() for node in nodes]
            nodes[0].emit("huge", b"\0" * 33_000_000)
            await clients[0].has(1)
            nodes[0].emit("after")
            await clients[1].got("after")
            assert nodes[0].stats()["adapter_publish_dropped"] == 1
            assert nodes[1].stats()["adapter_reconnects"] == 0

    asyncio.run(test())


def test_the_parent_of_dynamic_namespaces_may_be_awaited_too(redis: RedisServer) -> None:
    async def test() -> None:
        def setup(server: Server[Any]) -> None:
            server.games = server.of(re.compile(r"^/game-\d+$"))  # type: ignore[attr-defined]  # for the test

        async with fleet(2, lambda: RedisAdapter(redis.url), setup) as nodes:
            clients = [await LocalClient(node, "/game-1").connected() for node in nodes]
            await nodes[0].games.emit("all")  # type: ignore[attr-defined]  # as above
            for client in clients:
                await client.got("all")

    asyncio.run(test())
