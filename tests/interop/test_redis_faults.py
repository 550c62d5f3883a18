"""Redis dies, is cut off, is slow, or says rubbish: what each adapter promises then."""

from __future__ import annotations

import asyncio
import operator
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import uvloop
from tests.serving.test_health import get
from tests.support.fleet import LocalClient, fleet
from tests.support.polling import until
from tests.support.proxy import FaultProxy
from tests.support.redis import RedisServer, TlsRedisServer, free_port, redis_cluster

from flocket import AckTimeout, AdapterError, ConfigError, EncodeError, Recovery, Server
from flocket.adapters.buses.redis_pipe import MAX_UNSENT
from flocket.adapters.redis_classic import RedisAdapter
from flocket.adapters.redis_sharded import ShardedRedisAdapter
from flocket.adapters.redis_streams import RedisStreamsAdapter
from flocket.demo.page import page
from flocket.serving.health import Health

ADAPTERS: dict[str, Any] = {
    "classic": RedisAdapter,
    "sharded": ShardedRedisAdapter,
    "streams": RedisStreamsAdapter,
}


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@dataclass
class Pair:
    """Two nodes with a client each."""

    nodes: list[Server[Any]]
    clients: list[LocalClient]
    adapters: list[Any]

    async def cross(self, number: int) -> None:
        """What either node emits reaches the other's client."""
        for node in self.nodes:
            node.emit("cross", number)
        for client in self.clients:
            await until(lambda client=client: client.events.count(["cross", number]) == 2)  # type: ignore[misc]

    async def local(self, number: int) -> None:
        """What a node emits reaches its own client at once, whatever Redis does: as soon as the loop has turned."""
        self.nodes[0].emit("local", number)
        for _ in range(3):
            await asyncio.sleep(0)
        assert self.clients[0].events[-1:] == [["local", number]]

    async def counts(self, nodes: int) -> bool:
        try:
            counted = [await node.of("/").adapter.server_count() for node in self.nodes]
        except AdapterError:
            return False
        return counted == [nodes] * len(self.nodes)

    @property
    def healthy(self) -> bool:
        return all(adapter.health()["ok"] for adapter in self.adapters)


@asynccontextmanager
async def pair(make: Callable[[], Any], **options: Any) -> AsyncIterator[Pair]:
    adapters: list[Any] = []

    def make_adapter() -> Any:
        adapters.append(make())
        return adapters[-1]

    async with fleet(2, make_adapter, **options) as nodes:
        yield Pair(nodes, [await LocalClient(node).connected() for node in nodes], adapters)


@pytest.mark.parametrize("kind", ADAPTERS)
def test_redis_killed_and_restarted_after_two_seconds(redis: RedisServer, kind: str) -> None:
    async def test() -> None:
        async with pair(lambda: ADAPTERS[kind](redis.url)) as cluster:
            await cluster.cross(0)
            redis.stop(kill=True)
            away = time.monotonic()
            number = 0
            while time.monotonic() < away + 2:
                number += 1
                await cluster.local(number)
                await asyncio.sleep(0.02)
            assert not cluster.healthy
            assert [adapter.health()["hears"] for adapter in cluster.adapters] == [False, False]
            with pytest.raises((AdapterError, AckTimeout)):
                await cluster.nodes[0].timeout(0.3).fetch_sockets()
            assert await cluster.nodes[0].local.count() == 1
            ready = get(Health(page, cluster.nodes, cut_off=1.0), "/readyz")
            assert (await ready())[0] == 503
            await asyncio.to_thread(redis.start)
            back = time.monotonic()
            await until(lambda: cluster.healthy)
            await cluster.cross(1)
            assert time.monotonic() - back < 1.0
            assert await cluster.counts(2)
            assert (await ready())[0] == 200
            heard = [event[1] for event in cluster.clients[1].events if event[0] == "local"]
            assert heard == sorted(set(heard)), "out of order, or twice"

    asyncio.run(test())


