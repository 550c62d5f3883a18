"""Whose turn it is among the events of one client: they start in order, overlap up to a limit, and wait within bounds.

Knows what runs and what waits; does not know packets, or how a handler is called.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flocket.codec.socketio import Packet
    from flocket.sockets.socket import Socket

__all__ = ["Turns"]


class Turns:
    """One socket's handlers in order: which run, which events wait. None starts before `connection` has returned."""

    __slots__ = (
        "_held", "_limit", "_running", "_server", "_socket", "_waiting", "_waiting_bytes", "beginning", "idle", "ready",
    )  # fmt: skip

    def __init__(self, socket: Socket[Any], limit: int) -> None:
        self._socket: Socket[Any] | None = socket  # until it is closed: nothing is dispatched from then on
        self._server = socket.nsp.server
        self._limit = limit
        self._running = 0
        self._held = False  # an event is before an async guard: those behind it may not overtake it
        self._waiting: deque[tuple[Packet, int]] | None = None
        self._waiting_bytes = 0
        self.beginning = 0  # tasks that were made and have not begun
        self.ready = False
        self.idle = False  # the next event may start at once: the hot path asks no more than this

    def wait(self, packet: Packet, size: int, events: int, size_bound: int) -> bool:
        """Let an event wait for its turn. False: too many wait already, or too much."""
        if self._waiting is None:
            self._waiting = deque()
        self._waiting_bytes += size
        if len(self._waiting) >= events or self._waiting_bytes > size_bound:
            return False
        self._waiting.append((packet, size))
        return True

    def open(self) -> None:
        """The `connection` handlers have returned."""
        self.ready = True
        self._pump()

    def start(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run the rest of an event's handlers as a task, which takes one of the places."""
        self._running += 1
        self.beginning += 1
        self.idle = self.idle and self._running < self._limit
        self._server._run_handler(coroutine, self._ended)

    def hold(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """As `start`, and no other event starts until `release`."""
        self._held = True
        self.idle = False
        self.start(coroutine)

    def release(self) -> None:
        self._held = False

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._server._handler_ended(task)
        self._running -= 1
        self._pump()

    def _pump(self) -> None:
        socket = self._socket
        while self._waiting and socket is not None and self._running < self._limit and self.ready and not self._held:
            packet, size = self._waiting.popleft()
            self._waiting_bytes -= size
            socket._dispatch(packet)
        self.idle = self.ready and self._running < self._limit and not self._waiting and not self._held

    def drop_waiting(self) -> None:
        """The client is gone: events that have not started never do. Those that run go on."""
        self._waiting = None
        self._waiting_bytes = 0
        self._socket = None  # or they would hold each other until the garbage collector comes
