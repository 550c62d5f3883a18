"""What the three Redis adapters share: where Redis is, one bus for all namespaces, counting nodes by
subscriptions.

Does not know their dialects.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from flocket.adapters.buses.redis import RedisBus
from flocket.adapters.buses.redis_address import RedisAddress, require_redis
from flocket.adapters.buses.redis_cluster import RedisClusterBus
from flocket.adapters.buses.redis_endpoint import Endpoint, NotYet
from flocket.adapters.counters import AdapterCounters
from flocket.adapters.redis_lines import RedisLines
from flocket.errors import AdapterError, ConfigError
from flocket.options import HOUR, check_seconds, is_above_zero

__all__ = ["RedisFactory"]


log = logging.getLogger("flocket")

_START_RETRY = 0.5  # seconds between two tries to find Redis at start

# What introduced the newest command that each adapter needs: PUBSUB NUMSUB, SPUBLISH, XADD.
_NEEDED = {"classic": (2, 8), "sharded": (7, 0), "streams": (5, 0)}


class RedisFactory:
    """Made before any loop or fork; `start` connects. A namespace's adapter uses `bus`."""

    dialect = "classic"

    def __init__(
        self,
        url: str | None,
        host: str,
        port: int,
        client: Any,
        requests_timeout: float,
        start_timeout: float,
    ) -> None:
        check_seconds({"requests_timeout": requests_timeout}, most=HOUR)
        if start_timeout != 0 and not is_above_zero(start_timeout):
            raise ConfigError(f"start_timeout={start_timeout!r:.80}: seconds to go on trying at start, at least 0")
        if url is not None and client is not None:
            raise ConfigError("a URL or a client, not both")
        self._client = client
        self._address = None if client is not None else RedisAddress.parse(url or f"redis://{_host(host)}:{port}")
        self.requests_timeout = requests_timeout
        self._start_timeout = start_timeout
        self.counters = AdapterCounters()
        self._bus: RedisBus | None = None

    @property
    def bus(self) -> RedisBus:
        assert self._bus is not None, "start() comes before the namespaces"
        return self._bus

    @property
    def lines(self) -> RedisLines:
        """Channels beside those of the dialect, for requests that reached the wrong machine."""
        return RedisLines(self.bus, self.prefix)

    @property
    def prefix(self) -> str:
        """What all channels begin with."""
        raise NotImplementedError

    async def start(self) -> None:
        """Connect. Raises AdapterError with one line that says what is wrong.

        A Redis that is not there yet is tried again for `start_timeout` seconds; one that refuses us is not.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + self._start_timeout
        while True:
            try:
                bus = await self._make_bus()
                await bus.open()
                break
            except NotYet as error:
                if loop.time() >= end:
                    raise
                log.warning("%s; trying again", error)
                await asyncio.sleep(_START_RETRY)
        self._bus = bus

    async def _make_bus(self) -> RedisBus:
        require_redis()
        client, address = self._client, self._address
        endpoint = Endpoint.of(address) if address is not None else Endpoint.of_client(client)
        info = _info(await endpoint.answer_to("INFO"))
        version = info.get("redis_version", "0")
        needed = _NEEDED[self.dialect]
        if tuple(int(part) for part in version.split(".")[:2] if part.isdigit()) < needed:
            least = ".".join(map(str, needed))
            raise AdapterError(
                f"Redis at {endpoint.shown}: version {version} is too old for the {self.dialect} adapter, "
                f"which needs {least}"
            )
        return RedisClusterBus(endpoint) if info.get("cluster_enabled") == "1" else RedisBus(endpoint)

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
        counted = self.counters.snapshot()
        if self._bus is not None:
            counted["reconnects"] = self._bus.reconnects
            counted["publish_dropped"] += self._bus.refused
        return counted


def _info(text: bytes) -> dict[str, str]:
    pairs = (line.partition(":") for line in text.decode("utf-8", "replace").splitlines())
    return {key: value for key, colon, value in pairs if colon}


def _host(host: str) -> str:
    return f"[{host}]" if ":" in host else host
