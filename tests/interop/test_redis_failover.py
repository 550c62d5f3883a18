"""Slots that move within a Redis Cluster, and a master that sentinels replace: nobody stays deaf."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.interop.test_redis_faults import Pair, pair
from tests.support.polling import until, wait_for
from tests.support.redis import RedisServer, redis_cluster

from flocket import AsyncEmitter, Emitter
from flocket.adapters.redis_classic import RedisAdapter
from flocket.adapters.redis_sharded import ShardedRedisAdapter
from flocket.adapters.redis_streams import RedisStreamsAdapter


@pytest.fixture(scope="module")
def masters() -> Iterator[list[RedisServer]]:
    with redis_cluster() as servers:
        yield servers


def move_slot(masters: list[RedisServer], key: str) -> None:
    """Give a key's slot to the next master, its key along with it."""
    slot = masters[0].command("CLUSTER", "KEYSLOT", key)
    ids = [master.command("CLUSTER", "MYID") for master in masters]
    source = next(n for n, master in enumerate(masters) if "MOVED" not in master.command("SPUBLISH", key, "x"))
    target = (source + 1) % len(masters)
    masters[target].command("CLUSTER", "SETSLOT", slot, "IMPORTING", ids[source])
    masters[source].command("CLUSTER", "SETSLOT", slot, "MIGRATING", ids[target])
    masters[source].command("MIGRATE", "127.0.0.1", str(masters[target].port), key, "0", "5000")
    for master in (masters[target], masters[source]):
        master.command("CLUSTER", "SETSLOT", slot, "NODE", ids[target])


async def still_crosses(cluster: Pair, number: int, seconds: float) -> None:
    """What either node emits reaches the other's client again, soon and from then on."""
    begun = time.monotonic()
    while True:
        number += 1
        for node in cluster.nodes:
            node.emit("again", number)
        await asyncio.sleep(0.1)
        if all(client.events.count(["again", number]) == 2 for client in cluster.clients):
            return
        assert time.monotonic() - begun < seconds


@pytest.mark.parametrize("kind", ["sharded", "streams"])
def test_a_slot_that_moves_takes_its_channel_and_stream_along(masters: list[RedisServer], kind: str) -> None:
    def make() -> Any:
        if kind == "sharded":
            return ShardedRedisAdapter(masters[0].url)
        return RedisStreamsAdapter(masters[1].url, use_sharded_pub_sub=True)

    async def test() -> None:
        async with pair(make) as cluster:
            await cluster.cross(0)
            for node, client in zip(cluster.nodes, cluster.clients, strict=True):
                await node.sockets[client.sid].join("room")
            for number in range(3):
                for key in ("socket.io#/#", "socket.io#/#room#", "socket.io"):
                    await asyncio.to_thread(move_slot, masters, key)
                await still_crosses(cluster, 1000 * number, 4)
                for node in cluster.nodes:
                    node.to("room").emit("room", number)
                for client in cluster.clients:
                    await until(lambda client=client, n=number: client.events.count(["room", n]) == 2)  # type: ignore[misc]
                await until(lambda: cluster.healthy)
                assert await cluster.counts(2)

    asyncio.run(test())


@contextmanager
def sentinel(master: RedisServer) -> Iterator[RedisServer]:
    """A sentinel that watches one master, and may decide alone."""
    watcher = RedisServer()
    config = watcher.folder / "sentinel.conf"
    lines = [f"sentinel monitor main 127.0.0.1 {master.port} 1", "sentinel down-after-milliseconds main 500"]
    config.write_text("\n".join([*lines, "sentinel failover-timeout main 3000", ""]))
    watcher.start_with([str(config), "--port", str(watcher.port), "--bind", "127.0.0.1", "--sentinel"])
    try:
        yield watcher
    finally:
        watcher.__exit__(None, None, None)


@pytest.mark.parametrize("adapter", [RedisAdapter, ShardedRedisAdapter, RedisStreamsAdapter])
def test_a_master_that_dies_is_replaced_and_found_by_nodes_and_emitters(adapter: Any, tmp_path: Path) -> None:
    dialect = f"+{adapter.dialect}".replace("+classic", "")

    async def test(master: RedisServer, replica: RedisServer, watcher: RedisServer) -> None:
        there = f"+sentinel://127.0.0.1:{watcher.port}/main"
        with Emitter(f"redis{dialect}{there}") as plain:
            async with (
                pair(lambda: adapter(f"redis{there}")) as cluster,
                AsyncEmitter(f"redis{dialect}{there}") as asynchronous,
            ):

                async def emitters_reach_all(number: int) -> None:
                    await asyncio.to_thread(plain.emit, "plain", number)
                    await asynchronous.emit("asynchronous", number)
                    for client in cluster.clients:
                        await until(lambda client=client: ["asynchronous", number] in client.events)  # type: ignore[misc]
                        assert client.events.count(["plain", number]) == 1

                await cluster.cross(0)
                await emitters_reach_all(0)
                master.stop(kill=True)
                await asyncio.to_thread(wait_for, lambda: "role:master" in replica.command("INFO", "replication"), 20)
                await asyncio.sleep(0)
                begun = time.monotonic()
                await until(lambda: cluster.healthy)
                assert time.monotonic() - begun < 3
                await still_crosses(cluster, 0, 3)
                # An emitter does not try again by itself, and the sentinel may still be making up its mind.
                await asyncio.to_thread(wait_for, lambda: watches(watcher, replica), 20)
                await emitters_reach_all(1)
        gc.collect()  # a connection that was left open, to a sentinel too, would warn now

    with RedisServer() as master, RedisServer("--replicaof", "127.0.0.1", str(master.port)) as replica:
        wait_for(lambda: "master_link_status:up" in replica.command("INFO", "replication"))
        with sentinel(master) as watcher:
            wait_for(lambda: "num-slaves\n1" in watcher.command("SENTINEL", "MASTER", "main"), 20)
            asyncio.run(test(master, replica, watcher))


def watches(watcher: RedisServer, master: RedisServer) -> bool:
    """Whether a sentinel takes this one for the master, and for alive."""
    known = watcher.command("SENTINEL", "MASTER", "main")
    return f"port\n{master.port}\n" in known and "flags\nmaster\n" in known
