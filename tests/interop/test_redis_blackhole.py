"""The way to Redis swallows everything for a minute, and nobody is told: what each adapter promises then.

Redis is on a machine of its own (a network namespace), so that packets vanish as on a real network: connections neither
end nor answer, attempts to connect stay open, and Redis believes in subscribers that are long gone.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.interop.test_redis_faults import Pair, pair
from tests.serving.test_health import get
from tests.support.netns import inside, ip, machines
from tests.support.polling import until
from tests.support.redis import RedisServer

from flocket import RedisAdapter, RedisStreamsAdapter, ShardedRedisAdapter
from flocket.demo.page import page
from flocket.serving.health import CUT_OFF, Health

AWAY = 60.0  # seconds
NOBODY = "02:00:00:00:00:01"  # an Ethernet address that nothing on the cable has


@contextmanager
def nothing_passes(*ends: tuple[str, str, str]) -> Iterator[None]:
    """Meanwhile each end (machine, interface, the other's address) sends to nobody: no error, no answer."""
    for machine, interface, other in ends:
        ip("-n", machine, "neigh", "replace", other, "lladdr", NOBODY, "nud", "permanent", "dev", interface)
    try:
        yield
    finally:
        for machine, interface, other in ends:
            ip("-n", machine, "neigh", "del", other, "dev", interface)


async def goes_on_without(cluster: Pair, begun: float) -> None:
    """Local delivery goes on for as long as Redis is away; that it is, is shown within 10 s and from then on."""
    ready = get(Health(page, cluster.nodes), "/readyz")
    number = 0
    while (away := time.monotonic() - begun) < AWAY:
        number += 1
        await cluster.local(number)
        states = [node.health()["adapter"] for node in cluster.nodes]
        status, told = await ready()
        assert [server["adapter"]["hears"] for server in told["servers"]] == [state["hears"] for state in states]
        if away > 10:
            assert [(state["ok"], state["hears"], state["says"]) for state in states] == [(False, False, False)] * 2
        if away > CUT_OFF + 0.5:
            assert status == 503
        await asyncio.sleep(0.04)


async def is_back(cluster: Pair, returned: float) -> None:
    """Each hears the other within a second of Redis's return, and nothing that was said came twice."""
    await until(lambda: cluster.healthy)
    await cluster.cross(1)
    took = time.monotonic() - returned
    assert took < 1.2  # a second, and the turn of a loop that it may just have begun
    assert (await get(Health(page, cluster.nodes), "/readyz")())[0] == 200
    # Redis believes in none of the subscribers that are gone: they would be counted, and never answer.
    assert await cluster.counts(2)
    assert len(await cluster.nodes[0].fetch_sockets()) == 2
    assert await cluster.nodes[1].server_side_emit_with_ack("anybody") == [None]
    for client in cluster.clients:
        heard = [event[1] for event in client.events if event[0] == "local"]
        assert heard == sorted(set(heard)), "out of order, or twice"


async def scene(url: str, ends: list[tuple[str, str, str]]) -> None:
    makers: list[Any] = [
        lambda: RedisAdapter(url, key="classic"),
        lambda: ShardedRedisAdapter(url, channel_prefix="sharded"),
        lambda: RedisStreamsAdapter(url, channel_prefix="streams", stream_name="streams"),
    ]
    async with pair(makers[0]) as classic, pair(makers[1]) as sharded, pair(makers[2]) as streams:
        clusters = [classic, sharded, streams]
        for cluster in clusters:
            await cluster.cross(0)
        with nothing_passes(*ends):
            begun = time.monotonic()
            await asyncio.gather(*(goes_on_without(cluster, begun) for cluster in clusters))
        returned = time.monotonic()
        await asyncio.gather(*(is_back(cluster, returned) for cluster in clusters))


def test_a_minute_in_which_nothing_passes_is_noticed_survived_and_left_behind() -> None:
    with (
        machines(1) as (first, [(other, its_address, our_address)]),
        inside(other),
        RedisServer("--bind", "127.0.0.1", its_address, "--protected-mode", "no") as redis,
        inside(first),
    ):
        ends = [(first, f"{first}v0", its_address), (other, "up0", our_address)]
        asyncio.run(scene(f"redis://{its_address}:{redis.port}", ends))
