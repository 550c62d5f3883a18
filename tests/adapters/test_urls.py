"""Adapters from URLs, and what a server says about its adapter."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.redis import RedisServer

from flocket import ConfigError, RedisAdapter, RedisStreamsAdapter, Server, ShardedRedisAdapter
from flocket.adapters.urls import adapter_from_url


def test_the_scheme_names_the_adapter() -> None:
    assert type(adapter_from_url("redis://localhost")) is RedisAdapter
    assert type(adapter_from_url("rediss+sharded://localhost:1")) is ShardedRedisAdapter
    assert type(adapter_from_url("redis+sentinel+streams://a:1,b:2/main")) is RedisStreamsAdapter


@pytest.mark.parametrize("url", ["http://x", "kafka://secret@x"])
def test_another_scheme_is_refused_in_one_line_without_its_secrets(url: str) -> None:
    server: Server = Server()
    with pytest.raises(ConfigError, match="no adapter for") as caught:
        server.adapter(url)
    assert "secret" not in str(caught.value)


def test_a_server_takes_a_url_and_tells_of_its_adapter() -> None:
    async def test(url: str) -> None:
        server: Server = Server()
        server.adapter(url)
        async with server:
            server.emit("hi")
            assert server.health()["adapter"]["ok"] is True
            assert server.stats()["adapter_published"] == 1

    with RedisServer() as redis:
        asyncio.run(test(redis.url))


def test_without_the_extra_the_line_that_installs_it_is_told() -> None:
    script = (
        "import sys; sys.modules['redis'] = None\n"
        "from flocket import Emitter, RedisAdapter\n"
        "import asyncio\n"
        "for attempt in (lambda: Emitter('redis://x').emit('hi'), lambda: asyncio.run(RedisAdapter().start())):\n"
        "    try: attempt()\n"
        "    except Exception as error: print(type(error).__name__, error)\n"
    )
    source = Path(__file__).parent.parent.parent / "src"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env={"PYTHONPATH": str(source)}
    )
    line = 'ConfigError Redis needs the extra "redis": pip install "flocket[redis]"'
    assert done.stdout.splitlines() == [line, line]
