"""Which engine of an ASGI application serves a path: looks for our servers in it, once, and remembers.

Knows how applications hold others (`app.app` of a middleware, `app.routes` with Starlette's Mount) and asks each
object that offers `flocket_route`; does not import any of them, nor know what an engine does.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, cast

from flocket.engine.contracts import Exchange, Upgrade
from flocket.observe import Counters
from flocket.options import EngineOptions

__all__ = ["EngineLike", "Routed", "Routes", "find", "routes_of"]

DEEPEST = 32  # applications within applications; more is a cycle that is made anew at each step


class EngineLike(Protocol):
    """What a face needs of an engine."""

    @property
    def options(self) -> EngineOptions: ...

    @property
    def counters(self) -> Counters: ...

    @property
    def draining(self) -> bool: ...

    def handle(self, exchange: Exchange) -> None: ...

    def upgrade(self, upgrade: Upgrade) -> None: ...


class Routed(Protocol):
    """An ASGI application that has an engine of ours, or is one.

    It may also offer `flocket_engine`, an EngineLike: whose limits and counters hold for requests of which the
    path is not known yet; and `ours`, the server, if it only stands before it.
    """

    def flocket_route(self, path: str, mounted: bool = False) -> EngineLike | None:
        """The engine that serves `path`, if any. With `mounted` the path is what the outer application left of it."""

    async def close(self) -> None:
        """End all sessions; a second call changes nothing."""


class Routes:
    """The servers of ours within one application."""

    def __init__(self, app: object) -> None:
        self.app = app
        self._servers = list(_servers(app, "", 0))

    @property
    def first(self) -> EngineLike | None:
        """Whose limits hold before a path is known."""
        for _, server in self._servers:
            engine = getattr(server, "flocket_engine", None)
            if engine is not None:
                return cast(EngineLike, engine)
        return None

    def servers(self) -> list[Routed]:
        """Each server of ours once, in the order in which they are found; itself, not what stands before it."""
        found: list[Routed] = [getattr(server, "ours", server) for _, server in self._servers]
        return list({id(server): server for server in found}.values())

    def find(self, path: str) -> EngineLike | None:
        for prefix, server in self._servers:
            if not prefix:
                engine = server.flocket_route(path)
            elif path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in ("", "/"):
                engine = server.flocket_route(path[len(prefix) :] or "/", mounted=True)
            else:
                continue
            if engine is not None:
                return engine
        return None


def _servers(app: object, prefix: str, depth: int) -> Iterator[tuple[str, Routed]]:
    if app is None or depth > DEEPEST:
        return
    if callable(getattr(app, "flocket_route", None)):
        yield prefix, cast(Routed, app)
    routes = getattr(app, "routes", None)
    for route in routes if isinstance(routes, list | tuple) else ():
        inner, path = getattr(route, "app", None), getattr(route, "path", None)
        # A Mount; a plain Route has an `app` too, but answers one path only and holds nothing of ours.
        if isinstance(path, str) and hasattr(route, "routes") and "{" not in path:
            yield from _servers(inner, prefix + path, depth + 1)
    yield from _servers(getattr(app, "app", None), prefix, depth + 1)


_known: dict[int, Routes] = {}


def routes_of(app: object) -> Routes:
    """The servers within `app`, looked for at the first call."""
    routes = _known.get(id(app))
    if routes is None:
        routes = _known[id(app)] = Routes(app)  # keeps the application too, or its id could come again
    return routes


def find(app: object, path: str) -> EngineLike | None:
    """The engine within `app` that serves `path`."""
    return routes_of(app).find(path)
