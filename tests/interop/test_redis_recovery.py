"""Clients that come back to any node, of either language, over the log that all share."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from tests.support.fleet import LocalClient, fleet
from tests.support.mixed import Mixed, mixed_cluster
from tests.support.polling import until
from tests.support.redis import RedisServer

from flocket import Server
from flocket.adapters.redis_streams import RedisStreamsAdapter
from flocket.options import Recovery


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


def run(redis: RedisServer, test: Callable[[list[Server[Any]]], Awaitable[None]], **options: Any) -> None:
    redis.command("FLUSHALL")

    async def body() -> None:
        recovery = Recovery(window=options.pop("window", 60.0))
        async with fleet(2, lambda: RedisStreamsAdapter(redis.url, **options), recovery=recovery) as nodes:
            await asyncio.wait_for(test(nodes), 60)

    asyncio.run(body())


async def comeback(node: Server[Any], client: LocalClient, **changed: Any) -> LocalClient:
    auth = {"pid": client.pid, "offset": client.offset, **changed}
    return await LocalClient(node, auth={key: value for key, value in auth.items() if value}).connected()


async def kept(redis: RedisServer, client: LocalClient) -> None:
    """Redis has its session: a client's own way back takes longer than that, and what is not yet there is not found."""
    deadline = asyncio.get_running_loop().time() + 5
    while await asyncio.to_thread(redis.command, "EXISTS", f"sio:session:{client.pid}") != "1":
        assert asyncio.get_running_loop().time() < deadline


def names(client: LocalClient) -> list[Any]:
    return [event[1] for event in client.events]


def test_a_client_gets_all_that_it_missed_on_whichever_node_it_comes_back(redis: RedisServer) -> None:
    async def test(nodes: list[Server[Any]]) -> None:
        for back in (nodes[0], nodes[1]):
            client = await LocalClient(nodes[0]).connected()
            socket = nodes[0].sockets[client.sid]
            await socket.join("red")
            socket.data["name"] = "ada"
            nodes[1].emit("n", 0)
            await client.has(1)
            client.leave()
            nodes[1].emit("n", 1)
            nodes[1].to("red").emit("n", 2)
            nodes[1].to("blue").emit("n", "blue")
            nodes[1].except_("red").emit("n", "not red")
            nodes[1].volatile.emit("n", "volatile")
            nodes[1].to(client.sid).emit("n", b"\x01\x02")
            again = await comeback(back, client)
            assert (again.sid, again.pid) == (client.sid, client.pid)
            nodes[1].emit("n", 3)
            await again.has(4)
            assert names(again) == [1, 2, b"\x01\x02", 3]
            returned = back.sockets[again.sid]
            assert returned.recovered
            assert (returned.rooms, returned.data["name"]) == ({client.sid, "red"}, "ada")
            again.leave()

    run(redis, test)


def test_a_client_of_a_node_that_ended_in_order_comes_back_to_another(redis: RedisServer) -> None:
    async def test(nodes: list[Server[Any]]) -> None:
        client = await LocalClient(nodes[0]).connected()
        nodes[1].emit("n", 0)
        await client.has(1)
        await nodes[0].close()
        nodes[1].emit("n", 1)
        again = await comeback(nodes[1], client)
        assert again.sid == client.sid
        await again.has(1)
        assert names(again) == [1]

    run(redis, test)


def test_a_client_that_got_nothing_yet_and_one_that_missed_nothing_come_back(redis: RedisServer) -> None:
    async def test(nodes: list[Server[Any]]) -> None:
        nodes[0].emit("n", "before")
        first = await LocalClient(nodes[0]).connected()
        first.leave()
        nodes[0].emit("n", 1)
        second = await comeback(nodes[1], first)
        assert second.sid == first.sid
        await second.has(1)
        assert names(second) == [1]
        second.leave()
        third = await comeback(nodes[0], second)
        assert third.sid == first.sid
        await asyncio.sleep(0.05)
        assert third.events == []

    run(redis, test)


