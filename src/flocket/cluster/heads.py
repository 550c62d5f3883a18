"""Wait until a connection's first request head is there, looking at it without taking it, within bounds.

Knows MSG_PEEK, time and number; does not know what is in a head (route.py judges it) nor where it leads.

A socket with an incomplete head stays readable: a reader would spin. So after a part has come we look again
by the clock, at growing distances: a slow head costs ten looks a second, however it is cut.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable

from flocket.cluster.route import Kind, Verdict
from flocket.observe import Counters
from flocket.options import Limits

__all__ = ["Heads"]

PEEKED = 32_768  # bytes that a kernel surely keeps for us, unread; a longer head, if allowed, is no matter of ours
UNROUTED = 1_000  # connections without a head; one more pushes out the oldest
LINGER = 1.0  # seconds to read an answer before the connection closes
_FIRST_LOOK, _LAST_LOOK = 0.005, 0.1

_ANSWERS = {
    408: b"Request Timeout\r\n",
    431: b"Request Header Fields Too Large\r\n",
    503: b"Service Unavailable\r\nRetry-After: 1\r\n",
}
_AND_CLOSE = b"Connection: close\r\nContent-Length: 0\r\n\r\n"


class _Waiting:
    __slots__ = ("deadline", "delay", "sock", "timer", "watched")

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self.sock = sock
        self.deadline = deadline
        self.delay = _FIRST_LOOK
        self.watched = False  # by the loop, for the first bytes
        self.timer: asyncio.TimerHandle | None = None  # for those after them


class Heads:
    """Connections without a verdict. `decided` is given each with its verdict, its request still unread."""

    def __init__(
        self,
        judge: Callable[[bytes], Verdict],
        decided: Callable[[socket.socket, Verdict], None],
        *,
        limits: Limits | None = None,
        counters: Counters | None = None,
        unrouted: int = UNROUTED,
    ) -> None:
        limits = limits or Limits()
        self._counters = counters or Counters()
        self._judge = judge
        self._decided = decided
        self._head_time = limits.header_time
        self._head_bytes = min(limits.header_bytes, PEEKED)
        self._unrouted = unrouted
        self._waiting: dict[socket.socket, _Waiting] = {}  # the oldest first: all have the same time
        self._lingering: dict[socket.socket, asyncio.TimerHandle] = {}
        self._sweeper: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, sock: socket.socket) -> None:
        """Take a connection that was just accepted."""
        waiting = _Waiting(sock, self._loop.time() + self._head_time)
        self._waiting[sock] = waiting
        self._look(waiting)  # mostly the request has come along
        if len(self._waiting) > self._unrouted:
            self._refuse(next(iter(self._waiting.values())), 408)
        if self._waiting and self._sweeper is None:
            self._sweeper = self._loop.call_later(self._head_time / 10, self._sweep)

    def refuse(self, sock: socket.socket, status: int) -> None:
        """Answer a connection whose request nobody will read, and close it."""
        if status != 503:  # which is no fault of the client's
            self._counters.http_errors += 1
        with contextlib.suppress(OSError):
            sock.recv(65_536)  # unread bytes make close() send RST, which may erase the answer
        try:
            sock.send(b"HTTP/1.1 %d " % status + _ANSWERS[status] + _AND_CLOSE)
            sock.shutdown(socket.SHUT_WR)
        except OSError:
            sock.close()
            return
        if len(self._lingering) >= self._unrouted:
            self._end(next(iter(self._lingering)))
        self._lingering[sock] = self._loop.call_later(LINGER, self._end, sock)

    def close(self) -> None:
        """Refuse all that wait."""
        for waiting in list(self._waiting.values()):
            self._refuse(waiting, 503)
        for sock in list(self._lingering):
            self._end(sock)
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None

    def _look(self, waiting: _Waiting) -> None:
        try:
            head = waiting.sock.recv(self._head_bytes, socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            if not waiting.watched:
                waiting.watched = True
                self._loop.add_reader(waiting.sock, self._look, waiting)
            return
        except OSError:
            head = b""
        if not head:
            self._forget(waiting)
            waiting.sock.close()
            return
        verdict = self._judge(head)
        if verdict.kind is Kind.INCOMPLETE and len(head) == PEEKED:
            verdict = Verdict(Kind.OTHER)  # whoever serves it reads on, within the same time and number
        if verdict.kind is Kind.INCOMPLETE:
            self._unwatch(waiting)
            waiting.timer = self._loop.call_later(waiting.delay, self._look, waiting)
            waiting.delay = min(2 * waiting.delay, _LAST_LOOK)
        elif verdict.kind is Kind.TOO_LARGE:
            self._refuse(waiting, 431)
        else:
            self._forget(waiting)
            self._decided(waiting.sock, verdict)

    def _forget(self, waiting: _Waiting) -> None:
        del self._waiting[waiting.sock]
        self._unwatch(waiting)
        if waiting.timer is not None:
            waiting.timer.cancel()

    def _unwatch(self, waiting: _Waiting) -> None:
        if waiting.watched:
            waiting.watched = False
            self._loop.remove_reader(waiting.sock)

    def _refuse(self, waiting: _Waiting, status: int) -> None:
        self._forget(waiting)
        self.refuse(waiting.sock, status)

    def _end(self, sock: socket.socket) -> None:
        self._lingering.pop(sock).cancel()
        sock.close()

    def _sweep(self) -> None:
        self._sweeper = None
        now = self._loop.time()
        for waiting in list(self._waiting.values()):
            if waiting.deadline > now:
                break
            self._refuse(waiting, 408)
        if self._waiting:
            self._sweeper = self._loop.call_later(self._head_time / 10, self._sweep)
