"""Server, as users know it: options checked, an ASGI application, `run`. What it serves is the sockets floor's.

Knows how to begin and end; does not know packets.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Never

from flocket.cluster.number import worker_number
from flocket.errors import ConfigError
from flocket.options import (
    HOUR,
    AllowRequest,
    Cookie,
    CorsOrigins,
    Limits,
    Recovery,
    check_seconds,
    check_switches,
    engine_options_among,
    refuse_unknown,
)
from flocket.serving.app import EngineApp
from flocket.serving.client_files import ClientFiles
from flocket.serving.engine_events import EngineEvents
from flocket.serving.runtime import AsyncioRuntime
from flocket.sockets.contracts import Parser
from flocket.sockets.generics import T
from flocket.sockets.server import Server as SocketsServer
from flocket.sockets.server import ServerOptions

if TYPE_CHECKING:
    from flocket.adapters.bus import NodeIdentity
    from flocket.adapters.buses.lanes import Lane
    from flocket.serving.asgi_types import ASGIApp
    from flocket.serving.membership import Reach

__all__ = ["Server"]

Lifespan = Callable[["Server[Any]"], AbstractAsyncContextManager[Any]]


class Server(EngineApp, SocketsServer[T]):
    """A Socket.IO server, which is also an ASGI application. Where Node has the option, the default is Node's, except
    for two: pages of other hosts do not come in, and a child namespace that nobody is in any more is given up.

    Times are seconds, sizes are bytes. Raises ConfigError for an option that cannot be.
    """

    def __init__(
        self,
        *,
        path: str = "/socket.io",
        transports: Sequence[str] = ("polling", "websocket"),
        allow_upgrades: bool = True,
        allow_eio3: bool = False,
        jsonp: bool = True,
        ping_interval: float = 25.0,
        ping_timeout: float = 20.0,
        connect_timeout: float = 45.0,
        upgrade_timeout: float = 10.0,
        ack_timeout: float = 10.0,
        max_payload: int = 1_000_000,
        http_compression: bool = True,
        compression_threshold: int = 1_024,
        per_message_deflate: bool = False,
        cookie: Cookie | Mapping[str, Any] | bool | str | None = None,
        serve_client: bool | str | Path = True,
        cors_origins: CorsOrigins = None,
        cors_credentials: bool = False,
        trusted_proxies: Sequence[str] = ("127.0.0.1", "::1"),
        allow_request: AllowRequest | None = None,
        initial_packet: str | bytes | None = None,
        parser: str | Parser = "json",
        data: Callable[[], T] | None = None,
        lifespan: Lifespan | None = None,
        cluster: str | None = None,
        recovery: Recovery | None = None,
        cleanup_empty_child_namespaces: bool = True,
        limits: Limits | None = None,
        **unknown: Never,
    ) -> None:
        given = locals()  # all of the above, by their names
        refuse_unknown(unknown, Server.__init__)
        engine = engine_options_among(given)
        check_seconds({"connect_timeout": connect_timeout}, most=HOUR)
        check_seconds({"ack_timeout": ack_timeout})  # the answer may be a person's
        check_switches({"cleanup_empty_child_namespaces": cleanup_empty_child_namespaces})
        if data is not None and not callable(data):
            raise ConfigError(f"data={data!r:.80}: a class or a function that makes each socket's data")
        if lifespan is not None and not callable(lifespan):
            raise ConfigError(f"lifespan={lifespan!r:.80}: a function (server) -> async context manager")
        if cluster is not None and (not isinstance(cluster, str) or not cluster):
            raise ConfigError(f"cluster={cluster!r:.80}: a name that the nodes share")
        if recovery is not None and not isinstance(recovery, Recovery):
            raise ConfigError(f"recovery={recovery!r:.80}: Recovery(...), or None")
        options = ServerOptions(
            engine=engine,
            connect_timeout=connect_timeout,
            ack_timeout=ack_timeout,
            cleanup_empty_child_namespaces=cleanup_empty_child_namespaces,
            parser=parser,
            data=dict if data is None else data,
            recovery=recovery,
        )
        self._runtime: AsyncioRuntime
        SocketsServer.__init__(self, options, AsyncioRuntime())
        self._path = engine.path
        self._own = engine.path + "/"
        self._files = ClientFiles(serve_client)
        self._cluster = cluster
        self._user_lifespan = lifespan
        self._lifespan_context: AbstractAsyncContextManager[Any] | None = None
        self.engine = EngineEvents(self._engine)
        self._front = self._engine
        self._far: Reach | None = None
        self._worker = worker_number()

    @property
    def worker(self) -> int:
        """Which worker of this machine this is: 0 to N-1."""
        return self._worker

    def adapter(self, factory: Any) -> None:
        """Join other nodes: by a URL (`redis://...`), an adapter made with options, or one of your own.

        Before the server starts. Raises ConfigError for what is none of these.
        """
        if isinstance(factory, str):
            from flocket.adapters.urls import adapter_from_url

            factory = adapter_from_url(factory)
        super().adapter(factory)

    # -- life -----------------------------------------------------------------------------------------------

    def _join_siblings(self, lane: Lane, node: NodeIdentity) -> None:
        if not self._adapter_chosen:
            from flocket.adapters.cluster import ClusterAdapter

            self._use_adapter(ClusterAdapter(lane, node=node))
            return
        join = getattr(self._adapter, "join_siblings", None)  # an adapter that has something to say to them
        if join is not None:
            join(lane, node)

    async def _start(self) -> None:
        await SocketsServer._start(self)
        lines = getattr(self._adapter, "lines", None)
        if lines is not None:
            from flocket.serving.membership import Reach

            self._far = Reach(self, lines)
            await self._far.start()
        if self._user_lifespan is not None:
            context = self._user_lifespan(self)
            if not hasattr(context, "__aenter__"):
                if inspect.iscoroutine(context):
                    context.close()
                raise ConfigError(
                    f"lifespan={self._user_lifespan!r:.80}: it gave no async context manager;"
                    " is @contextlib.asynccontextmanager missing?"
                )
            await context.__aenter__()
            self._lifespan_context = context  # only what was entered is left

    async def _come_to_rest(self, seconds: float, telling: float, caller: asyncio.Task[Any] | None) -> None:
        if self._far is not None:
            self._far.leave()
        await super()._come_to_rest(seconds, telling, caller)

    def _end_sessions(self) -> None:
        SocketsServer._end_sessions(self)

    def _working(self) -> set[asyncio.Task[Any]]:
        return self._handlers | EngineApp._working(self)

    def _renew(self) -> None:
        """Let a server that was closed start again, in another loop: for flocket.testing."""
        if self._ended:
            self._reopen()
            self._ended, self._begun, self._resting, self._lifespan_context = False, None, None, None

    async def _stop(self) -> None:
        far, self._far = self._far, None
        if far is not None:
            far.close()
        await self._end_tasks()
        try:
            if self._lifespan_context is not None:
                await self._lifespan_context.__aexit__(None, None, None)
        finally:
            await SocketsServer._stop(self)

    def run(
        self,
        host: str = "127.0.0.1",
        port: int = 3000,
        *,
        workers: int = 1,
        sticky: Literal["session", "address", "none"] = "session",
        app: ASGIApp | None = None,
        drain: float = 10.0,
        reload: bool = False,
        ssl_certfile: str | None = None,
        ssl_keyfile: str | None = None,
    ) -> None:
        """Serve until SIGINT or SIGTERM. `app` is an ASGI application that gets every other path.

        `drain` is how long, in seconds, handlers that run may take to end. Raises ConfigError if the port is in use.
        """
        from flocket.serving.lifecycle import run_app

        run_app(
            self if app is None else self.asgi(app),
            host,
            port,
            workers=workers,
            sticky=sticky,
            drain=drain,
            reload=reload,
            ssl_certfile=ssl_certfile,
            ssl_keyfile=ssl_keyfile,
        )

    async def serve(self, host: str = "127.0.0.1", port: int = 3000, app: ASGIApp | None = None) -> None:
        """Serve within the running loop, in this process, until cancelled.

        Raises ConfigError if the port is in use, NotRunning if a lifespan fails (the log says how).
        """
        from flocket.serving.lifecycle import serve_app

        await serve_app(self if app is None else self.asgi(app), host, port)

    # -- what operators ask -----------------------------------------------------------------------------------

    def stats(self) -> dict[str, int]:
        """This worker's counters, and what there is now."""
        counts = self.counters.snapshot()
        counts["sessions_now"] = self._engine.clients_count
        counts["sockets_now"] = sum(len(nsp.sockets) for nsp in self._namespaces.values())
        counts["rooms_now"] = sum(len(nsp.rooms) for nsp in self._namespaces.values())
        counts["namespaces_now"] = len(self._namespaces)
        of_adapter = self._asked("stats")
        if of_adapter is not None:
            counts |= {f"adapter_{name}": value for name, value in of_adapter().items()}
        if self._far is not None:
            counts |= self._far.stats()
        return counts

    def health(self) -> dict[str, Any]:
        """Whether this worker serves: "starting", "ok", "draining" or "closed"; and what its adapter says."""
        told = {**super().health(), "worker": self.worker}
        adapter = self._asked("health")
        if adapter is not None:
            told["adapter"] = adapter()
        return told

    def _asked(self, name: str) -> Callable[[], Any] | None:
        # What joins the nodes, for all namespaces; of a class that does so for each, the first one's.
        joins = self._root.adapter if isinstance(self._adapter, type) else self._adapter
        return getattr(joins, name, None)
