"""An engine as an ASGI application: which paths are its own, its lifespan, beside another application.

Server and EngineServer share it. Translates nothing (asgi.py does), and knows no sockets.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from threading import get_ident
from typing import TYPE_CHECKING, Any, TypeVar

from flocket.engine.contracts import Exchange, Upgrade
from flocket.engine.engine import Engine
from flocket.errors import FlocketError, NotRunning
from flocket.observe import Counters
from flocket.options import EngineOptions
from flocket.serving.asgi import ASGIApp, AsgiFace, Receive, Scope, Send, request_of
from flocket.serving.client_files import ClientFiles
from flocket.serving.farewell import on_farewell
from flocket.serving.paths import below, left_of_mount
from flocket.serving.routes import EngineLike
from flocket.serving.runtime import AsyncioRuntime

if TYPE_CHECKING:
    from flocket.adapters.cluster import ClusterAdapter
    from flocket.serving.membership import Membership

__all__ = ["Beside", "EngineApp"]

log = logging.getLogger("flocket")

R = TypeVar("R")


class EngineApp:
    """What serves an engine: faces ask it for the engine of a path, ASGI servers call it."""

    _engine: Engine
    _runtime: AsyncioRuntime
    _files: ClientFiles
    _path: str  # without a slash at its end
    _front: EngineLike  # the engine, or one that also has the sessions of the siblings
    _tag: str  # who owns a session; drawn when the server starts, or the worker's
    _cluster: str | None = None
    _hosted = False  # whether our own lifecycle serves it, and has met the siblings
    _siblings: Membership | None = None
    _begun: asyncio.Task[None] | None = None
    _ended = False
    _forget_farewell: Callable[[], None] = staticmethod(lambda: None)

    def _join_siblings(self, adapter: ClusterAdapter) -> None:
        """Reach the siblings' clients through this. An engine alone has nothing to say to them."""

    async def _start(self) -> None:
        raise NotImplementedError

    def health(self) -> dict[str, Any]:
        """Whether this process serves: `status` is "starting", "ok", "draining" or "closed"."""
        if self._ended:
            status = "closed"
        elif self._begun is None or not self._begun.done():
            status = "starting"
        else:
            status = "draining" if self._engine.draining else "ok"
        return {"status": status, "clients": self._engine.clients_count}

    async def _stop(self) -> None:
        raise NotImplementedError

    # -- life -----------------------------------------------------------------------------------------------

    async def _begin(self, under_host: bool = False) -> None:
        """Start within the running loop; at the second call there is nothing to do.

        Under a host that is not ours (uvicorn --workers, gunicorn) there may be siblings, which find each other.
        """
        if self._ended:
            raise NotRunning("the server was closed; make a new one")
        if self._begun is None:
            self._runtime.bind()
            self._runtime.run_due = self._engine.deadlines.run
            self._begun = self._runtime.create_task(self._start_as(under_host and not self._hosted))
        elif self._runtime.loop is not asyncio.get_running_loop():
            raise NotRunning("the server belongs to the loop in which it started")
        await asyncio.shield(self._begun)

    async def _start_as(self, one_of_many: bool) -> None:
        if one_of_many or (self._cluster is not None and not self._hosted):
            from flocket.serving.membership import meet_siblings

            self._siblings = await meet_siblings(self)
        if one_of_many:
            self._forget_farewell = on_farewell(lambda: self._runtime.spawn(self.close()))
        await self._start()

    async def close(self) -> None:
        """End all sessions with "server shutting down", and release everything. A second call changes nothing."""
        if self._begun is None or self._ended:
            self._ended = True
            return
        self._ended = True
        self._forget_farewell()
        if self._siblings is not None:
            self._engine.draining = True
            await self._siblings.leave(1.0)
        await self._stop()
        if self._siblings is not None:
            await self._siblings.aclose()
        await asyncio.sleep(0)  # what was written last leaves in this turn
        self._runtime.release()

    def from_thread(self, awaitable: Awaitable[R]) -> R:
        """From another thread: await something in the server's loop, and wait for its result."""

        async def wait() -> R:
            return await awaitable

        try:
            if not self._runtime.thread:
                raise NotRunning("the server is not running")
            if self._runtime.thread == get_ident():
                raise NotRunning("from_thread would wait for its own thread: here, use await")
        except NotRunning:
            if isinstance(awaitable, Coroutine):
                awaitable.close()
            raise
        return asyncio.run_coroutine_threadsafe(wait(), self._runtime.loop).result()

    # -- what a face asks -----------------------------------------------------------------------------------

    @property
    def flocket_engine(self) -> EngineLike:
        """Whose limits hold while a request's path is not known."""
        return self._engine

    def flocket_route(self, path: str, mounted: bool = False) -> EngineLike | None:
        """The engine, if `path` is its own; in its place one that starts the server first, while it has not."""
        rest = self._rest(path, mounted)
        if rest is None or self._files.is_file(rest):
            return None
        if self._begun is not None and self._begun.done():
            return self._front
        return _Starting(self)

    def _rest(self, path: str, mounted: bool) -> str | None:
        rest = below(self._path, path)
        if rest is None and mounted:
            rest = path[1:] if path == "/" or self._files.is_file(path[1:]) else None
        return rest

    # -- ASGI -----------------------------------------------------------------------------------------------

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI 3: `lifespan`, `http` and `websocket`."""
        kind = scope["type"]
        if kind == "lifespan":
            await _serve_lifespan(self, receive, send)
            return
        if not self._ended or self._begun is None:
            await self._begin(under_host=True)  # a server that was closed refuses by itself, as long as it is asked
        root = scope.get("root_path", "")
        path = left_of_mount(root, scope["path"])
        rest = self._rest(path, mounted=bool(root))
        if rest is None:
            await _not_found(kind, send)
        elif kind == "websocket":
            await AsgiFace(self._front).websocket(scope, receive, send)
        elif self._files.is_file(rest):
            await self._serve_file(rest, scope, send)
        else:
            await AsgiFace(self._front).http(scope, receive, send)

    async def _serve_file(self, name: str, scope: Scope, send: Send) -> None:
        request = request_of(scope, self._engine.options)
        answer = self._files.serve(name, request)
        if answer is None:
            await _not_found("http", send)
            return
        status, headers, body = answer
        raw = [
            (key.lower().encode("latin-1"), value.encode("latin-1"))
            for key, value in [*headers, *self._engine.cors.headers(request)]
        ]
        if status == 200:
            raw.append((b"content-length", str(len(body)).encode()))
        await send({"type": "http.response.start", "status": status, "headers": raw})
        await send({"type": "http.response.body", "body": b"" if request.method == "HEAD" else body})

    def asgi(self, app: ASGIApp) -> Beside:
        """One ASGI application of both: ours on its path, `app` everywhere else, and both lifespans."""
        return Beside(self, app)


class _Starting:
    """An engine whose server has not started: the first request does that, and waits for it."""

    def __init__(self, app: EngineApp) -> None:
        self._app = app
        self.options: EngineOptions = app._engine.options
        self.counters: Counters = app._engine.counters

    def handle(self, exchange: Exchange) -> None:
        self._then(lambda: self._app._front.handle(exchange), lambda: exchange.respond(503, [], b"", close=True))

    def upgrade(self, upgrade: Upgrade) -> None:
        self._then(lambda: self._app._front.upgrade(upgrade), lambda: upgrade.refuse(503, [], b""))

    def _then(self, serve: Any, give_up: Any) -> None:
        async def start() -> None:
            try:
                await self._app._begin(under_host=True)
            except Exception as error:
                _blame(error)
                give_up()
            else:
                serve()

        task = asyncio.ensure_future(start())
        _starting.add(task)
        task.add_done_callback(_starting.discard)


_starting: set[asyncio.Future[None]] = set()


class Beside:
    """A server of ours and another application, as one ASGI application."""

    def __init__(self, ours: EngineApp, app: ASGIApp) -> None:
        self.ours = ours
        self.app = app

    @property
    def flocket_engine(self) -> EngineLike:
        return self.ours.flocket_engine

    def flocket_route(self, path: str, mounted: bool = False) -> EngineLike | None:
        return self.ours.flocket_route(path, mounted)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(scope, receive, send)
        elif self.ours._rest(left_of_mount(scope.get("root_path", ""), scope["path"]), False) is not None:
            await self.ours(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def close(self) -> None:
        await self.ours.close()

    async def _lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The other application's own protocol decides; ours starts before it and ends after it."""
        await receive()
        try:
            await self.ours._begin(under_host=True)
        except Exception as error:
            await send({"type": "lifespan.startup.failed", "message": _blame(error)})
            return
        inner = _InnerLifespan(self.app, scope)
        failure = await inner.startup()
        if failure is not None:
            await self.ours.close()
            await send({"type": "lifespan.startup.failed", "message": failure})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.ours.close()
        await inner.shutdown()
        await send({"type": "lifespan.shutdown.complete"})


