"""Emitters of each dialect, received by Node's servers through a real Redis."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.fleet import LocalClient, fleet
from tests.support.node_process import NodeProcess
from tests.support.polling import wait_for
from tests.support.redis import RedisServer, TlsRedisServer, free_port, redis_cluster

from flocket import RedisAdapter, RedisStreamsAdapter, ShardedRedisAdapter
from flocket.adapters.buses.redis_address import RedisAddress
from flocket.emitter import AsyncEmitter, Emitter
from flocket.errors import AdapterError, ConfigError, EncodeError

DIALECTS = {"classic": "redis", "sharded": "redis+sharded", "streams": "redis+streams"}


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


def url(server: RedisServer, dialect: str) -> str:
    return f"{DIALECTS[dialect]}://127.0.0.1:{server.port}"


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_node_server_gets_all_that_an_emitter_says(redis: RedisServer, dialect: str) -> None:
    with (
        NodeProcess("listener.js", dialect, redis.url) as node,
        Emitter(url(redis, dialect)) as emitter,
    ):
        assert node.line() == {"ready": True}
        emitter.emit("hi", "all sockets", 1, {"a": None})
        assert node.line() == {"event": ["hi", "all sockets", 1, {"a": None}]}
        emitter.to("room").volatile.compress(False).emit("hi", b"\x01\x02")
        assert node.line() == {"event": ["hi", {"$bytes": "0102"}]}
        emitter.to("nowhere").emit("never")
        emitter.to("nowhere", "room").except_("other").emit("once")
        assert node.line() == {"event": ["once"]}
        emitter.to("room").sockets_join("more")
        assert node.line() == {"join": "more"}
        if dialect == "sharded":
            wait_for(lambda: redis.command("PUBSUB", "SHARDNUMSUB", "socket.io#/#more#").endswith("1"))
        emitter.to("more").emit("to more")
        assert node.line() == {"event": ["to more"]}
        emitter.except_("more").emit("never")
        emitter.to().emit("never")
        emitter.to("room").sockets_leave("more")
        assert node.line() == {"leave": "more"}
        emitter.server_side_emit("refresh", 1, "x")
        assert node.line() == {"refresh": [1, "x"]}
        emitter.to("room").disconnect_sockets(close=True)
        assert node.line() == {"disconnect": "server namespace disconnect"}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_asynchronous_emitter_says_the_same(redis: RedisServer, dialect: str) -> None:
    async def emit() -> None:
        async with AsyncEmitter(url(redis, dialect)) as emitter:
            await emitter.of("chat").to("room").emit("hi", 1)
            await asyncio.gather(*(emitter.of("/chat").emit("many", n) for n in range(20)))

    with NodeProcess("listener.js", dialect, redis.url, "/chat") as node:
        assert node.line() == {"ready": True}
        asyncio.run(emit())
        assert node.line() == {"event": ["hi", 1]}
        assert sorted(node.line()["event"][1] for _ in range(20)) == list(range(20))


def test_an_asynchronous_emitter_may_be_used_in_one_loop_after_another(redis: RedisServer) -> None:
    emitter = AsyncEmitter(redis.url)

    async def emit() -> None:
        await emitter.emit("hi")
        await emitter.aclose()

    asyncio.run(emit())
    asyncio.run(emit())


def test_streams_of_a_negative_hash_are_written_under_nodes_name(redis: RedisServer) -> None:
    with Emitter(url(redis, "streams"), stream_count=4) as emitter:
        emitter.of("/notifications").emit("hi")
    assert redis.command("XLEN", "socket.io--3") == "1"


@pytest.mark.parametrize("dialect", ["sharded", "streams"])
def test_a_redis_cluster_is_found_out_and_used(dialect: str) -> None:
    with redis_cluster() as servers:
        environment = {"REDIS_CLUSTER": "1"}
        with (
            NodeProcess("listener.js", dialect, servers[0].url, "/", **environment) as node,
            Emitter(url(servers[1], dialect)) as emitter,
        ):
            assert node.line(30) == {"ready": True}
            emitter.emit("hi", 1)
            assert node.line() == {"event": ["hi", 1]}
            emitter.to("room").emit("room", 2)
            assert node.line() == {"event": ["room", 2]}

            async def emit() -> None:
                async with AsyncEmitter(url(servers[2], dialect)) as other:
                    await other.to("room").emit("room", 3)

            asyncio.run(emit())
            assert node.line() == {"event": ["room", 3]}


def test_one_emitter_serves_many_threads_and_a_forked_child(redis: RedisServer) -> None:
    with NodeProcess("listener.js", "classic", redis.url) as node, Emitter(redis.url) as emitter:
        assert node.line() == {"ready": True}
        threads = [threading.Thread(target=emitter.emit, args=("thread", n)) for n in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(node.line()["event"][1] for _ in range(20)) == list(range(20))
        child = os.fork()
        if child == 0:
            try:
                emitter.emit("child")
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        assert node.line() == {"event": ["child"]}
        emitter.emit("parent")
        assert node.line() == {"event": ["parent"]}


def test_an_emitter_outlives_a_restart_of_redis() -> None:
    with RedisServer() as server, Emitter(server.url) as emitter:
        emitter.emit("hi")
        server.stop(kill=True)
        with pytest.raises(AdapterError, match=rf"^Redis at redis://127.0.0.1:{server.port}: .*refused"):
            emitter.emit("hi")
        server.start()
        emitter.emit("hi")


def test_what_goes_wrong_is_told_in_one_line_without_the_password() -> None:
    with RedisServer("--requirepass", "right") as server:
        wrong = f"redis://:secret@127.0.0.1:{server.port}"
        for dialect in ("redis", "redis+streams"):
            with pytest.raises(AdapterError) as caught:
                Emitter(wrong.replace("redis", dialect)).emit("hi")
            assert "secret" not in str(caught.value)
            assert "password" in str(caught.value)
            assert "\n" not in str(caught.value)
        Emitter(f"redis://:right@127.0.0.1:{server.port}").emit("hi")
        with pytest.raises(AdapterError, match="password"):
            asyncio.run(AsyncEmitter(wrong.replace("redis", "redis+streams")).emit("hi"))
        gc.collect()  # a connection that was left open would warn now
    with pytest.raises(AdapterError, match="connect"):
        asyncio.run(AsyncEmitter(f"redis://127.0.0.1:{free_port()}").emit("hi"))
    with pytest.raises(AdapterError, match=r"No master found for 'main'$"):
        Emitter(f"redis+sentinel://127.0.0.1:{free_port()}/main").emit("hi")


def test_a_redis_too_old_for_sharded_pub_sub_is_told_in_one_line() -> None:
    import hiredis

    async def old_redis(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        commands = hiredis.Reader(notEnoughData=None)
        while data := await reader.read(65536):
            commands.feed(data)
            while (command := commands.gets()) is not None:
                answers = {b"INFO": b"$17\r\ncluster_enabled:0\r\n", b"CLIENT": b"+OK\r\n"}
                unknown = b"-ERR unknown command `%b`, with args beginning with: `x`\r\n" % command[0]
                writer.write(answers.get(command[0], unknown))
        writer.close()

    async def test() -> None:
        server = await asyncio.start_server(old_redis, "127.0.0.1", 0)
        url = f"redis+sharded://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        line = r"^Redis at \S+: too old for the sharded adapter: unknown command `SPUBLISH`$"
        with pytest.raises(AdapterError, match=line), Emitter(url) as emitter:
            await asyncio.to_thread(emitter.emit, "hi")
        with pytest.raises(AdapterError, match=line):
            async with AsyncEmitter(url) as other:
                await other.emit("hi")
        server.close()
        await server.wait_closed()

    asyncio.run(test())


@pytest.mark.parametrize("adapter", [RedisAdapter, ShardedRedisAdapter, RedisStreamsAdapter])
def test_tls_a_unix_socket_a_password_and_a_user_of_few_rights_lead_to_the_same_redis(
    adapter: Any, tmp_path: Path
) -> None:
    with TlsRedisServer(tmp_path) as server:
        rights = ["~*", "&*", "+publish", "+spublish", "+xadd", "+info"]  # all that is said
        assert server.command("ACL", "SETUSER", "emitter", "on", ">secret", *rights) == "OK"
        assert server.command("ACL", "SETUSER", "default", ">right") == "OK"
        words = adapter.dialect.replace("classic", "")
        dialect = f"+{words}" if words else ""
        here = f"127.0.0.1:{server.port}"
        urls = [
            server.tls_url.replace("rediss", f"rediss{dialect}", 1).replace("//", "//emitter:secret@", 1),
            f"unix{dialect}://emitter:secret@{server.socket}",
            f"unix{dialect}://{server.socket}?password=right",
            f"redis{dialect}://:right@{here}",
            f"redis{dialect}://emitter:secret@{here}",
        ]

        async def test() -> None:
            async with fleet(1, lambda: adapter(f"redis://:right@{here}")) as (node,):
                client = await LocalClient(node).connected()
                for number, url in enumerate(urls):
                    with Emitter(url) as emitter:
                        await asyncio.to_thread(emitter.emit, "plain", number)
                    await client.got("plain", number)
                    async with AsyncEmitter(url) as other:
                        await other.emit("asynchronous", number)
                    await client.got("asynchronous", number)

        asyncio.run(test())


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "localhost:6379",
        "http://x",
        "redis+wrong://x",
        "redis+sharded+streams://x",
        "redis://x:port",
        "redis://x/name",
        "redis://[::1:6379",
        "redis://:secret/1@x:6379",
        "redis://:secret#1@x:6379",
        "redis://:secret?1@x:6379",
    ],
)
def test_a_wrong_url_is_refused_with_what_is_right(wrong: str) -> None:
    with pytest.raises(ConfigError, match="Redis URL") as caught:
        Emitter(wrong)
    assert "secret" not in str(caught.value)


def test_a_sentinel_url_names_the_sentinels_and_the_master() -> None:
    address = RedisAddress.parse("redis+sentinel+sharded://u:p@one:1,two/mymaster/3")
    assert address.sentinels == (("one", 1), ("two", 26379))
    assert (address.service, address.url, address.dialect) == ("mymaster", "redis://u:p@master/3", "sharded")
    assert "p@" not in address.shown.replace("***@", "")
    with pytest.raises(ConfigError, match="names its master"):
        RedisAddress.parse("redis+sentinel://one")


@pytest.mark.parametrize("event", ["connect", "disconnect", "newListener"])
def test_a_reserved_name_is_not_emitted(event: str) -> None:
    with pytest.raises(EncodeError, match="reserved"):
        Emitter("redis://localhost").emit(event)


@pytest.mark.parametrize("name", [5, None, b"news", ["news"]])
def test_a_name_is_a_string(name: Any) -> None:
    emitter = Emitter("redis://localhost")
    for emit in (emitter.emit, emitter.server_side_emit):
        with pytest.raises(EncodeError, match="a string, not"):
            emit(name, 1)


def test_rooms_are_strings() -> None:
    rooms: Any = ["a", "b"]
    with pytest.raises(EncodeError, match="one by one"):
        Emitter("redis://localhost").to(rooms)


def test_importing_an_emitter_loads_neither_redis_nor_a_web_server() -> None:
    script = (
        "import sys, flocket.emitter as e; e.Emitter('redis://x');"
        "heavy = {'redis', 'hiredis', 'uvicorn', 'picows', 'uvloop', 'httptools'};"
        "print(heavy & {*sys.modules})"
    )
    path = os.pathsep.join(sys.path)
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert done.stdout.strip() == "set()"
