"""One process that serves: uvicorn's Server with our faces, and an end that suits long polls and WebSockets.

uvicorn waits for a pending poll for ever and raises the signal again, so its Server is subclassed. It is imported only
here, and this only when something is served. Knows servers of ours by what they offer.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from types import FrameType
from typing import Any

import uvicorn
from uvicorn.config import STARTUP_FAILURE

from flocket.cluster.adopt import Adopter
from flocket.cluster.listen import Listener
from flocket.cluster.place import Sticky
from flocket.cluster.runtime import Inherited
from flocket.errors import NotRunning
from flocket.options import Limits
from flocket.serving.app import LAST_PLACES, EngineApp
from flocket.serving.asgi_types import ASGIApp
from flocket.serving.beside import Beside
from flocket.serving.health import Health
from flocket.serving.membership import Membership, membership_of
from flocket.serving.routes import routes_of
from flocket.serving.seam import check_seam

__all__ = ["Serving"]

log = logging.getLogger("flocket")

KEEP_ALIVE = 75  # seconds; more than nginx's upstream keeps a connection (60): it, not we, is to close first
PATIENCE = 1.0  # seconds until whoever waits for a server to end is told what it waits for
AT_LEAST = 1.0  # seconds that other applications' answers have, however short the drain


class Serving:
    """An application with the options of its run."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        drain: float,
        sticky: Sticky = "session",
        certfile: str | None = None,
        keyfile: str | None = None,
    ) -> None:
        self._members = [app for app in routes_of(app).servers() if isinstance(app, EngineApp)]
        for member in self._members:
            member._hosted = True
        self._sticky: Sticky = sticky
        self._drain = drain
        self._config = uvicorn.Config(
            Health(app, self._members),
            http=_http_protocol(),
            ws="websockets-sansio",
            lifespan="auto",  # an application that has none is served all the same
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # `trusted_proxies` is our own; another application beside reads its own headers
            timeout_keep_alive=KEEP_ALIVE,
            ssl_certfile=certfile,
            ssl_keyfile=keyfile,
        )

    def run(self, listening: list[socket.socket]) -> None:
        """As the only process of this port, until a signal."""
        self._run(self._host(listening))

    def run_worker(self, given: Inherited) -> None:
        """As one of a supervisor's workers."""
        self._run(self._host(given.listening, given))

    async def serve_here(self, listening: list[socket.socket]) -> None:
        """Within the caller's loop, without its signals, until cancelled. Raises NotRunning if a lifespan fails."""
        await self._host(listening).serve_here()

    def _host(self, listening: list[socket.socket], given: Inherited | None = None) -> _Host:
        return _Host(self._config, self._members, listening, given, self._sticky, self._drain)

    def _run(self, host: _Host) -> None:
        # Modules and handlers stay as long as the process: the garbage collector need not walk them again, which
        # halves its longest pause (while 1,000 clients connect: 62 to 104 ms before, 17 to 65 after).
        gc.collect()
        gc.freeze()
        try:
            with suppress(asyncio.CancelledError), asyncio.Runner(loop_factory=_loop_factory()) as runner:
                runner.run(host.serve())
        except _NotStarted:
            sys.exit(STARTUP_FAILURE)


class _NotStarted(NotRunning):
    """A lifespan failed, and has said so: no SystemExit, as the loop may be the caller's own."""


