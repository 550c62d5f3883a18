"""The adapter that a URL names, as the command line and `io.adapter("redis://...")` take it.

Knows schemes; imports a driver's adapter only when its scheme is asked for.
"""

from __future__ import annotations

from typing import Any

from flocket.adapters.buses.redis_address import RedisAddress

__all__ = ["adapter_by_url"]


def adapter_by_url(url: str) -> Any:
    """A factory for `io.adapter`. Raises ConfigError for a URL that names none, or if its extra is not installed."""
    dialect = RedisAddress.parse(url).dialect
    if dialect == "sharded":
        from flocket.adapters.redis_sharded import ShardedRedisAdapter

        return ShardedRedisAdapter(url)
    if dialect == "streams":
        from flocket.adapters.redis_streams import RedisStreamsAdapter

        return RedisStreamsAdapter(url)
    from flocket.adapters.redis_classic import RedisAdapter

    return RedisAdapter(url)