def test_events_for_one_socket_can_be_recovered_too(redis: RedisServer) -> None:
    async def test(nodes: list[Server[Any]]) -> None:
        client = await LocalClient(nodes[0]).connected()
        nodes[0].sockets[client.sid].emit("n", 1)
        await client.has(1)
        assert client.offset is not None

    run(redis, test)


@pytest.mark.parametrize("offset", ["0-0", "9999999999999-0", "$", "-", "x" * 60, "1-1", "18446744073709551616-0"])
def test_a_forged_offset_recovers_nothing(redis: RedisServer, offset: str) -> None:
    async def test(nodes: list[Server[Any]]) -> None:
        client = await LocalClient(nodes[0]).connected()
        nodes[0].emit("n", 1)
        await client.has(1)
        client.leave()
        again = await comeback(nodes[1], client, offset=offset)
        assert again.sid != client.sid
        assert again.events == []

    run(redis, test)


def test_a_kicked_client_and_one_that_comes_twice_are_not_recovered(redis: RedisServer) -> None:
    async def test(nodes: list[Server[Any]]) -> None:
        kicked = await LocalClient(nodes[0]).connected()
        nodes[0].emit("n", 1)
        await kicked.has(1)
        nodes[0].sockets[kicked.sid].disconnect()
        assert (await comeback(nodes[1], kicked)).sid != kicked.sid
        left = await LocalClient(nodes[0]).connected()
        nodes[0].emit("n", 2)
        await left.has(1)
        left.leave()
        both = await asyncio.gather(comeback(nodes[0], left), comeback(nodes[1], left))
        assert [client.sid == left.sid for client in both].count(True) == 1

    run(redis, test)


def test_a_trimmed_log_recovers_nothing_rather_than_a_part(redis: RedisServer) -> None:
    async def test(nodes: list[Server[Any]]) -> None:
        client = await LocalClient(nodes[0]).connected()
        nodes[0].emit("n", 0)
        await client.has(1)
        client.leave()
        await asyncio.sleep(0.05)
        for number in range(400):
            nodes[0].emit("n", number)
        await asyncio.sleep(0.2)
        again = await comeback(nodes[1], client)
        assert again.sid != client.sid

    run(redis, test, max_len=10)


def test_a_session_that_is_too_old_is_forgotten(redis: RedisServer) -> None:
    async def test(nodes: list[Server[Any]]) -> None:
        client = await LocalClient(nodes[0]).connected()
        nodes[0].emit("n", 0)
        await client.has(1)
        client.leave()
        await asyncio.sleep(0.3)
        again = await comeback(nodes[1], client)
        assert again.sid != client.sid

    run(redis, test, window=0.1)


def test_under_load_nothing_is_lost_or_doubled_across_comebacks(redis: RedisServer) -> None:
    async def test(nodes: list[Server[Any]]) -> None:
        sent = 0
        stop = False

        async def talk() -> None:
            nonlocal sent
            while not stop:
                nodes[sent % 2].emit("n", sent)
                sent += 1
                await asyncio.sleep(0.001)

        talking = asyncio.create_task(talk())
        client = await LocalClient(nodes[0]).connected()
        await until(lambda: client.events)
        got = []
        for trial in range(60):
            await asyncio.sleep(0.01)
            client.leave()
            got += names(client)
            await asyncio.sleep(0.002 * (trial % 5))
            await kept(redis, client)
            again = await comeback(nodes[trial % 2], client)
            assert again.sid == client.sid, f"not recovered in trial {trial}"
            client = again
        stop = True
        await talking
        await until(lambda: client.events and client.events[-1][1] == sent - 1)
        await asyncio.sleep(0.05)
        got += names(client)
        assert len(got) == len(set(got)), "doubled"
        assert set(got) == set(range(min(got), sent)), "lost"
        for parity in (0, 1):
            of_one_node = [number for number in got if number % 2 == parity]
            assert of_one_node == sorted(of_one_node), "out of order"

    run(redis, test)


