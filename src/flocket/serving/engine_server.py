"""EngineServer: Engine.IO alone, as npm's engine.io. Sessions and messages, no namespaces.

Knows the engine and the user's listeners; does not know Socket.IO.
"""

from __future__ import annotations

import inspect
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Never, TypeVar, overload

from flocket.engine.engine import Engine
from flocket.engine.request import Request
from flocket.engine.session import Session as EngineSession
from flocket.engine.sid import make_sid, make_tag
from flocket.errors import ConfigError
from flocket.options import AllowRequest, Cookie, CorsOrigins, Limits, engine_options_among, refuse_unknown
from flocket.serving.app import EngineApp
from flocket.serving.client_files import ClientFiles
from flocket.serving.engine_events import ENGINE_EVENTS, EngineEvents
from flocket.serving.runtime import AsyncioRuntime

if TYPE_CHECKING:
    from flocket.serving.asgi_types import ASGIApp

__all__ = ["EngineServer", "Session"]

log = logging.getLogger("flocket")

F = TypeVar("F", bound=Callable[..., Any])

SESSION_EVENTS = ("connection", "message", "close")


class Session:
    """One client of an EngineServer."""

    __slots__ = ("_session", "data")

    def __init__(self, session: EngineSession) -> None:
        self._session = session
        self.data: Any = None  # yours

    @property
    def id(self) -> str:
        return self._session.id

    @property
    def request(self) -> Request:
        """The request that opened it."""
        return self._session.request

    @property
    def transport(self) -> str:
        """`polling` or `websocket`: what carries it now."""
        return self._session.transport_name

    def send(self, data: str | bytes) -> None:
        """Send a message: text as str, binary as bytes. What is sent to a session that has ended is dropped."""
        self._session.send_message(data)

    def close(self) -> None:
        """Send what waits, then end the session."""
        self._session.close()

    def __repr__(self) -> str:
        return f"<Session {self.id} {self.transport}>"


class EngineServer(EngineApp):
    """An Engine.IO server, which is also an ASGI application. Options as Server's; raises ConfigError likewise."""

    def __init__(
        self,
        *,
        path: str = "/engine.io",
        transports: Sequence[str] = ("polling", "websocket"),
        allow_upgrades: bool = True,
        allow_eio3: bool = False,
        jsonp: bool = True,
        ping_interval: float = 25.0,
        ping_timeout: float = 20.0,
        upgrade_timeout: float = 10.0,
        max_payload: int = 1_000_000,
        http_compression: bool = True,
        compression_threshold: int = 1_024,
        per_message_deflate: bool = False,
        cookie: Cookie | Mapping[str, Any] | bool | str | None = None,
        cors_origins: CorsOrigins = None,
        cors_credentials: bool = False,
        trusted_proxies: Sequence[str] = ("127.0.0.1", "::1"),
        allow_request: AllowRequest | None = None,
        initial_packet: str | bytes | None = None,
        limits: Limits | None = None,
        **unknown: Never,
    ) -> None:
        given = locals()  # all of the above, by their names
        refuse_unknown(unknown, EngineServer.__init__)
        options = engine_options_among(given)
        self._runtime = AsyncioRuntime()
        self._tag = ""  # made when it starts, after any fork
        self._engine = Engine(
            options, self._runtime, self._on_session, lambda: make_sid(self._tag, os.urandom)
        )
        self._front = self._engine
        self._events = EngineEvents(self._engine)
        self._files = ClientFiles(False)
        self._path = options.path
        self._own = options.path + "/"
        self._listeners: dict[str, list[Callable[..., Any]]] = {event: [] for event in SESSION_EVENTS}

    @property
    def clients_count(self) -> int:
        return self._engine.clients_count

    @overload
    def on(self, event: str, listener: None = None) -> Callable[[F], F]: ...

    @overload
    def on(self, event: str, listener: F) -> F: ...

    def on(self, event: str, listener: F | None = None) -> F | Callable[[F], F]:
        """`connection` (session), `message` (session, data), `close` (session, reason); and the engine's own events.

        Listeners are plain functions or coroutine functions, which run as tasks.
        """
        if event in ENGINE_EVENTS:
            return self._events.on(event) if listener is None else self._events.on(event, listener)
        if event not in SESSION_EVENTS:
            raise ConfigError(f"{event!r}: one of {', '.join(SESSION_EVENTS + ENGINE_EVENTS)}")

        def register(function: F) -> F:
            self._listeners[event].append(function)
            return function

        return register if listener is None else register(listener)

    def run(
        self, host: str = "127.0.0.1", port: int = 3000, *, app: ASGIApp | None = None, **options: Any
    ) -> None:
        """Serve until SIGINT or SIGTERM; the options of `Server.run`."""
        from flocket.serving.lifecycle import run_app

        run_app(self if app is None else self.asgi(app), host, port, **options)

    async def serve(self, host: str = "127.0.0.1", port: int = 3000, app: ASGIApp | None = None) -> None:
        """Serve within the running loop, in this process, until cancelled.

        Raises ConfigError if the port is in use, NotRunning if a lifespan fails (the log says how).
        """
        from flocket.serving.lifecycle import serve_app

        await serve_app(self if app is None else self.asgi(app), host, port)

    async def _start(self) -> None:
        self._tag = self._tag or make_tag(os.urandom)

    async def _stop(self) -> None:
        pass

    def _on_session(self, session: EngineSession) -> _Listener:
        listener = _Listener(self, Session(session))
        session.handler = listener  # before the user may close it
        self._tell("connection", listener.session)
        return listener

    def _tell(self, event: str, *args: Any) -> None:
        for function in self._listeners[event]:
            try:
                result = function(*args)
                if inspect.isawaitable(result):
                    self._runtime.spawn(_awaited(result))
            except Exception:
                log.exception("the listener of %r failed", event)


async def _awaited(value: Any) -> None:
    await value


class _Listener:
    """The handler of one session: passes on to the user's listeners."""

    __slots__ = ("_server", "session")

    def __init__(self, server: EngineServer, session: Session) -> None:
        self._server = server
        self.session = session

    def on_message(self, data: str | bytes) -> None:
        self._server._tell("message", self.session, data)

    def on_drain(self) -> None:
        pass

    def on_close(self, reason: str, description: str) -> None:
        self._server._tell("close", self.session, reason)
