"""The connection that says: commands in order, pipelined and bounded; each reply belongs to its question.

What was written when the connection is lost may or may not have been done, and is not repeated. What had not
been written waits in the outbox. Does not know what the commands mean.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from flocket.adapters.buses.reconnecting import Reconnecting
from flocket.adapters.buses.redis_endpoint import Endpoint
from flocket.adapters.buses.resp import OnError, RespConnection
from flocket.adapters.outbox import Outbox, Overflow
from flocket.errors import AdapterError

__all__ = ["Pipe", "Words"]

Words = tuple[bytes | str | int, ...]
MAX_UNSENT = 16_777_216  # bytes that may wait in an open connection: Redis is slow, or has stopped
MARK = 1_048_576  # bytes above which an awaited emission waits
ROOM_TIME = 5.0  # seconds for which it waits at most


class Pipe(Reconnecting):
    """`send` never waits; `ask` has a reply."""

    def __init__(self, endpoint: Endpoint, overflow: Overflow = "fail") -> None:
        super().__init__(endpoint, "the publishing connection")
        self.dropped = 0
        self.outbox: Outbox[tuple[Words, OnError | None]] = Outbox(overflow=overflow)
        self._room = asyncio.Event()
        self._room.set()

    def send(self, words: Words, size: int, on_error: OnError | None = None) -> bool:
        """Write a command, or queue it while there is no connection; False if it is lost, as there is no
        room.
        """
        connection = self.connection
        if connection is None:
            if self.outbox.put((words, on_error), size):
                return True
        elif connection.waiting + size <= MAX_UNSENT:
            connection.send(*words, on_error=on_error)
            if connection.waiting > MARK:
                self._room.clear()
            return True
        self.dropped += 1
        return False

    def ask(self, *words: bytes | str | int) -> asyncio.Future[Any]:
        """The future of a command's reply; an AdapterError if there is no connection, now or later, or no room."""
        connection = self.connection
        if connection is None or connection.waiting > MAX_UNSENT:
            why = "not connected" if connection is None else "too slow: no more is sent for now"
            future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            future.set_exception(AdapterError(f"Redis at {self.endpoint.shown} is {why}"))
            future.exception()  # no warning, if nobody waits
            return future
        future = connection.ask(*words)
        if connection.waiting > MARK:
            self._room.clear()
        return future

    async def drained(self) -> None:
        """Return once there is room, or after a while: an emission is not held up by an outage."""
        if not self._room.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ROOM_TIME):
                    await self._room.wait()

    async def aclose(self) -> None:
        if self.connection is not None and self.connection.unanswered:
            with contextlib.suppress(TimeoutError, AdapterError):
                async with asyncio.timeout(1.0):
                    await self.connection.ask("PING")
        await super().aclose()

    async def opened(self, connection: RespConnection) -> None:
        connection.on_writable = self._room.set

    def is_open(self) -> None:
        self._room.set()
        while self.outbox and self.connection is not None:
            words, on_error = self.outbox.take()
            self.connection.send(*words, on_error=on_error)

    def closed(self) -> None:
        self._room.set()