class _Host(uvicorn.Server):
    """Ends within a moment of a signal, with status 0."""

    def __init__(
        self,
        config: uvicorn.Config,
        members: Sequence[EngineApp],
        listening: list[socket.socket],
        given: Inherited | None,
        sticky: Sticky,
        drain: float,
    ) -> None:
        super().__init__(config)
        self._members = members
        self._listening = listening
        self._given = given
        self._sticky: Sticky = sticky
        self._drain = drain
        self._membership: Membership | None = None
        self._adopter: Adopter | None = None
        self._listener: Listener | None = None  # where there are no siblings
        self._serving: asyncio.Task[Any] | None = None
        self._forced = asyncio.Event()

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        self._serving = asyncio.current_task()
        await super().serve(sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        alone = self._given is None and all(member._cluster is None for member in self._members)
        membership = None if alone else membership_of(self._members, self._given)
        self._membership = membership
        if membership is not None:
            await membership.join()
        with self._one_voice():
            await self.lifespan.startup()
        if self.lifespan.should_exit:
            if membership is not None:
                await membership.aclose()
            raise _NotStarted("the server could not start; the log says why")
        self.servers = []
        routes = routes_of(self.config.app)
        first = routes.first  # whose limits hold while a request's path is not known
        limits = first.options.limits if first is not None else Limits()
        self._adopter = Adopter(self._make_protocol, self.config.ssl, handshake_time=limits.header_time)
        if membership is None:
            # Not by the loop's own server: uvloop's accepts and drops while descriptors are out.
            self._listener = Listener(self._listening, self._adopter.adopt)
        else:
            membership.worker.accept(
                self._listening,
                self._adopter,
                lambda: sum(member._engine.clients_count for member in self._members),
                sticky=self._sticky,
                is_ours=lambda path: routes.find(path) is not None,
                readable=self.config.ssl is None,
                limits=limits,
                counters=first.counters if first is not None else None,
            )
        self.started = True

    def _make_protocol(self) -> asyncio.Protocol:
        made: asyncio.Protocol = self.config.http_protocol_class(  # type: ignore[call-arg]  # as uvicorn calls it
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return made

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # Not remembered, as uvicorn would raise it again at the end: an orderly stop is no failure.
        if self._serving is None:
            return
        loop = self._serving.get_loop()
        if not self.started:
            loop.call_soon_threadsafe(self._serving.cancel)  # a start that hangs must not need a kill
        elif self.should_exit and sig == signal.SIGINT:
            self.force_exit = True
            loop.call_soon_threadsafe(self._forced.set)
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + self._drain
        if self._membership is not None:
            await self._membership.drain()
        for member in self._members:
            member._engine.draining = True
        # Before the connections are asked to end: a poll that waits is answered by its session's end.
        await self._unless_forced(self._come_to_rest(end))
        await self._accept_no_more()
        self.config.timeout_graceful_shutdown = max(AT_LEAST, end - loop.time())  # type: ignore[assignment]
        with self._one_voice():
            await super().shutdown(self._listening)
        for member in self._members:
            await member.close()  # for those that have no lifespan; and where it was forced
        if self._adopter is not None:
            await self._adopter.aclose()
        if self._membership is not None:
            await self._membership.aclose()

    def _one_voice(self) -> AbstractContextManager[None]:
        """While a lifespan's step is taken: lifespan.py tells a failure, where it serves; else uvicorn does."""
        app = self.config.app.app if isinstance(self.config.app, Health) else None
        return _quiet() if isinstance(app, EngineApp | Beside) else nullcontext()

    async def _come_to_rest(self, end: float) -> None:
        loop = asyncio.get_running_loop()
        told = end - self._drain / 2  # the latest: a busy server always has some handler running
        # Until then connections are accepted: who polls comes on new ones, also for the answer of a handler that runs,
        # and whoever asks `/readyz` is told no.
        await asyncio.gather(*(member._idle_within(told - loop.time()) for member in self._members))
        await self._accept_no_more()
        rests = [member._rest_within(end - loop.time(), told - loop.time()) for member in self._members]
        for result in await asyncio.gather(*rests, return_exceptions=True):
            if isinstance(result, Exception):
                log.error("a server did not come to rest", exc_info=result)

    async def _accept_no_more(self) -> None:
        if self._listener is not None:
            self._listener.close()
        if self._membership is not None:
            await self._membership.leave(LAST_PLACES)

    async def _unless_forced(self, rest: Coroutine[Any, Any, None]) -> None:
        forced = asyncio.ensure_future(self._forced.wait())
        resting = asyncio.ensure_future(rest)
        await asyncio.wait((resting, forced), timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
        if not (resting.done() or forced.done()):
            log.info("handlers still run; they have up to %g s (a second Ctrl-C waits for nobody)", self._drain)
            await asyncio.wait((resting, forced), return_when=asyncio.FIRST_COMPLETED)
        for task in (forced, resting):
            task.cancel()
        await asyncio.gather(forced, resting, return_exceptions=True)

    async def serve_here(self) -> None:
        serving = asyncio.ensure_future(self._serve())
        try:
            await asyncio.shield(serving)
        except asyncio.CancelledError:
            self.should_exit = True
            await serving
            raise


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep uvicorn from repeating what lifespan.py has said of a failure."""
    uvicorns = logging.getLogger("uvicorn.error")
    uvicorns.addFilter(_not_of_lifespan)
    try:
        yield
    finally:
        uvicorns.removeFilter(_not_of_lifespan)


def _not_of_lifespan(record: logging.LogRecord) -> bool:
    return record.module != "on"  # uvicorn/lifespan/on.py


def _http_protocol() -> Any:
    """The fast face; the portable one, with a warning, where uvicorn is not what we know."""
    reason = check_seam()
    if reason is not None:
        log.warning("serving by the portable face, which is slower: %s", reason)
        return "auto"
    from flocket.serving.fast import HttpProtocol  # which fails where the seam does not hold

    return HttpProtocol


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None  # a platform without it; asyncio's own loop serves
    return uvloop.new_event_loop
