"""An adapter from a URL, as the command line and `io.adapter("redis://...")` take it. Knows schemes; opens nothing."""

from __future__ import annotations

from typing import Any

from flocket.errors import ConfigError

__all__ = ["adapter_from_url"]

_REDIS = ("redis", "rediss", "valkey", "valkeys", "unix")


def adapter_from_url(url: str) -> Any:
    """What to give to `io.adapter`; the scheme names the dialect, as `redis+streams://`. Raises ConfigError."""
    if url.partition("://")[0].partition("+")[0] not in _REDIS:
        scheme = url.partition("://")[0]
        raise ConfigError(f"no adapter for {scheme!r:.40}: there are redis://, redis+sharded:// and redis+streams://")
    from flocket.adapters.buses.redis_address import RedisAddress
    from flocket.adapters.redis_classic import RedisAdapter
    from flocket.adapters.redis_sharded import ShardedRedisAdapter
    from flocket.adapters.redis_streams import RedisStreamsAdapter

    adapters: dict[str, Any] = {
        "classic": RedisAdapter,
        "sharded": ShardedRedisAdapter,
        "streams": RedisStreamsAdapter,
    }
    return adapters[RedisAddress.parse(url).dialect](url)
