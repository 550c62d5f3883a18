"""A server of ours and another application, as one ASGI application.

Knows which of the two a request is for; does not know what they answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flocket.serving.asgi_types import ASGIApp, Receive, Scope, Send
from flocket.serving.lifespan import serve_lifespan
from flocket.serving.paths import left_of_mount
from flocket.serving.routes import EngineLike

if TYPE_CHECKING:
    from flocket.serving.app import EngineApp

__all__ = ["Beside"]


class Beside:
    """`io.asgi(app)`: ours on its path, `app` everywhere else."""

    def __init__(self, ours: EngineApp, app: ASGIApp) -> None:
        self.ours = ours
        self.app = app

    @property
    def flocket_engine(self) -> EngineLike:
        return self.ours.flocket_engine

    def flocket_route(self, path: str, mounted: bool = False) -> EngineLike | None:
        # Also where both are mounted together: what the mount leaves is shared, and only our path is ours.
        return self.ours.flocket_route(path)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await serve_lifespan(self.ours, scope, receive, send, self.app)
        elif self.ours._rest(left_of_mount(scope.get("root_path", ""), scope["path"]), False) is not None:
            await self.ours(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def close(self) -> None:
        await self.ours.close()
