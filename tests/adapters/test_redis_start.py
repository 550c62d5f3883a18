"""A node that starts before its Redis: one clear line, or patience if it was asked for."""

from __future__ import annotations

import asyncio
import time

import pytest
from tests.support.redis import RedisServer, free_port

from flocket import AdapterError, RedisAdapter


def test_a_redis_that_is_not_there_is_one_clear_line() -> None:
    port = free_port()
    adapter = RedisAdapter(port=port)
    with pytest.raises(AdapterError, match=rf"^Redis at redis://localhost:{port}: connection refused$"):
        asyncio.run(adapter.start())


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
