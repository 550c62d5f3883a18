"""`/healthz` and `/readyz` for whoever watches a process, unless the application answers these paths itself.

Knows whether servers of ours take new sessions, and hear the other nodes; does not know why. A process that is
cut off is alive: to start it anew would bring nobody back.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Protocol

from flocket.serving.asgi_types import ASGIApp, Receive, Scope, Send

__all__ = ["Health"]

CUT_OFF = 10.0  # seconds without the other nodes, after which clients are better off at a node that hears them


class Watched(Protocol):
    def health(self) -> dict[str, Any]: ...


class Health:
    """The outermost application of a run. `app` is what it stands before: faces look for servers there."""

    def __init__(self, app: ASGIApp, members: Sequence[Watched], cut_off: float = CUT_OFF) -> None:
        self.app = app
        self._members = members
        self._cut_off = cut_off

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] not in ("/healthz", "/readyz"):
            await self.app(scope, receive, send)
            return
        found = True

        async def unless_missing(message: Any) -> None:
            nonlocal found
            if message["type"] == "http.response.start" and message["status"] == 404:
                found = False
            if found:
                await send(message)

        await self.app(scope, receive, unless_missing)
        if not found:
            await self._answer(scope["path"], send)

    async def _answer(self, path: str, send: Send) -> None:
        told = [member.health() for member in self._members]
        ready = path == "/healthz" or all(map(self._takes_clients, told))
        body = json.dumps({"ready": ready, "servers": told} if path == "/readyz" else {"alive": True}).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        headers.append((b"cache-control", b"no-store"))
        await send({"type": "http.response.start", "status": 200 if ready else 503, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _takes_clients(self, told: dict[str, Any]) -> bool:
        adapter = told.get("adapter", {})
        cut_off = adapter.get("ok") is False and adapter.get("away_for", 0.0) > self._cut_off
        return told["status"] == "ok" and not cut_off
