"""An engine as an ASGI application: which paths are its own, and how its life begins and ends.

Server and EngineServer share it. Translates nothing (asgi.py does), and knows no sockets.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine
from contextlib import suppress
from threading import get_ident
from typing import TYPE_CHECKING, Any, Self, TypeVar

from flocket.engine.contracts import Exchange, Upgrade
from flocket.engine.engine import Engine
from flocket.errors import NotRunning
from flocket.observe import Counters
from flocket.options import EngineOptions
from flocket.serving.asgi import AsgiFace, request_of
from flocket.serving.asgi_types import ASGIApp, Receive, Scope, Send, raw_headers
from flocket.serving.client_files import ClientFiles
from flocket.serving.lifespan import LAST_CALLS, report, serve_lifespan
from flocket.serving.paths import below, left_of_mount
from flocket.serving.routes import EngineLike
from flocket.serving.runtime import AsyncioRuntime
from flocket.serving.signals import Overheard, is_hosted

if TYPE_CHECKING:
    from flocket.adapters.bus import NodeIdentity
    from flocket.adapters.buses.lanes import Lane
    from flocket.serving.beside import Beside
    from flocket.serving.membership import Membership

__all__ = ["LAST_PLACES", "EngineApp"]

R = TypeVar("R")

LAST_PLACES = 1.0  # seconds for connections and relayed requests that are between two workers when one ends


class EngineApp:
    """What serves an engine: faces ask it for the engine of a path, ASGI servers call it."""

    _engine: Engine
    _runtime: AsyncioRuntime
    _files: ClientFiles
    _path: str  # without a slash at its end
    _own: str  # with one, as nearly all requests name it
    _front: EngineLike  # the engine, or one that also has the sessions of the siblings
    _tag: str  # who owns a session; drawn when the server starts, or the worker's
    _cluster: str | None = None
    _hosted = False  # whether our own lifecycle serves it, and has met the siblings
    _siblings: Membership | None = None
    _overheard: Overheard | None = None
    _begun: asyncio.Task[None] | None = None
    _resting: asyncio.Task[None] | None = None
    _ended = False
    _drain = LAST_CALLS

    def _join_siblings(self, lane: Lane, node: NodeIdentity) -> None:
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
        """Release what `_start` took. Called with no session left."""
        raise NotImplementedError

    def _end_sessions(self) -> None:
        """Take no new sessions, and end all that there are. Handlers that run go on."""
        self._engine.close()

    def _working(self) -> set[asyncio.Task[Any]]:
        """The user's handlers that run."""
        return set(self._runtime.tasks)

    # -- life -----------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        # Perhaps in the lifespan of an application that a host serves: so a mounted server begins before its requests.
        await self._begin(under_host=is_hosted())
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

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
        try:
            if one_of_many:
                self._overheard = Overheard(self._runtime.loop, self._on_signal)
            if one_of_many or (self._cluster is not None and not self._hosted):
                from flocket.serving.membership import meet_siblings

                self._siblings = await meet_siblings(self)
            await self._start()
        except BaseException:
            self._begun = None  # whoever asks next may have more luck
            with suppress(Exception):  # the first failure says more
                await self._release()
            raise

    async def _release(self) -> None:
        try:
            await self._stop()
        finally:
            if self._siblings is not None:
                await self._siblings.aclose()
                self._siblings = None
            if self._overheard is not None:
                self._overheard.restore()
                self._overheard = None
            await asyncio.sleep(0)  # what was written last leaves in this turn
            self._runtime.release()

    def _on_signal(self) -> None:
        """A host that is not ours was asked to end: it may wait for what only we can end."""
        self._begin_rest(self._drain)

    async def _idle_within(self, seconds: float) -> None:
        """Return once no handler runs."""
        working = self._working()
        if working:
            await asyncio.wait(working, timeout=max(0.0, seconds))

    async def _rest_within(self, seconds: float, telling: float | None = None) -> None:
        """Come to rest, once: handlers that run may end and answer, clients are told, `disconnect` handlers end.

        Clients are told after `telling` seconds at the latest; else after half of the time.
        """
        await asyncio.shield(self._begin_rest(seconds, telling))

    def _begin_rest(self, seconds: float, telling: float | None = None) -> asyncio.Task[None]:
        if self._resting is None:
            told = seconds / 2 if telling is None else telling
            self._resting = self._runtime.create_task(self._come_to_rest(seconds, told, asyncio.current_task()))
        return self._resting

    async def _come_to_rest(self, seconds: float, telling: float, caller: asyncio.Task[Any] | None) -> None:
        self._engine.draining = True
        if self._siblings is not None:
            await self._siblings.leave(LAST_PLACES)
        now = self._runtime.now()
        # Not all of the time for what began before: a busy server always has some handler running.
        for until in (now + telling, now + seconds):
            others = self._working() - {caller}  # a handler may close the server
            if others:
                await asyncio.wait(others, timeout=max(0.0, until - self._runtime.now()))
            self._end_sessions()

    async def close(self) -> None:
        """End all sessions with "server shutting down", and release everything. A second call changes nothing."""
        begun, ended, self._ended = self._begun, self._ended, True
        if begun is None or ended:
            return
        if not begun.done():
            begun.cancel()
            await asyncio.wait([begun])  # it releases what it had
            return
        if self._resting is None:
            await self._rest_within(self._drain)
        elif not self._resting.done():
            self._resting.cancel()
            self._end_sessions()
        await self._release()

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
        if path != self._own:
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
            await serve_lifespan(self, scope, receive, send)
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
        raw = raw_headers([*headers, *self._engine.cors.headers(request)])
        if status == 200:
            raw.append((b"content-length", str(len(body)).encode()))
        await send({"type": "http.response.start", "status": status, "headers": raw})
        await send({"type": "http.response.body", "body": b"" if request.method == "HEAD" else body})

    def asgi(self, app: ASGIApp) -> Beside:
        """One ASGI application of both: ours on its path, `app` everywhere else, and both lifespans."""
        from flocket.serving.beside import Beside

        return Beside(self, app)


class _Starting:
    """An engine whose server has not started: the first request does that, and waits for it."""

    def __init__(self, app: EngineApp) -> None:
        self._app = app
        self.options: EngineOptions = app._engine.options
        self.counters: Counters = app._engine.counters
        self.draining = False

    def handle(self, exchange: Exchange) -> None:
        self._then(lambda: self._app._front.handle(exchange), lambda: exchange.respond(503, [], b"", close=True))

    def upgrade(self, upgrade: Upgrade) -> None:
        self._then(lambda: self._app._front.upgrade(upgrade), lambda: upgrade.refuse(503, [], b""))

    def _then(self, serve: Any, give_up: Any) -> None:
        async def start() -> None:
            try:
                await self._app._begin(under_host=True)
            except Exception as error:
                report("the server could not start", error)
                give_up()
            else:
                serve()

        task = asyncio.ensure_future(start())
        _starting.add(task)
        task.add_done_callback(_starting.discard)


_starting: set[asyncio.Future[None]] = set()


async def _not_found(kind: str, send: Send) -> None:
    if kind == "websocket":
        await send({"type": "websocket.close", "code": 1000})
        return
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"9")]
    await send({"type": "http.response.start", "status": 404, "headers": headers})
    await send({"type": "http.response.body", "body": b"Not found"})
