"""ASGI's lifespan: a server of ours, and within it the application beside it, from start to end.

Ours starts first, so that the other may emit as it starts; and ends last: when the other closes what handlers use, no
handler runs any more. Knows the protocol (ASGI, "Lifespan"); does not know what either does.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Protocol

from flocket.errors import FlocketError
from flocket.serving.asgi_types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["LAST_CALLS", "report", "serve_lifespan"]

log = logging.getLogger("flocket")

LAST_CALLS = 1.0  # seconds that handlers have to end, `disconnect` among them, where nobody gave them more


class Living(Protocol):
    async def _begin(self, under_host: bool = False) -> None: ...

    async def _rest_within(self, seconds: float) -> None: ...

    async def close(self) -> None: ...


async def serve_lifespan(
    server: Living, scope: Scope, receive: Receive, send: Send, app: ASGIApp | None = None
) -> None:
    """Serve a `lifespan` scope; what fails is logged, and told to the host."""
    await receive()
    inner: _Inner | None = None
    try:
        await server._begin(under_host=True)
        if app is not None:
            inner = _Inner(app, scope)
            await inner.startup()
    except Exception as error:
        report("the server could not start", error)
        await server.close()
        await send({"type": "lifespan.startup.failed", "message": str(error)})
        return
    await send({"type": "lifespan.startup.complete"})
    await receive()
    failure: Exception | None = None
    try:
        await server._rest_within(LAST_CALLS)
        if inner is not None:
            await inner.shutdown()
    except Exception as error:
        failure = error
    try:
        await server.close()
    except Exception as error:
        failure = error
    if failure is None:
        await send({"type": "lifespan.shutdown.complete"})
    else:
        report("the server did not end well", failure)
        await send({"type": "lifespan.shutdown.failed", "message": str(failure)})


def report(what: str, error: Exception) -> None:
    """Log what failed: with its traceback, unless the error is one of ours, which says what to do."""
    if isinstance(error, FlocketError | _AppFailed):
        log.error("%s: %s", what, error)
    else:
        log.error("%s", what, exc_info=error)


class _AppFailed(Exception):
    """The application beside says that it cannot go on; mostly it has said why, at length."""


class _Inner:
    """The lifespan of an application that stands in ours; one that does not know the protocol has none."""

    def __init__(self, app: ASGIApp, scope: Scope) -> None:
        self._inbox: asyncio.Queue[dict[str, str]] = asyncio.Queue()
        self._outbox: asyncio.Queue[Any] = asyncio.Queue()
        self._started = False  # it knows the protocol: what it raises from now on is a failure
        self._failure: Exception | None = None
        self._task = asyncio.ensure_future(self._run(app, scope))

    async def _run(self, app: ASGIApp, scope: Scope) -> None:
        try:
            await app(scope, self._inbox.get, self._hear)
        except Exception as error:
            if self._started:
                self._failure = error
            else:
                log.debug("the application beside has no lifespan: %r", error)
        finally:
            await self._outbox.put(None)

    async def startup(self) -> None:
        await self._tell("startup")

    async def shutdown(self) -> None:
        if not self._task.done():
            await self._tell("shutdown")
        await self._task
        if self._failure is not None:
            raise self._failure  # not told as ASGI has it, and not to be lost

    async def _hear(self, message: Message) -> None:
        self._started = self._started or message["type"] == "lifespan.startup.complete"
        await self._outbox.put(message)

    async def _tell(self, what: str) -> None:
        await self._inbox.put({"type": f"lifespan.{what}"})
        answer = await self._outbox.get()
        if answer is not None and answer["type"].endswith(".failed"):
            raise _AppFailed(answer.get("message") or f"the application beside failed at its {what}")