@pytest.mark.parametrize("kind", ADAPTERS)
def test_a_subscriber_that_is_killed_a_hundred_times_comes_back_each_time(redis: RedisServer, kind: str) -> None:
    async def test() -> None:
        async with pair(lambda: ADAPTERS[kind](redis.url)) as cluster:

            def reconnects() -> list[int]:
                return [adapter.stats()["reconnects"] for adapter in cluster.adapters]

            for number in range(100):
                seen = reconnects()
                words = ["CLIENT", "KILL", "TYPE", "pubsub" if number % 10 else "normal"]
                begun = time.monotonic()
                await asyncio.to_thread(redis.command, *words)
                await until(lambda seen=seen: all(map(operator.gt, reconnects(), seen)))  # type: ignore[misc]
                await until(lambda: cluster.healthy)
                await cluster.cross(number)
                assert time.monotonic() - begun < 1.0
            assert await cluster.counts(2)
            assert len(await cluster.nodes[0].fetch_sockets()) == 2

    asyncio.run(test())


def test_a_reader_of_streams_goes_on_behind_the_last_entry_that_it_read(redis: RedisServer) -> None:
    async def test() -> None:
        async with pair(lambda: RedisStreamsAdapter(redis.url)) as cluster:
            reader = cluster.adapters[1]._readers[0]

            async def emit() -> None:
                for number in range(1, 201):
                    cluster.nodes[0].emit("n", number)
                    await asyncio.sleep(0.003)

            async def kill() -> None:
                for _ in range(3):
                    old = reader.connection
                    host, port = old._transport.get_extra_info("sockname")
                    assert await asyncio.to_thread(redis.command, "CLIENT", "KILL", "ADDR", f"{host}:{port}") == "1"
                    await until(lambda old=old: reader.connection not in (None, old))  # type: ignore[misc]

            await asyncio.gather(emit(), kill())
            await until(lambda: len(cluster.clients[1].events) >= 200)
            await cluster.cross(0)
            assert [event[1] for event in cluster.clients[1].events if event[0] == "n"] == list(range(1, 201))
            assert cluster.adapters[1].stats()["holes"] == 0

    asyncio.run(test())


@pytest.mark.parametrize("kind", ADAPTERS)
def test_a_route_that_swallows_everything_is_noticed_and_left_behind(redis: RedisServer, kind: str) -> None:
    async def test() -> None:
        async with (
            FaultProxy(redis.port) as proxy,
            pair(lambda: ADAPTERS[kind](f"redis://127.0.0.1:{proxy.port}")) as cluster,
        ):
            await cluster.cross(0)
            proxy.hold()
            begun = time.monotonic()
            number = 0
            while any(adapter.health()["hears"] for adapter in cluster.adapters):
                assert time.monotonic() - begun < 10
                number += 1
                await cluster.local(number)
                await asyncio.sleep(0.05)
            proxy.release()
            begun = time.monotonic()
            await until(lambda: cluster.healthy)
            assert time.monotonic() - begun < 1.2  # a second, and the turn of a loop that it may just have begun
            await cluster.cross(1)

    asyncio.run(test())


def test_a_slow_redis_slows_no_local_delivery(redis: RedisServer) -> None:
    async def test() -> None:
        async with (
            FaultProxy(redis.port) as proxy,
            pair(lambda: RedisAdapter(f"redis://127.0.0.1:{proxy.port}")) as cluster,
        ):
            proxy.delay = 0.2
            for number in range(100):
                await cluster.local(number)
            await until(lambda: cluster.clients[1].events == [["local", number] for number in range(100)])

    asyncio.run(test())


