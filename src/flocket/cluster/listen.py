"""Accept connections from listening sockets that other workers share, and stop while descriptors are out.

Knows listening sockets and the process's limit of descriptors; does not know what becomes of a connection.

Plain accept() on a shared socket, as a uvloop server that meets EMFILE accepts and closes, which would rob
the siblings of connections that they could serve; and as a stopped worker holds up nobody here, while it
would keep its share of an SO_REUSEPORT group waiting.
"""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import socket
from collections.abc import Callable, Sequence

__all__ = ["Listener"]

BATCH = 8  # connections in one turn: what is left is for a sibling that has nothing to do
RESERVE = 32  # descriptors kept for everything else: files, siblings, connections that are passed to us
LOOK_AGAIN = 0.1  # seconds between two looks whether descriptors are free: next to no work
_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class Listener:
    """Gives each accepted connection, not blocking, to `arrive`."""

    def __init__(self, listening: Sequence[socket.socket], arrive: Callable[[socket.socket], None]) -> None:
        self.exhausted = 0  # how often descriptors were out
        self.accepted = 0
        self._listening = list(listening)
        self._arrive = arrive
        self._loop = asyncio.get_running_loop()
        self._open = True
        self._timer: asyncio.TimerHandle | None = None
        for sock in self._listening:
            sock.setblocking(False)
        self._watch()

    @property
    def accepting(self) -> bool:
        return self._open

    def close(self) -> None:
        """Accept no more; the sockets are closed here, and live on where others hold them."""
        if self._open:
            self._open = False
            self._unwatch()
            for sock in self._listening:
                sock.close()

    def _watch(self) -> None:
        self._timer = None
        for sock in self._listening:
            self._loop.add_reader(sock, self._accept, sock)

    def _unwatch(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for sock in self._listening:
            self._loop.remove_reader(sock)

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(BATCH):
            try:
                sock, _ = listening.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                if error.errno in _EXHAUSTED:
                    self._pause()
                    return
                continue  # this one has gone again while it waited
            sock.setblocking(False)
            self.accepted += 1
            # Numbers are given from the lowest: one this high means that all below it are in use.
            nearly = sock.fileno() >= _highest()
            self._arrive(sock)
            if nearly:
                self._pause()
                return
            if not self._open:
                return

    def _pause(self) -> None:
        if self._open and self._timer is None:
            self.exhausted += 1
            self._unwatch()
            self._timer = self._loop.call_later(LOOK_AGAIN, self._look_again)

    def _look_again(self) -> None:
        try:
            number = os.dup(self._listening[0].fileno())
            os.close(number)
            free = number < _highest()
        except OSError:
            free = False
        if free:
            self._watch()
        else:
            self._timer = self._loop.call_later(LOOK_AGAIN, self._look_again)


def _highest() -> int:
    """The first number of the reserve."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return limit - min(RESERVE, limit // 8)
