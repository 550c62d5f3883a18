"""Keeps one connection to a Redis server open, whatever happens to it: opens, probes, waits, opens again.

Does not know what travels on it: two kinds inherit it, one that says (redis_pipe.py) and one that hears
(redis_ear.py).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random

from flocket.adapters.buses.redis_endpoint import Endpoint, NotYet
from flocket.adapters.buses.resp import OnPush, ReplyError, RespConnection
from flocket.errors import AdapterError

__all__ = ["Reconnecting"]

log = logging.getLogger("flocket")

FIRST_DELAY = 0.05  # seconds before the second attempt; doubled for each one after it
LAST_DELAY = 0.9  # seconds: a server that returns is found again within one
IDLE_TIME = 3.0  # seconds of silence after which the server is asked for a sign of life
OPENED_TIME = 6.0  # seconds for what a new connection begins with: a server that has stopped still takes bytes
PROBE_TIME = 4.0  # seconds for that sign: with IDLE_TIME, a dead way is noticed within 10


class Reconnecting:
    """`connection` is the open one, or None. `lost_at` is when it was lost, in the loop's time, while it is None."""

    def __init__(self, endpoint: Endpoint, what: str) -> None:
        self.endpoint = endpoint
        self.connection: RespConnection | None = None
        self.reconnects = 0
        self.lost_at = 0.0
        self._what = what  # for the log
        self._keeper: asyncio.Task[None] | None = None
        self._lost = asyncio.Event()
        self._reason = ""

    async def start(self) -> None:
        """Open it for the first time. Raises AdapterError."""
        await self._open()
        self._keeper = asyncio.get_running_loop().create_task(self._keep())

    def begin(self) -> None:
        """As `start`, without waiting: it is opened as soon as it can be."""
        self.lost_at = asyncio.get_running_loop().time()
        self._keeper = asyncio.get_running_loop().create_task(self._begin())

    async def _begin(self) -> None:
        await self._reopen()
        await self._keep()

    async def aclose(self) -> None:
        """Close it for good, behind what was written."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.on_lost = None
            connection.close()

    # -- for those who inherit ----------------------------------------------------------------------------

    def push(self) -> OnPush | None:
        """Who hears what is pushed on the connection."""
        return None

    async def opened(self, connection: RespConnection) -> None:
        """The connection is open and greeted; `connection` is still None to the others."""

    def closed(self) -> None:
        """The connection is lost."""

    # -- the life of a connection -------------------------------------------------------------------------

    async def _open(self) -> None:
        connection = await self.endpoint.connect(self.push())
        try:
            async with asyncio.timeout(OPENED_TIME):
                await self.opened(connection)
        except TimeoutError:
            connection.abort()
            raise NotYet(f"Redis at {self.endpoint.shown}: no answer in time") from None
        except BaseException:
            connection.abort()
            raise
        if not connection.open:
            raise AdapterError(f"Redis at {self.endpoint.shown}: the connection was lost again")
        self._lost.clear()
        connection.on_lost = self._on_lost
        self.connection = connection
        self.lost_at = 0.0
        self.is_open()

    def is_open(self) -> None:
        """The connection may be used from now on."""

    def _on_lost(self, reason: str) -> None:
        self.connection = None
        self.lost_at = asyncio.get_running_loop().time()
        self._reason = reason
        self._lost.set()
        self.closed()

    async def _keep(self) -> None:
        while True:
            await self._watch()
            log.warning("Redis at %s: %s is lost: %s", self.endpoint.shown, self._what, self._reason)
            await self._reopen()
            self.reconnects += 1
            log.warning("Redis at %s: %s is back", self.endpoint.shown, self._what)

    async def _watch(self) -> None:
        """Return when the connection is lost, or has given no sign of life in time."""
        loop = asyncio.get_running_loop()
        while (connection := self.connection) is not None:
            quiet = loop.time() - connection.heard
            if quiet < IDLE_TIME:
                # Not wait_for: before Python 3.12 it may swallow the cancellation that is to end this task.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(IDLE_TIME - quiet):
                        await self._lost.wait()
                continue
            try:
                async with asyncio.timeout(PROBE_TIME):
                    await connection.ask("PING")
            except (TimeoutError, AdapterError, ReplyError) as error:
                connection.errors.append(str(error) or f"no sign of life within {PROBE_TIME:g} s")
                connection.abort()
                await self._lost.wait()
                if isinstance(error, TimeoutError):
                    self.lost_at = connection.heard  # it was lost when it fell silent, not when that was noticed

    async def _reopen(self) -> None:
        delay = FIRST_DELAY
        while True:
            begun = asyncio.get_running_loop().time()
            try:
                await self._open()
            except AdapterError as error:
                log.debug("%s", error)
            except Exception:
                # Whatever it is, a node must not stay deaf for it.
                log.exception("Redis at %s: %s does not open", self.endpoint.shown, self._what)
            else:
                return
            # Jitter, or all nodes come at once. An attempt that waited for its time has waited enough.
            took = asyncio.get_running_loop().time() - begun
            await asyncio.sleep(max(0.0, delay * random.uniform(0.5, 1.0) - took))
            delay = min(delay * 2, LAST_DELAY)
