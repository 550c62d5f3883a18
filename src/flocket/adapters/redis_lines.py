"""Plain channels of Redis beside those of an adapter's dialect: for requests that reached the wrong machine.

Does not know what is said. The contract is cluster/far.py's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from flocket.adapters.buses.redis import CHANNEL, RedisBus
from flocket.errors import AdapterError

__all__ = ["RedisLines"]

_COUNT_TIME = 2.0  # seconds for Redis's answer


class RedisLines:
    """Channels of Redis; on a Redis Cluster, too, those that every node carries."""

    def __init__(self, bus: RedisBus, prefix: str) -> None:
        self.prefix = prefix
        self._bus = bus

    def say(self, channel: str, data: bytes) -> bool:
        """Publish and return at once; False if it is lost."""
        return self._bus.say(CHANNEL, channel, data)

    def listen(self, channel: str, hear: Callable[[bytes], None]) -> None:
        """Hear what others publish there."""
        self._bus.listen(CHANNEL, channel, lambda _, data: hear(data))

    async def settled(self) -> None:
        """Return once every `listen` so far is in effect."""
        await self._bus.settled()

    async def count(self, channel: str) -> int | None:
        """How many listen there; None if Redis does not say."""
        try:
            async with asyncio.timeout(_COUNT_TIME):
                return await self._bus.count(CHANNEL, channel)
        except (AdapterError, TimeoutError):
            return None