def test_an_emission_returns_at_once_and_awaited_it_waits_for_room(redis: RedisServer) -> None:
    async def test() -> None:
        async with (
            FaultProxy(redis.port) as proxy,
            pair(lambda: RedisAdapter(f"redis://127.0.0.1:{proxy.port}")) as cluster,
        ):
            proxy.hold()
            for _ in range(30):  # more than the kernel takes for a connection
                cluster.nodes[0].emit("n", b"\0" * 500_000)
            assert len(cluster.clients[0].events) == 30
            waiting = asyncio.create_task(_awaited(cluster.nodes[0].emit("n", b"")))
            await until(lambda: len(cluster.clients[0].events) == 31)
            for _ in range(100):
                await asyncio.sleep(0)
            assert not waiting.done()
            proxy.release()
            async with asyncio.timeout(2):
                await waiting
            await until(lambda: cluster.healthy)
            await cluster.cross(1)

    asyncio.run(test())


def test_what_waits_for_its_place_in_the_log_is_bounded_too(redis: RedisServer) -> None:
    async def test() -> None:
        async with (
            FaultProxy(redis.port) as proxy,
            pair(lambda: RedisStreamsAdapter(f"redis://127.0.0.1:{proxy.port}"), recovery=Recovery()) as cluster,
        ):
            proxy.hold()
            for number in range(60):
                cluster.nodes[0].emit("n", number, b"\0" * 500_000)
            assert cluster.adapters[0].bus.pipe.connection.waiting < MAX_UNSENT + 1_000_000
            await cluster.clients[0].has(60)
            assert [event[1] for event in cluster.clients[0].events] == list(range(60))
            assert cluster.adapters[0].stats()["publish_dropped"] > 0
            waiting = asyncio.create_task(_awaited(cluster.nodes[0].emit("n", 60)))
            await cluster.clients[0].has(61)
            assert not waiting.done()
            proxy.release()
            async with asyncio.timeout(2):
                await waiting

    asyncio.run(test())


def test_what_waits_for_redis_is_bounded(redis: RedisServer) -> None:
    async def test() -> None:
        async with pair(lambda: RedisAdapter(redis.url)) as cluster:
            redis.stop(kill=True)
            await until(lambda: not cluster.adapters[0].health()["says"])
            for number in range(5_000):
                cluster.nodes[0].emit("n", number)
            assert cluster.adapters[0].health()["unsent"] == 1_000
            assert cluster.adapters[0].stats()["publish_dropped"] == 4_000
            await asyncio.wait_for(asyncio.ensure_future(_awaited(cluster.nodes[0].emit("n", 0))), 6)
            await asyncio.to_thread(redis.start)
            await until(lambda: cluster.healthy)
            await cluster.cross(1)
            # A node that is back sooner than its neighbour speaks to nobody: what arrives, arrives in order and once.
            heard = [event[1] for event in cluster.clients[1].events if event[0] == "n"]
            assert heard == sorted(set(heard))
            assert set(heard) <= set(range(1_000))

    asyncio.run(test())


async def _awaited(emission: Any) -> None:
    await emission


GARBAGE = [
    b"",
    b"{",
    b"{}",
    b"[]",
    b"null",
    b"\xff\xfe",
    b"\x80\x04\x95\x0f\x00\x00\x00\x00\x00\x00\x00\x8c\x02os\x94\x8c\x06system\x94\x93\x94.",
    b"\x91" * 200_000,
    b"{" + b'"a":{' * 200_000,
    b'{"type":3,"uid":"x","nsp":"/","data":{"packet":{"type":2,"data":["connect"]},"opts":{}}}',
    b'{"type":99,"uid":"x","requestId":"y"}',
    b'{"type":5,"uid":"x","requestId":"y","opts":{"rooms":{"a":1}}}',
    b"\x93\xa1u\x82\xa4type\x02\xa4data\x92\xa1e\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00\x83\xa5rooms\x90\xa6except\x90\xa5flags\x80",
]


