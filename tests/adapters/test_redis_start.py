"""A node that starts before its Redis: one clear line, or patience if it was asked for; and one that ends with it."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import Any

import pytest
from tests.support.polling import until, wait_for
from tests.support.redis import RedisServer, free_port

from flocket import AdapterError, ConfigError, Emitter, RedisAdapter, RedisStreamsAdapter


def test_a_redis_that_is_not_there_is_one_clear_line() -> None:
    port = free_port()
    adapter = RedisAdapter(port=port)
    with pytest.raises(AdapterError, match=rf"^Redis at redis://localhost:{port}: connection refused$"):
        asyncio.run(adapter.start())


class TwoAddresses(asyncio.SelectorEventLoop):
    """Every name has an address of each kind, whatever this machine's own resolver knows."""

    async def getaddrinfo(self, host: Any, port: Any, **_: Any) -> Any:
        kind = (socket.SOCK_STREAM, socket.IPPROTO_TCP, "")
        return [(socket.AF_INET6, *kind, ("::1", port, 0, 0)), (socket.AF_INET, *kind, ("127.0.0.1", port))]


def test_a_name_with_two_addresses_is_still_one_clear_line() -> None:
    port = free_port()
    adapter = RedisAdapter(port=port)
    with (
        asyncio.Runner(loop_factory=TwoAddresses) as runner,
        pytest.raises(AdapterError, match=rf"^Redis at redis://localhost:{port}: connection refused$"),
    ):
        runner.run(adapter.start())


def test_a_redis_that_comes_in_time_is_waited_for() -> None:
    server = RedisServer()

    async def scene() -> None:
        adapter = RedisAdapter(server.url, start_timeout=20.0)
        starting = asyncio.create_task(adapter.start())
        await asyncio.sleep(0)
        await asyncio.to_thread(server.start)
        await starting
        assert adapter.health()["ok"]
        await adapter.aclose()

    try:
        asyncio.run(scene())
    finally:
        server.__exit__(None, None, None)


def test_a_redis_that_refuses_the_password_is_not_tried_again() -> None:
    with RedisServer("--requirepass", "secret") as server:
        begun = time.monotonic()
        with pytest.raises(AdapterError, match="Redis at"):
            asyncio.run(RedisAdapter(f"redis://:wrong@127.0.0.1:{server.port}", start_timeout=60.0).start())
        assert time.monotonic() - begun < 30


def test_a_redis_that_still_reads_its_data_is_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    slowly = ["--key-load-delay", "500", "--loading-process-events-interval-bytes", "1024"]  # microseconds a key

    async def scene(server: RedisServer) -> None:
        starting = asyncio.create_task(asyncio.to_thread(server.start))
        await asyncio.to_thread(wait_for, lambda: server.command("PING").startswith("LOADING"))
        with pytest.raises(AdapterError, match="LOADING"):
            await RedisAdapter(server.url).start()
        adapter = RedisAdapter(server.url, start_timeout=20.0)
        await adapter.start()
        assert "LOADING" in caplog.text
        await adapter.aclose()
        await starting

    with RedisServer("--enable-debug-command", "yes", *slowly) as server:
        server.command("DEBUG", "POPULATE", "3000")
        server.command("SAVE")
        server.stop()
        asyncio.run(scene(server))


@pytest.mark.parametrize("option", ["ssl_ca_certs", "ssl_certfile"])
def test_a_certificate_that_is_not_there_is_named_in_one_line(option: str) -> None:
    adapter = RedisAdapter(f"rediss://:secret@127.0.0.1:{free_port()}?{option}=/nowhere/certificate.pem")
    with pytest.raises(ConfigError, match=option) as caught:
        asyncio.run(adapter.start())
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_option_that_redis_py_does_not_know_is_named_in_one_line() -> None:
    url = f"redis://127.0.0.1:{free_port()}?socket_timeuot=3"
    with pytest.raises(ConfigError, match=r"^not a Redis URL: .*'socket_timeuot'"):
        asyncio.run(RedisAdapter(url).start())
    with pytest.raises(ConfigError, match=r"^not a Redis URL: .*'socket_timeuot'"):
        Emitter(url).emit("hi")


@pytest.mark.parametrize("adapter", [RedisAdapter, RedisStreamsAdapter])
def test_an_adapter_that_is_closed_as_it_loses_redis_ends(adapter: Any) -> None:
    async def scene(url: str) -> None:
        for turns in range(8):  # of the loop: at each, the tasks that keep the connections are elsewhere
            closing = adapter(url)
            await closing.start()
            for connection in (closing.bus.pipe.connection, closing.bus.ear.connection):
                connection.abort()
            for _ in range(turns):
                await asyncio.sleep(0)
            async with asyncio.timeout(5):
                await closing.aclose()

    with RedisServer() as server:
        asyncio.run(scene(server.url))


@pytest.mark.parametrize("last", [b"PING", b"INFO", b"CLIENT"])
def test_a_redis_that_falls_silent_is_given_up(last: bytes) -> None:
    import hiredis

    replies = {b"PING": b"+PONG\r\n", b"INFO": b"$19\r\nredis_version:7.0.0\r\n", b"CLIENT": b":1\r\n"}

    there: set[asyncio.StreamWriter] = set()

    async def stops(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there.add(writer)
        commands = hiredis.Reader(notEnoughData=None)
        said: list[bytes] = []
        while data := await reader.read(65536):
            commands.feed(data)
            while (command := commands.gets()) is not None:
                if last not in said:
                    writer.write(replies.get(command[0], b""))
                said.append(command[0])
        writer.close()
        there.discard(writer)

    async def scene() -> None:
        server = await asyncio.start_server(stops, "127.0.0.1", 0)
        with pytest.raises(AdapterError, match="no answer in time"):
            async with asyncio.timeout(15):
                await RedisStreamsAdapter(port=server.sockets[0].getsockname()[1]).start()
        server.close()
        await server.wait_closed()
        await until(lambda: not there)

    asyncio.run(scene())


def test_a_redis_cluster_refuses_one_subscription_for_all_workers_in_one_line() -> None:
    with RedisServer("--cluster-enabled", "yes", port=free_port(10_000)) as server:
        with pytest.raises(AdapterError, match="is a Redis Cluster: without shared_subscription=True") as caught:
            asyncio.run(RedisAdapter(server.url, shared_subscription=True).start())
        assert "\n" not in str(caught.value)


def test_one_subscription_for_all_workers_is_wanted_or_not() -> None:
    with pytest.raises(ConfigError, match="shared_subscription='no': True or False"):
        RedisAdapter(shared_subscription="no")  # type: ignore[arg-type]  # the mistake
