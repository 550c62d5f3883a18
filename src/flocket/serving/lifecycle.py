"""Serving an ASGI application from start to exit: the port, one process or a supervisor and its workers.

Knows the options of a run; hosting.py knows how a process serves, cluster/ how many are one.
"""

from __future__ import annotations

import logging
import os
import socket
import ssl
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import get_args

from flocket.cluster.address_hash import in_kernel
from flocket.cluster.place import Sticky
from flocket.cluster.ports import AddressPorts, Ports, bind, url_of
from flocket.cluster.runtime import inherited
from flocket.cluster.supervisor import Supervisor, own_command
from flocket.cluster.watch import Sources
from flocket.errors import ConfigError
from flocket.options import is_above_zero
from flocket.serving.asgi_types import ASGIApp
from flocket.serving.hosting import Serving
from flocket.serving.speaking import show_log

__all__ = ["run_app", "serve_app"]

log = logging.getLogger("flocket")

OnListening = Callable[[Sequence[str]], None]


def run_app(
    app: ASGIApp,
    host: str = "127.0.0.1",
    port: int = 3000,
    *,
    workers: int = 1,
    sticky: Sticky = "session",
    drain: float = 10.0,
    reload: bool = False,
    ssl_certfile: str | None = None,
    ssl_keyfile: str | None = None,
    on_listening: OnListening | None = None,
) -> None:
    """Serve any ASGI application until SIGINT or SIGTERM; Servers of ours within it get the fast face.

    `on_listening` is told the addresses, as URLs, in place of the log: once, whatever the number of workers.
    """
    _check_address(host, port)
    _check(workers, sticky, drain, ssl_certfile, ssl_keyfile)
    show_log()
    given = inherited()
    announce = _announcing(on_listening or _log_addresses, secure=ssl_certfile is not None)
    if given is None and (workers > 1 or reload):
        _supervise(host, port, workers, sticky, drain, reload, announce)
        return
    serving = Serving(app, drain=drain, sticky=sticky, certfile=ssl_certfile, keyfile=ssl_keyfile)
    if given is not None:
        serving.run_worker(given)
        return
    listening = bind(host, port)
    announce(listening)
    serving.run(listening)


async def serve_app(app: ASGIApp, host: str, port: int) -> None:
    """Serve within the running loop until cancelled; signals stay the caller's. NotRunning if it cannot start."""
    _check_address(host, port)
    listening = bind(host, port)
    _announcing(_log_addresses, secure=False)(listening)
    try:
        await Serving(app, drain=1.0).serve_here(listening)
    finally:
        for sock in listening:
            sock.close()  # also where it did not come to that


def _supervise(
    host: str,
    port: int,
    workers: int,
    sticky: Sticky,
    drain: float,
    reload: bool,
    announce: Callable[[Sequence[socket.socket]], None],
) -> None:
    """Start this very command `workers` times, and watch them until a signal ends it all."""
    if sticky == "address" and in_kernel():
        ports: Ports = AddressPorts(host, port)
    else:
        ports = Ports(host, port, by_passing=sticky == "address")
    announce(ports.listening)
    changed = Sources(os.getcwd()).changed if reload else None
    status = Supervisor(own_command(), workers, ports, drain=drain, changed=changed).run()
    if status:
        raise SystemExit(status)


def _announcing(tell: OnListening, *, secure: bool) -> Callable[[Sequence[socket.socket]], None]:
    return lambda listening: tell([url_of(sock, secure=secure) for sock in listening])


def _log_addresses(urls: Sequence[str]) -> None:
    for url in urls:
        log.info("listening on %s", url)


def _check(workers: int, sticky: str, drain: float, certfile: str | None, keyfile: str | None) -> None:
    if isinstance(workers, bool) or not isinstance(workers, int) or workers < 1:
        raise ConfigError(f"workers={workers!r}: a whole number, at least 1")
    if sticky not in get_args(Sticky):
        raise ConfigError(f'sticky={sticky!r}: "session", "address" or "none"')
    if drain != 0 and not is_above_zero(drain):
        raise ConfigError(f"drain={drain!r:.80}: seconds, at least 0")
    for name, file in (("ssl_certfile", certfile), ("ssl_keyfile", keyfile)):
        if file is not None and not Path(file).is_file():
            raise ConfigError(f"{name}={file!r}: no such file")
    if certfile is not None:
        _check_certificate(certfile, keyfile)
    elif keyfile is not None:
        raise ConfigError("ssl_keyfile needs ssl_certfile")


def _check_address(host: str, port: int) -> None:
    if not isinstance(host, str):
        raise ConfigError(f"host={host!r}: an address, as \"127.0.0.1\"; the port comes behind it, or as port=")
    # getaddrinfo wraps around: 70000 would be 4464.
    if isinstance(port, bool) or not isinstance(port, int) or not 0 <= port <= 65_535:
        raise ConfigError(f"port={port!r}: 1 to 65535, or 0 for one that is free")


def _check_certificate(certfile: str, keyfile: str | None) -> None:
    """Here, before there are workers: each of them would say it."""
    locked = False

    def password() -> str:
        nonlocal locked
        locked = True  # whoever serves asks for it
        return ""

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certfile, keyfile, password)
    except (ssl.SSLError, OSError) as error:
        if not locked:
            given = f"ssl_certfile={certfile!r}" + (f", ssl_keyfile={keyfile!r}" if keyfile else "")
            raise ConfigError(f"{given}: no certificate with its key, as PEM ({error})") from error
