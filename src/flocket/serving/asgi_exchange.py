"""One HTTP request of the portable face: the engine calls it, and the ASGI server's task waits for what it says.

Knows ASGI's messages of HTTP, and how long a body may take; does not know who answers.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from flocket.engine.contracts import Headers
from flocket.engine.request import Request
from flocket.observe import Counters
from flocket.options import Limits
from flocket.serving.asgi_types import Receive, Send, raw_headers

__all__ = ["AsgiExchange"]

log = logging.getLogger("flocket")


class AsgiExchange:
    """One HTTP request. The engine calls it; the server's task runs `run` meanwhile."""

    def __init__(self, request: Request, limits: Limits, counters: Counters) -> None:
        self.request = request
        self.on_gone: Callable[[], None] | None = None
        self._limits = limits
        self._counters = counters
        self._wanted: tuple[int, Callable[[bytes | None], None]] | None = None
        self._body_read = False
        self._reading: asyncio.Timeout | None = None
        self._answer: tuple[int, Headers, bytes, bool] | None = None
        self._changed = asyncio.Event()

    def read(self, limit: int, done: Callable[[bytes | None], None]) -> None:
        self._wanted = (limit, done)
        self._changed.set()

    def respond(self, status: int, headers: Headers, body: bytes, *, close: bool = False) -> None:
        if self._answer is None:
            self._answer = (status, headers, body, close)
            self._changed.set()
            if self._reading is not None and not self._reading.expired():  # nobody wants the rest of the body any more
                self._reading.reschedule(asyncio.get_running_loop().time())

    async def run(self, receive: Receive, send: Send) -> None:
        try:
            while self._answer is None:
                if self._wanted is not None:
                    await self._read(receive)
                else:
                    await self._wait(receive)
        except _Gone:
            if self.on_gone is not None:
                self.on_gone()
            return
        except asyncio.CancelledError:  # some servers end the task of a request whose client has gone
            if self.on_gone is not None:
                self.on_gone()
            raise
        except TimeoutError:
            if self._answer is None:
                if self.on_gone is not None:
                    self.on_gone()
                self._counters.http_errors += 1
                self._answer = (408, [], b"", True)
        status, headers, body, close = self._answer
        raw = raw_headers(headers)
        if status != 204:
            raw.append((b"content-length", str(len(body)).encode()))
        if close and self.request.http_version.startswith("1"):
            raw.append((b"connection", b"close"))
        try:
            await send({"type": "http.response.start", "status": status, "headers": raw})
            await send({"type": "http.response.body", "body": b"" if self.request.method == "HEAD" else body})
        except (OSError, RuntimeError) as error:
            # The client went. ASGI's word for it is OSError; of a request behind another on one connection uvicorn does
            # not know that, and what it then writes to raises RuntimeError.
            log.debug("a request of %s could not be answered: %s", self.request.address, error)

    async def _read(self, receive: Receive) -> None:
        assert self._wanted is not None
        limit, done = self._wanted
        self._wanted = None
        declared = self.request.header(b"content-length")
        if (
            declared is not None
            and declared.isascii()
            and declared.isdigit()
            and (len(declared) > 15 or int(declared) > limit)
        ):
            done(None)
            return
        parts: list[bytes] = []
        size = 0
        now = asyncio.get_running_loop().time
        end = now() + self._limits.poll_time
        while True:
            async with asyncio.timeout_at(min(now() + self._limits.body_idle, end)) as self._reading:
                message = await receive()
            self._reading = None
            if message["type"] == "http.disconnect":
                raise _Gone
            part = message.get("body", b"")
            size += len(part)
            if size > limit:
                done(None)
                return
            parts.append(part)
            if not message.get("more_body", False):
                self._body_read = True
                done(b"".join(parts))
                return

    async def _wait(self, receive: Receive) -> None:
        """Until the engine wants something, or the client is gone."""
        if self.request.method == "POST" and not self._body_read:
            await self._changed.wait()  # to listen would take parts of the body
            self._changed.clear()
            return
        listener = asyncio.ensure_future(_gone(receive))
        changed = asyncio.ensure_future(self._changed.wait())
        try:
            await asyncio.wait((listener, changed), return_when=asyncio.FIRST_COMPLETED)
            self._changed.clear()
            if listener.done() and self._answer is None:
                raise _Gone
        finally:
            for task in (listener, changed):
                task.cancel()
            await asyncio.gather(listener, changed, return_exceptions=True)


class _Gone(Exception):
    """The client closed the connection."""


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
