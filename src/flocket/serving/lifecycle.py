"""Serving an ASGI application from start to exit: port, loop, signals, drain, exit status.

uvicorn's defaults are wrong for long polls and WebSockets (it waits for them, and raises the signal again), so its
Server is subclassed here. Knows no protocol.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flocket.errors import ConfigError

if TYPE_CHECKING:
    from flocket.serving.asgi import ASGIApp

__all__ = ["open_port", "run_app", "serve_app"]

log = logging.getLogger("flocket")

BACKLOG = 2_048  # connections that wait to be accepted: asyncio's 100 refuses a crowd that reconnects
KEEP_ALIVE = (
    75  # seconds; more than nginx's upstream keeps a connection (60), so that it, not we, closes first
)


def run_app(
    app: ASGIApp,
    host: str = "127.0.0.1",
    port: int = 3000,
    *,
    workers: int = 1,
    sticky: str = "session",
    drain: float = 10.0,
    reload: bool = False,
    ssl_certfile: str | None = None,
    ssl_keyfile: str | None = None,
) -> None:
    """Serve any ASGI application until SIGINT or SIGTERM; Servers of ours within it get the fast face."""
    _check(workers, sticky, drain, ssl_certfile, ssl_keyfile)
    _show_log()
    listeners = open_port(host, port)
    host_server = _host(app, drain, ssl_certfile, ssl_keyfile)
    for listener in listeners:
        log.info("listening on %s", _url(listener, ssl_certfile is not None))
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(host_server.serve(sockets=listeners))


async def serve_app(app: ASGIApp, host: str, port: int) -> None:
    """Serve within the running loop until cancelled; signals stay the caller's."""
    listeners = open_port(host, port)
    host_server = _host(app, 1.0, None, None)
    for listener in listeners:
        log.info("listening on %s", _url(listener, False))
    await host_server.serve_here(listeners)


def open_port(host: str, port: int) -> list[socket.socket]:
    """Listen on every address of `host`. Raises ConfigError, in one line, when that cannot be."""
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise ConfigError(f"host {host!r}: {error.strerror}") from error
    listeners: list[socket.socket] = []
    for family, kind, protocol, _, address in dict.fromkeys(found):
        try:
            listener = socket.socket(family, kind, protocol)
        except OSError:
            continue  # no IPv6 here, say
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            if listeners and port == 0:  # one port for all addresses
                address = (address[0], listeners[0].getsockname()[1], *address[2:])
            listener.bind(address)
            listener.listen(BACKLOG)
        except OSError as error:
            listener.close()
            for other in listeners:
                other.close()
            raise ConfigError(_port_trouble(error, host, port)) from error
        listener.setblocking(False)
        listeners.append(listener)
    return listeners


def _port_trouble(error: OSError, host: str, port: int) -> str:
    import errno

    if error.errno == errno.EADDRINUSE:
        return f"port {port} of {host} is in use: stop what listens there, or choose another with --port or port="
    if error.errno == errno.EACCES:
        return f"port {port} of {host} may not be opened by this user: ports below 1024 are root's"
    return f"port {port} of {host}: {error.strerror}"


def _check(workers: int, sticky: str, drain: float, certfile: str | None, keyfile: str | None) -> None:
    if isinstance(workers, bool) or not isinstance(workers, int) or workers < 1:
        raise ConfigError(f"workers={workers!r}: a whole number, at least 1")
    if sticky not in ("session", "address", "none"):
        raise ConfigError(f'sticky={sticky!r}: "session", "address" or "none"')
    if not drain >= 0:
        raise ConfigError(f"drain={drain!r}: seconds, at least 0")
    for name, file in (("ssl_certfile", certfile), ("ssl_keyfile", keyfile)):
        if file is not None and not Path(file).is_file():
            raise ConfigError(f"{name}={file!r}: no such file")
    if keyfile is not None and certfile is None:
        raise ConfigError("ssl_keyfile needs ssl_certfile")


def _host(app: ASGIApp, drain: float, certfile: str | None, keyfile: str | None) -> Any:
    import uvicorn

    from flocket.serving.hosting import Host

    config = uvicorn.Config(
        app,
        http=_http_protocol(),
        ws="websockets-sansio",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # `trusted_proxies` is our own; another application beside reads its own headers
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=max(1, round(drain)),
        ssl_certfile=certfile,
        ssl_keyfile=keyfile,
    )
    return Host(config)


def _http_protocol() -> Any:
    """The fast face; the portable one, with a warning, where this picows is not what we know."""
    from flocket.serving.fast import HttpProtocol, check_seam

    reason = check_seam()
    if reason is None:
        return HttpProtocol
    log.warning("serving by the portable face, which is slower: %s", reason)
    return "httptools"


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None  # a platform without it; asyncio's own loop serves
    return uvloop.new_event_loop


def _show_log() -> None:
    """Let a program that set up no logging see what we say."""
    if not log.handlers and not logging.getLogger().handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        log.addHandler(handler)
        log.setLevel(logging.INFO)


def _url(listener: socket.socket, tls: bool) -> str:
    address, port = listener.getsockname()[:2]
    return f"{'https' if tls else 'http'}://{f'[{address}]' if ':' in address else address}:{port}"
