"""Bind the sockets that workers inherit.

Knows addresses and socket options; does not know who will accept.
"""

from __future__ import annotations

import errno
import socket
from contextlib import ExitStack
from typing import Any

from flocket.cluster.address_hash import attach
from flocket.errors import ConfigError

__all__ = ["AddressPorts", "Ports", "bind", "url_of"]

_Address = tuple[Any, ...]  # (host, port), and two more numbers with IPv6

BACKLOG = 2_048  # connections that the kernel keeps while a worker is replaced; it may allow fewer


def bind(host: str, port: int) -> list[socket.socket]:
    """Listen at every address that `host` stands for, on one port; `port` 0: a free one."""
    listening: list[socket.socket] = []
    with ExitStack() as stack:
        for family, address in _addresses(host, port):
            if listening and port == 0:
                address = (address[0], listening[0].getsockname()[1], *address[2:])
            sock = stack.enter_context(_socket(family))
            _bind(sock, address, host, listen=True)
            listening.append(sock)
        stack.pop_all()
    return listening


def bind_member(host: str, port: int, members: list[list[socket.socket]]) -> None:
    """Add one more worker's sockets to the groups that the kernel spreads by address (address_hash.py)."""
    mine: list[socket.socket] = []
    with ExitStack() as stack:
        for index, (family, address) in enumerate(_addresses(host, port)):
            if members:
                address = members[0][index].getsockname()
            else:
                if mine and port == 0:
                    address = (address[0], mine[0].getsockname()[1], *address[2:])
                # A group takes in any socket of ours: first see that no other program has the port.
                with _socket(family) as probe:
                    _bind(probe, address, host)
                    address = probe.getsockname()
            sock = stack.enter_context(_socket(family))
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            _bind(sock, address, host, listen=True)
            mine.append(sock)
        stack.pop_all()
    members.append(mine)
    spread(members)


def spread(members: list[list[socket.socket]]) -> None:
    """Spread the addresses over these, which are the first of their group."""
    for sock in members[0]:
        attach(sock, len(members))


class Ports:
    """The listening sockets of a service for as long as it lives: every worker shares all of them."""

    def __init__(self, host: str, port: int, *, by_passing: bool = False) -> None:
        self.listening = bind(host, port)
        self.slots = 0  # above 0: workers hash addresses among so many, and pass connections on
        self._by_passing = by_passing

    def of(self, worker: int) -> list[socket.socket]:
        """What this worker inherits."""
        return self.listening

    def scale(self, workers: int) -> None:
        """Be ready for so many workers."""
        if self._by_passing:
            self.slots = workers

    def close(self) -> None:
        for sock in self.listening:
            sock.close()


class AddressPorts(Ports):
    """One group of sockets, a member for each worker, over which the kernel spreads addresses."""

    def __init__(self, host: str, port: int) -> None:
        self.slots = 0
        self._host, self._port = host, port
        self._members: list[list[socket.socket]] = []
        self.scale(1)

    @property
    def listening(self) -> list[socket.socket]:  # type: ignore[override]  # read only here
        return self._members[0]

    def of(self, worker: int) -> list[socket.socket]:
        return self._members[worker]

    def scale(self, workers: int) -> None:
        while len(self._members) < workers:
            bind_member(self._host, self._port, self._members)
        spread(self._members[:workers])  # those of workers that were scaled away stay, and get nothing

    def close(self) -> None:
        for member in self._members:
            for sock in member:
                sock.close()


def url_of(sock: socket.socket, *, secure: bool = False) -> str:
    """Where a browser finds it."""
    host, port = sock.getsockname()[:2]
    if host in ("0.0.0.0", "::"):
        host = "localhost"
    return f"{'https' if secure else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"


def _addresses(host: str, port: int) -> list[tuple[socket.AddressFamily, _Address]]:
    if not 0 <= port < 65_536:  # the system would take what is left of it
        raise ConfigError(f"port={port!r}: a number from 1 to 65535, or 0 for a free one")
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError) as error:
        raise ConfigError(f"cannot listen at {host!r}: there is no such address") from error
    return list(dict.fromkeys((family, address) for family, _, _, _, address in found))


def _socket(family: socket.AddressFamily) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        # "::" is for both versions, as in Node; another address of it is that one only.
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    return sock


def _bind(sock: socket.socket, address: _Address, host: str, *, listen: bool = False) -> None:
    try:
        sock.bind(address)
        if listen:
            sock.listen(BACKLOG)
    except OSError as error:
        port = address[1]
        if error.errno == errno.EADDRINUSE:
            text = f"port {port} is in use: stop the program that listens there, or choose another port"
        elif error.errno == errno.EACCES:
            text = f"port {port} is not for this user: choose one above 1023"
        else:
            text = f"cannot listen at {host}:{port}: {error.strerror}"
        raise ConfigError(text) from error