@pytest.mark.parametrize("kind", ADAPTERS)
def test_rubbish_on_every_channel_is_counted_and_ignored(redis: RedisServer, kind: str) -> None:
    async def test() -> None:
        async with pair(lambda: ADAPTERS[kind](redis.url)) as cluster:
            uid = cluster.nodes[0].of("/").adapter.link.uid  # type: ignore[attr-defined]  # of a ClusterNamespace
            channels = [f"socket.io#/#{uid}#", "socket.io#/#", "socket.io#/#room#", "socket.io-request#/#"]
            channels += ["socket.io-response#/#", f"socket.io-response#/#{uid}#"]
            await cluster.nodes[0].sockets[cluster.clients[0].sid].join("room")
            client = cluster.adapters[0].bus
            for garbage in GARBAGE:
                for channel in channels:
                    for verb in ("PUBLISH", "SPUBLISH"):
                        await client.ask(verb, channel, garbage)
                for fields in ([b"data", garbage], [b"nsp", b"/", b"type", b"3", b"uid", b"u", b"data", garbage]):
                    await client.ask("XADD", "socket.io", "*", *fields)
            await cluster.cross(1)
            assert cluster.adapters[0].stats()["bad_messages"] >= len(GARBAGE)
            assert [event for event in cluster.clients[0].events if event[0] != "cross"] == []

    asyncio.run(test())


@pytest.mark.parametrize("kind", ADAPTERS)
def test_a_message_of_64_megabytes_on_each_channel_is_counted_and_ignored(kind: str) -> None:
    # As Redis comes, it cuts a subscriber off before it has half of that.
    with RedisServer("--client-output-buffer-limit", "pubsub 0 0 0") as redis:

        async def test() -> None:
            async with pair(lambda: ADAPTERS[kind](redis.url)) as cluster:
                await cluster.nodes[0].sockets[cluster.clients[0].sid].join("room")
                await cluster.nodes[0].of("/").adapter.settled()
                link: Any = cluster.nodes[0].of("/").adapter.link  # type: ignore[attr-defined]  # of a ClusterNamespace
                channels = link.channels()
                if kind == "sharded":
                    channels.append("socket.io#/#room#")
                huge = b"\x91" * 64_000_000  # of an array in an array in an array
                verb = "SPUBLISH" if kind == "sharded" else "PUBLISH"
                for number, channel in enumerate(channels, 1):
                    await cluster.adapters[1].bus.ask(verb, channel.removesuffix("*"), huge)
                    await until(lambda n=number: cluster.adapters[0].stats()["bad_messages"] == n)  # type: ignore[misc]
                if kind == "streams":
                    entry = (b"data", b"{" + huge, b"nsp", b"/", b"type", b"3", b"uid", b"u")
                    await cluster.adapters[1].bus.ask("XADD", "socket.io", "*", *entry)
                    await until(lambda: cluster.adapters[0].stats()["bad_messages"] == len(channels) + 1)
                await cluster.cross(1)
                assert cluster.adapters[0].stats()["reconnects"] == 0
                assert cluster.clients[0].events == [["cross", 1]] * 2

        asyncio.run(test())


@pytest.mark.parametrize("kind", ADAPTERS)
def test_what_is_nested_too_deep_for_other_nodes_is_refused_to_who_says_it(redis: RedisServer, kind: str) -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]

    async def test() -> None:
        async with pair(lambda: ADAPTERS[kind](redis.url)) as cluster:
            with pytest.raises(EncodeError):
                cluster.nodes[0].server_side_emit("deep", deep)
            with pytest.raises(EncodeError):
                await cluster.nodes[0].server_side_emit_with_ack("deep", deep)
            await cluster.cross(1)

    asyncio.run(test())