class _InnerLifespan:
    """The lifespan of an application that we host; one that does not know the protocol has none."""

    def __init__(self, app: ASGIApp, scope: Scope) -> None:
        self._inbox: asyncio.Queue[dict[str, str]] = asyncio.Queue()
        self._outbox: asyncio.Queue[Any] = asyncio.Queue()
        self._task = asyncio.ensure_future(self._run(app, scope))

    async def _run(self, app: ASGIApp, scope: Scope) -> None:
        try:
            await app(scope, self._inbox.get, self._outbox.put)
        except Exception as error:
            log.debug("the application beside has no lifespan: %r", error)
        finally:
            await self._outbox.put(None)

    async def startup(self) -> str | None:
        """Why it failed, or None."""
        await self._inbox.put({"type": "lifespan.startup"})
        answer = await self._outbox.get()
        if answer is not None and answer["type"] == "lifespan.startup.failed":
            return answer.get("message") or "the application beside could not start"
        return None

    async def shutdown(self) -> None:
        if not self._task.done():
            await self._inbox.put({"type": "lifespan.shutdown"})
            await self._outbox.get()
        await self._task


def _blame(error: Exception) -> str:
    """Say why the server could not start: in a line if it is the installation's fault, else with the traceback."""
    if isinstance(error, FlocketError):
        log.error("the server could not start: %s", error)
    else:
        log.error("the server could not start", exc_info=error)
    return str(error)


async def _serve_lifespan(server: EngineApp, receive: Receive, send: Send) -> None:
    await receive()
    try:
        await server._begin(under_host=True)
    except Exception as error:
        await send({"type": "lifespan.startup.failed", "message": _blame(error)})
        return
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await server.close()
    await send({"type": "lifespan.shutdown.complete"})


async def _not_found(kind: str, send: Send) -> None:
    if kind == "websocket":
        await send({"type": "websocket.close", "code": 1000})
        return
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"9")]
    await send({"type": "http.response.start", "status": 404, "headers": headers})
    await send({"type": "http.response.body", "body": b"Not found"})
