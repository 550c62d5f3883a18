"""uvicorn's Server with an end that suits long polls and WebSockets, and no last word on signals.

Imports uvicorn, so it is imported only when something is served. Knows servers of ours by what they offer.
"""

from __future__ import annotations

import asyncio
import signal
import socket
from types import FrameType

from uvicorn import Server

from flocket.serving.routes import routes_of

__all__ = ["Host"]


class Host(Server):
    """Ends within a moment of a signal, with status 0."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # Not remembered, as uvicorn would raise it again at the end: an orderly stop is no failure.
        if self.should_exit and sig == signal.SIGINT:
            self.force_exit = True
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        # Before the connections are asked to end: a poll that waits is answered by its session's end.
        for app in routes_of(self.config.app).servers():
            await app.close()
        await super().shutdown(sockets)

    async def serve_here(self, sockets: list[socket.socket]) -> None:
        """Serve within the caller's loop, without its signals, until cancelled."""
        serving = asyncio.ensure_future(self._serve(sockets))
        try:
            await asyncio.shield(serving)
        except asyncio.CancelledError:
            self.should_exit = True
            await serving
            raise