@pytest.mark.parametrize("kind", ADAPTERS)
def test_a_room_whose_name_is_a_megabyte_is_a_room(redis: RedisServer, kind: str) -> None:
    room = "r" * 1_000_000

    async def test() -> None:
        async with pair(lambda: ADAPTERS[kind](redis.url)) as cluster:
            beside = await LocalClient(cluster.nodes[1]).connected()
            await cluster.nodes[1].sockets[cluster.clients[1].sid].join(room)
            await cluster.nodes[1].sockets[beside.sid].join(room[:-1])
            await cluster.nodes[1].of("/").adapter.settled()
            cluster.nodes[0].to(room).emit("mine")
            cluster.nodes[0].emit("all")
            for client in (*cluster.clients, beside):
                await until(lambda client=client: ["all"] in client.events)  # type: ignore[misc]
            await until(lambda: len(cluster.clients[1].events) == 2)
            assert sorted(cluster.clients[1].events) == [["all"], ["mine"]]
            assert cluster.clients[0].events == beside.events == [["all"]]

    asyncio.run(test())


@pytest.mark.parametrize("recovery", [None, Recovery()], ids=["", "recovery"])
@pytest.mark.parametrize("kind", ADAPTERS)
def test_what_redis_refuses_is_counted_told_once_and_delivered_here(
    redis: RedisServer, kind: str, recovery: Recovery | None, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        async with pair(lambda: ADAPTERS[kind](redis.url), recovery=recovery) as cluster:
            said = ["publish", "spublish", "xadd"]
            redis.command("ACL", "SETUSER", "default", *(f"-{word}" for word in said))
            before = cluster.adapters[0].stats()["publish_dropped"]
            for number in range(50):
                cluster.nodes[0].emit("n", number)
            await until(lambda: cluster.adapters[0].stats()["publish_dropped"] == before + 50)
            await cluster.clients[0].has(50)
            assert [event[1] for event in cluster.clients[0].events] == list(range(50))
            told = [record.getMessage() for record in caplog.records if "NOPERM" in record.getMessage()]
            assert len([line for line in told if "refuses what is said" in line]) == 1
            redis.command("ACL", "SETUSER", "default", *(f"+{word}" for word in said))
            cluster.nodes[0].emit("n", 50)
            await cluster.clients[1].has(1)

    asyncio.run(test())


def test_a_huge_message_passes_and_cuts_nobody_off(redis: RedisServer) -> None:
    async def test() -> None:
        async with pair(lambda: RedisAdapter(redis.url)) as cluster:
            cluster.nodes[0].emit("huge", b"\x00" * 8_000_000)
            await until(lambda: cluster.clients[1].events)
            assert len(cluster.clients[1].events[0][1]) == 8_000_000
            await asyncio.to_thread(redis.command, "PUBLISH", "socket.io#/#", "x" * 100_000)
            await cluster.cross(1)

    asyncio.run(test())


@pytest.mark.parametrize("kind", ADAPTERS)
def test_cancelled_calls_leave_each_answer_to_its_own_question(redis: RedisServer, kind: str) -> None:
    async def test() -> None:
        async with pair(lambda: ADAPTERS[kind](redis.url)) as cluster:
            asking, other = cluster.nodes
            for client, name in zip(cluster.clients, "ab", strict=True):
                client.answer = lambda data, name=name: [f"{name}{data[1]}"]  # type: ignore[misc]

            @other.on_server_side("double")
            async def double(number: int) -> int:
                if number % 7 == 0:
                    await asyncio.sleep(0.01)  # an answer that comes when its question is long forgotten
                return 2 * number

            await asyncio.gather(*(other.sockets[cluster.clients[1].sid].join(f"room {n}") for n in range(5)))
            await other.of("/").adapter.settled()
            chosen = random.Random(4)
            cancelled: set[asyncio.Task[Any]] = set()
            asked: list[tuple[asyncio.Task[Any], Any]] = []
            for number in range(1, 1_001):
                # Which sockets are in a room that is empty, or has one: an answer to another question shows.
                room = f"room {number % 10}"
                members = [cluster.clients[1].sid] if number % 10 < 5 else []
                questions: list[tuple[Any, Any]] = [
                    (_sorted(partial(asking.emit_with_ack, "q", number)), [f"a{number}", f"b{number}"]),
                    (_ids(asking.to(room).fetch_sockets), members),
                    (_sorted(partial(asking.server_side_emit_with_ack, "double", number)), [2 * number]),
                    (asking.to(room).count(), len(members)),
                ]
                asked += [(asyncio.create_task(question), right) for question, right in questions]
                if number % 3 == 0:
                    await asyncio.sleep(0)
                if number % 2:  # at every stage: some have not begun, some are answered
                    cancelled |= {task for task, _ in chosen.sample(asked[-400:], 4) if task.cancel()}
            results = await asyncio.gather(*(task for task, _ in asked), return_exceptions=True)
            whole = [(got, right) for got, (_, right) in zip(results, asked, strict=True) if not _cancelled(got)]
            assert all(got == right for got, right in whole)
            assert len(whole) == 4_000 - len(cancelled)
            assert len(cancelled) > 100
            assert not asking.of("/").adapter.questions  # type: ignore[attr-defined]  # of a ClusterNamespace
            assert asking.stats()["adapter_questions_timed_out"] == 0

    asyncio.run(test())


def _cancelled(result: Any) -> bool:
    return isinstance(result, asyncio.CancelledError)


async def _sorted(ask: Callable[[], Any]) -> list[Any]:
    return sorted(await ask())


async def _ids(ask: Callable[[], Any]) -> list[str]:
    return [socket.id for socket in await ask()]


def starts(adapter: Any) -> None:
    async def test() -> None:
        async with fleet(1, lambda: adapter):
            pass

    asyncio.run(test())


def test_a_server_that_is_not_there_is_told_in_one_line() -> None:
    for adapter in ADAPTERS.values():
        with pytest.raises(AdapterError, match=r"^Redis at redis://127\.0\.0\.1:\d+: connection refused$"):
            starts(adapter(f"redis://127.0.0.1:{free_port()}"))


def test_a_wrong_password_is_told_in_one_line_without_it() -> None:
    with RedisServer("--requirepass", "right") as server:
        with pytest.raises(AdapterError, match="WRONGPASS") as caught:
            starts(RedisAdapter(f"redis://:secret@127.0.0.1:{server.port}"))
        assert "secret" not in str(caught.value)
        with pytest.raises(AdapterError, match="NOAUTH"):
            starts(RedisAdapter(server.url))
        starts(RedisAdapter(f"redis://:right@127.0.0.1:{server.port}/3"))
        starts(RedisAdapter(f"redis://default:right@127.0.0.1:{server.port}"))


def test_a_redis_too_old_for_sharded_pub_sub_is_told_in_one_line(tmp_path: Path) -> None:
    ended = asyncio.Event()

    async def old_redis(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                if line.strip().upper() == b"PING":
                    writer.write(b"+PONG\r\n")
                if line.strip().upper() == b"INFO":
                    info = b"redis_version:6.2.7\r\ncluster_enabled:0\r\n"
                    writer.write(b"$%d\r\n%b\r\n" % (len(info), info))
        finally:
            writer.close()
        await writer.wait_closed()
        ended.set()

    async def test() -> None:
        server = await asyncio.start_server(old_redis, "127.0.0.1", 0)
        url = f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        with pytest.raises(AdapterError, match=r"version 6\.2\.7 is too old for the sharded adapter.*7\.0"):
            await ShardedRedisAdapter(url).start()
        await ended.wait()
        server.close()

    asyncio.run(test())


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"url": "http://x"}, "Redis URL"),
        ({"url": "redis://x", "client": object()}, "not both"),
        ({"requests_timeout": 0}, "above 0"),
        ({"requests_timeout": 5_000}, "for milliseconds say 5$"),
        ({"start_timeout": "5"}, "start_timeout='5': seconds"),
        ({"parser": object()}, "encode"),
    ],
)
def test_wrong_options_are_refused_when_the_adapter_is_made(options: Any, match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        RedisAdapter(**options)


@pytest.mark.parametrize("kind", ADAPTERS)
def test_all_is_the_same_on_uvloop(redis: RedisServer, kind: str) -> None:
    async def test() -> None:
        async with pair(lambda: ADAPTERS[kind](redis.url)) as cluster:
            await cluster.cross(0)
            await asyncio.to_thread(redis.command, "CLIENT", "KILL", "TYPE", "pubsub")
            await asyncio.to_thread(redis.command, "CLIENT", "KILL", "TYPE", "normal")
            await until(lambda: all(adapter.stats()["reconnects"] for adapter in cluster.adapters))
            await until(lambda: cluster.healthy)
            await cluster.cross(1)
            assert await cluster.counts(2)
            assert len(await cluster.nodes[0].fetch_sockets()) == 2

    uvloop.run(test())


def test_a_unix_socket_a_client_and_tls_lead_to_the_same_redis(tmp_path: Path) -> None:
    async def test(redis: TlsRedisServer) -> None:
        from redis.asyncio import Redis

        client = Redis(host="127.0.0.1", port=redis.port)
        adapters = [
            RedisAdapter(redis.url),
            RedisAdapter(f"unix://{redis.socket}"),
            RedisAdapter(client=client),
            RedisAdapter(redis.tls_url),
            RedisAdapter(host="localhost", port=redis.port),
        ]
        waiting = iter(adapters)
        async with fleet(5, lambda: next(waiting)) as nodes:
            clients = [await LocalClient(node).connected() for node in nodes]
            for node in nodes:
                assert await node.count() == 5
                node.emit("hi")
            for one in clients:
                await one.has(5)
        with pytest.raises(AdapterError, match=r"(?i)certificate"):
            await RedisAdapter(redis.tls_url.partition("?")[0]).start()
        await client.aclose()

    with TlsRedisServer(tmp_path) as redis:
        asyncio.run(test(redis))


@pytest.mark.parametrize("kind", ["sharded", "streams"])
def test_a_client_of_a_redis_cluster_may_be_handed_in(kind: str) -> None:
    async def test(url: str) -> None:
        from redis.asyncio import RedisCluster

        client: Any = RedisCluster.from_url(url)
        async with pair(lambda: ADAPTERS[kind](client=client)) as cluster:
            await cluster.cross(0)
            assert await cluster.counts(2)
        await client.aclose()

    with redis_cluster() as masters:
        asyncio.run(test(masters[1].url))


def test_a_client_with_a_user_a_password_a_database_and_tls_may_be_handed_in(tmp_path: Path) -> None:
    async def test(redis: TlsRedisServer) -> None:
        from redis.asyncio import Redis
        from redis.credentials import UsernamePasswordCredentialProvider

        clients: list[Any] = [
            Redis.from_url(redis.tls_url, username="node", password="secret", db=2),
            Redis(unix_socket_path=str(redis.socket), password="right", db=2),
            Redis(port=redis.port, credential_provider=UsernamePasswordCredentialProvider("node", "secret"), db=2),
        ]
        for kind in ADAPTERS:
            given = iter(clients)
            async with fleet(3, lambda kind=kind, given=given: ADAPTERS[kind](client=next(given))) as nodes:  # type: ignore[misc]
                here = [await LocalClient(node).connected() for node in nodes]
                for node in nodes:
                    node.emit("hi")
                for one in here:
                    await one.has(3)
        assert redis.command("-a", "right", "--no-auth-warning", "-n", "2", "EXISTS", "socket.io") == "1"
        for client in clients:
            await client.aclose()

    with TlsRedisServer(tmp_path) as redis:
        assert redis.command("ACL", "SETUSER", "node", "on", ">secret", "~*", "&*", "+@all") == "OK"
        assert redis.command("ACL", "SETUSER", "default", ">right", "resetpass", ">right") == "OK"
        asyncio.run(test(redis))
