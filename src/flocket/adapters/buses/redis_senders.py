"""Sends single commands to Redis through redis-py's client, opened when first used: what emitters need.

Does not know what the commands say. Nothing is retried: a publish whose reply was lost may have been done,
and repeating it would deliver it twice.
"""

from __future__ import annotations

import asyncio
import os
import threading
from typing import Any

from flocket.adapters.buses.redis_address import RedisAddress, require_redis

__all__ = ["AsyncSender", "Command", "Sender"]

Command = tuple[str | bytes | int, ...]  # its channel or stream second
_CONNECT_TIME = 5.0  # seconds; redis-py's default too
_COMMAND_TIME = 5.0  # seconds until a command is given up
_SENTINEL_TIME = 1.0  # seconds until the next sentinel is asked


class Sender:
    """For plain code. Threads share it; after a fork it opens a client anew."""

    def __init__(self, address: RedisAddress) -> None:
        self._address = address
        self._client: Any = None
        self._pid = 0
        self._lock = threading.Lock()

    def send(self, commands: list[Command]) -> None:
        """Send these, one after another. Raises AdapterError at the first that is refused or has no way."""
        if not commands:
            return
        errors = _errors()
        try:
            client = self._open()
            for command in commands:
                client.execute_command(*command, **_route(client, command))
        except errors as error:
            raise self._address.error(error) from None

    def _open(self) -> Any:
        if self._pid != os.getpid():
            # Another thread may have held the lock at the fork: it would stay held for ever.
            self._lock, self._client, self._pid = threading.Lock(), None, os.getpid()
        with self._lock:
            if self._client is None:
                self._client = _open(self._address)
            return self._client

    def close(self) -> None:
        """Close the connections; the next send opens others."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None and self._pid == os.getpid():
            for each in _with_sentinels(client):
                each.close()


class AsyncSender:
    """For asyncio. In another loop, or after a fork, it opens a client anew."""

    def __init__(self, address: RedisAddress) -> None:
        self._address = address
        self._client: Any = None
        self._owner: tuple[int, asyncio.AbstractEventLoop | None] = (0, None)

    async def send(self, commands: list[Command]) -> None:
        """Send these, one after another. Raises AdapterError at the first that is refused or has no way."""
        if not commands:
            return
        errors = _errors()
        try:
            client = await self._open()
            for command in commands:
                await client.execute_command(*command, **_route(client, command))
        except errors as error:
            raise self._address.error(error) from None

    async def _open(self) -> Any:
        owner = (os.getpid(), asyncio.get_running_loop())
        if self._client is None or self._owner != owner:
            self._client, self._owner = await _open_async(self._address), owner
        return self._client

    async def aclose(self) -> None:
        """Close the connections; the next send opens others."""
        client, self._client = self._client, None
        if client is not None:
            for each in _with_sentinels(client):
                await each.aclose()


def _errors() -> tuple[type[BaseException], ...]:
    require_redis()
    from redis.exceptions import RedisClusterException, RedisError

    return (RedisError, RedisClusterException, OSError)


def _route(client: Any, command: Command) -> dict[str, Any]:
    # redis-py's cluster client would ask a server where the key of SPUBLISH is; the channel tells.
    if command[0] == "SPUBLISH" and hasattr(client, "get_node_from_key"):
        return {"target_nodes": client.get_node_from_key(command[1])}
    return {}


def _settings(retry: Any) -> dict[str, Any]:
    # RESP2: nothing is pushed between a command and its reply.
    times = {"socket_timeout": _COMMAND_TIME, "socket_connect_timeout": _CONNECT_TIME}
    return {"protocol": 2, "retry": retry, **times}


def _open(address: RedisAddress) -> Any:
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    settings = _settings(Retry(NoBackoff(), 0))
    options = address.options()
    if address.sentinels:
        sentinel: Any = redis.Sentinel(  # type: ignore[no-untyped-call]  # redis-py has no types there
            list(address.sentinels), sentinel_kwargs=_for_sentinels(settings)
        )
        return sentinel.master_for(address.service, **settings, **_credentials(options))
    client = redis.Redis.from_url(address.url, **settings)
    if address.dialect == "classic":
        return client
    try:
        clustered = _is_cluster(client.info("cluster"))
    except BaseException:
        client.close()
        raise
    if not clustered:
        return client
    client.close()
    return redis.RedisCluster.from_url(address.url, **settings)


async def _open_async(address: RedisAddress) -> Any:
    import redis.asyncio
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff

    settings = _settings(Retry(NoBackoff(), 0))
    options = address.options()
    if address.sentinels:
        sentinel: Any = redis.asyncio.Sentinel(  # type: ignore[no-untyped-call]  # as above
            list(address.sentinels), sentinel_kwargs=_for_sentinels(settings)
        )
        return sentinel.master_for(address.service, **settings, **_credentials(options))
    client = redis.asyncio.Redis.from_url(address.url, **settings)
    if address.dialect == "classic":
        return client
    try:
        clustered = _is_cluster(await client.info("cluster"))
    except BaseException:
        await client.aclose()
        raise
    if not clustered:
        return client
    await client.aclose()
    return await redis.asyncio.RedisCluster.from_url(address.url, **settings).initialize()


def _with_sentinels(client: Any) -> list[Any]:
    # The clients that asked the sentinels are not closed along with the one for the master.
    manager = getattr(getattr(client, "connection_pool", None), "sentinel_manager", None)
    return [client, *(manager.sentinels if manager is not None else ())]


def _is_cluster(info: Any) -> bool:
    return bool(int(info.get("cluster_enabled", 0)))


def _for_sentinels(settings: dict[str, Any]) -> dict[str, Any]:
    return {**settings, "socket_timeout": _SENTINEL_TIME, "socket_connect_timeout": _SENTINEL_TIME}


def _credentials(options: dict[str, Any]) -> dict[str, Any]:
    kept = {"username", "password", "db"}
    found = {key: value for key, value in options.items() if key in kept or key.startswith("ssl_")}
    if "SSL" in getattr(options.get("connection_class"), "__name__", ""):
        found["ssl"] = True
    return found
