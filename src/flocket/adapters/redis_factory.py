"""What the three Redis adapters share: where Redis is, one bus for all namespaces, counting nodes by
subscriptions.

Does not know their dialects.
"""

from __future__ import annotations

import asyncio
from typing import Any

from flocket.adapters.buses.redis import RedisBus
from flocket.adapters.buses.redis_address import RedisAddress
from flocket.adapters.counters import AdapterCounters
from flocket.adapters.questions import Question
from flocket.errors import AdapterError, ConfigError

__all__ = ["RedisFactory", "expect_counted"]


class RedisFactory:
    """Made before any loop or fork; `start` connects. A namespace's adapter uses `bus`."""

    dialect = "classic"

    def __init__(self, url: str | None, host: str, port: int, client: Any, requests_timeout: float) -> None:
        if not requests_timeout > 0:
            raise ConfigError(f"requests_timeout={requests_timeout!r}: seconds, above 0")
        if url is not None and client is not None:
            raise ConfigError("a URL or a client, not both")
        self._client = client
        self._address = (
            None if client is not None else RedisAddress.parse(url or f"redis://{_host(host)}:{port}")
        )
        self.requests_timeout = requests_timeout
        self.counters = AdapterCounters()
        self._bus: RedisBus | None = None

    @property
    def bus(self) -> RedisBus:
        assert self._bus is not None, "start() comes before the namespaces"
        return self._bus

    async def start(self) -> None:
        """Connect. Raises AdapterError with one line that says what is wrong."""
        bus = RedisBus(self._client if self._address is None else self._address)
        await bus.open()
        self._bus = bus

    async def aclose(self) -> None:
        """Send what waits, for a second at most, and disconnect."""
        if self._bus is not None:
            await self._bus.aclose()

    def health(self) -> dict[str, Any]:
        """Whether this node hears the others and they it: `ok`, `hears`, `says`, `away_for` (seconds),
        `unsent`.
        """
        return {"ok": False, "hears": False, "says": False} if self._bus is None else self._bus.health()

    def stats(self) -> dict[str, int]:
        """The counters of this node's adapter."""
        if self._bus is not None:
            self.counters.reconnects = self._bus.reconnects
        return self.counters.snapshot()


def expect_counted(question: Question, count: asyncio.Future[int]) -> None:
    """Tell a question to expect so many nodes without this one, as soon as the broker has counted them."""

    def counted(future: asyncio.Future[int]) -> None:
        if future.cancelled():
            return
        error = future.exception()
        if error is None:
            question.expect_count(future.result() - 1)
        elif isinstance(error, Exception):
            question.fail(error if isinstance(error, AdapterError) else AdapterError(str(error)))

    count.add_done_callback(counted)


def _host(host: str) -> str:
    return f"[{host}]" if ":" in host else host