def test_who_leaves_a_room_or_is_disconnected_still_gets_what_was_said_before(redis: RedisServer) -> None:
    async def test(nodes: list[Server[Any]]) -> None:
        one, two, other = [await LocalClient(nodes[n]).connected() for n in (0, 0, 1)]
        leaves = nodes[0].sockets[one.sid]
        leaves.join("room")
        nodes[0].to("room").emit("room", 1)
        leaves.leave("room")
        leaves.emit("bye", 2)
        nodes[0].emit("all", 3)
        leaves.disconnect()
        nodes[0].emit("later", 4)
        await until(lambda: one.disconnected)
        await two.has(2)
        await other.has(2)
        assert [event[0] for event in one.events] == ["room", "bye", "all"]
        assert [event[0] for event in two.events] == ["all", "later"]
        assert [event[0] for event in other.events] == ["all", "later"]

    run(redis, test)


def test_local_clients_get_events_while_redis_is_away() -> None:
    with RedisServer() as server:

        async def test(nodes: list[Server[Any]]) -> None:
            clients = [await LocalClient(node).connected() for node in nodes]
            nodes[0].emit("n", 0)
            await asyncio.gather(*(client.has(1) for client in clients))
            server.stop(kill=True)
            for number in (1, 2):
                nodes[0].emit("n", number)
            await clients[0].has(3)
            assert names(clients[0]) == [0, 1, 2]
            server.start()
            await until(lambda: all(node._adapter.health()["ok"] for node in nodes))
            nodes[0].emit("n", 3)
            await until(lambda: names(clients[1])[-1] == 3)
            await until(lambda: names(clients[0]) == [0, 1, 2, 3])

        run(server, test)


def run_mixed(redis: RedisServer, test: Callable[[Mixed], Awaitable[None]]) -> None:
    async def body() -> None:
        async with mixed_cluster(
            "streams", redis.url, lambda: RedisStreamsAdapter(redis.url), {}, recovery=Recovery(), RECOVERY="1"
        ) as cluster:
            await test(cluster)

    asyncio.run(body())


def test_a_client_of_node_comes_back_to_us(redis: RedisServer) -> None:
    async def test(cluster: Mixed) -> None:
        cluster.ours[0].emit("n", 1)
        await until(lambda: cluster.theirs[0].events[0])
        known = await cluster.theirs[0].do("drop", client=0)
        await asyncio.sleep(0.1)  # Node's node says when it has kept a session to nobody
        await cluster.theirs[1].do("emit", "n", 2)
        cluster.ours[1].to("everyone").emit("n", 3)
        again = await LocalClient(cluster.ours[0], auth={"pid": known["pid"], "offset": known["offset"]}).connected()
        assert again.sid == known["id"]
        await again.has(2)
        assert sorted(names(again)) == [2, 3]
        socket = cluster.ours[0].sockets[again.sid]
        assert (socket.recovered, socket.data["name"]) == (True, "node0-0")
        assert socket.rooms == {known["id"], "everyone"}

    run_mixed(redis, test)


def test_a_client_of_ours_comes_back_to_node(redis: RedisServer) -> None:
    async def test(cluster: Mixed) -> None:
        client = cluster.clients[0]
        await cluster.theirs[0].do("emit", "n", 1)
        await client.has(1)
        client.leave()
        await asyncio.sleep(0.05)
        await cluster.theirs[1].do("emit", "n", 2)
        cluster.ours[1].to("everyone").emit("n", 3)
        await asyncio.sleep(0.05)
        back = await cluster.theirs[0].do("comeBack", pid=client.pid, offset=client.offset)
        assert (back["recovered"], back["id"]) == (True, client.sid)
        events = cluster.theirs[0].events[back["client"]]
        await until(lambda: len(events) == 2)
        assert sorted(event[1] for event in events) == [2, 3]
        fetched = [s for s in await cluster.ours[1].fetch_sockets() if s.id == client.sid]
        assert [s.data["name"] for s in fetched] == ["ours0-0"]
        assert fetched[0].rooms == {client.sid, "everyone"}

    run_mixed(redis, test)
