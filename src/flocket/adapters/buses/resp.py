"""One connection to a Redis server, in RESP2: commands and their replies in order, and what is pushed besides.

Read by hiredis straight from the transport: 0.8 us a message where redis-py's loop takes 4.6
(bench/redis_reader.py). Does not reconnect, and does not know what the commands do.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import deque
from collections.abc import Callable
from typing import Any, cast

from flocket.errors import AdapterError

__all__ = ["OnError", "OnPush", "ReplyError", "RespConnection"]

OnPush = Callable[[list[Any]], None]  # [kind, ...] of a subscription
_NOTHING: Any = object()
_DEAD_TIME = 10_000  # milliseconds that written bytes may wait for the peer's TCP before it is taken for dead
_KEEPALIVE = (("TCP_KEEPIDLE", 5), ("TCP_KEEPINTVL", 2), ("TCP_KEEPCNT", 2))  # dead after 9 s of silence


OnError = Callable[["ReplyError"], None]


class ReplyError(Exception):
    """Redis refused a command; the text is its own."""


class RespConnection(asyncio.Protocol):
    """Made by `open_connection` of redis_endpoint.py. `on_lost` is called once, when it is over.

    With `on_push`, subscriptions may be made: what is published goes there, and so do confirmations.
    """

    def __init__(self, on_push: OnPush | None = None) -> None:
        import hiredis

        self._reader = hiredis.Reader(notEnoughData=_NOTHING, replyError=ReplyError)
        self._pack: Callable[[Any], bytes] = hiredis.pack_command
        self._replies: deque[asyncio.Future[Any] | OnError | None] = deque()
        self._on_push = on_push
        self._transport: asyncio.Transport | None = None
        self.on_lost: Callable[[str], None] | None = None
        self.on_writable: Callable[[], None] | None = None
        self.expects_push: Callable[[], bool] | None = None  # whether a refusal is a subscription's
        self.heard = 0.0  # when the server last said something, in the loop's time
        self.errors: deque[str] = deque(maxlen=8)  # to commands whose reply nobody wanted
        self._loop = asyncio.get_running_loop()

    # -- commands -----------------------------------------------------------------------------------------

    def send(self, *words: bytes | str | int, on_error: OnError | None = None) -> None:
        """Write a command, and drop its reply, but for a refusal."""
        assert self._transport is not None
        self._replies.append(on_error)
        self._transport.write(self._pack(words))

    def ask(self, *words: bytes | str | int) -> asyncio.Future[Any]:
        """Write a command. The future has its reply; a refusal is a ReplyError, a lost connection an
        AdapterError.

        A future that is cancelled still takes its own reply, so that nobody else gets it.
        """
        future: asyncio.Future[Any] = self._loop.create_future()
        if self._transport is None or self._transport.is_closing():
            future.set_exception(AdapterError("the connection to Redis is lost"))
            return future
        self._replies.append(future)
        self._transport.write(self._pack(words))
        return future

    def write_push_command(self, *words: bytes | str) -> None:
        """Write a command that is confirmed by a push (SUBSCRIBE and its like), or refused with an error."""
        assert self._transport is not None
        self._transport.write(self._pack(words))

    @property
    def unanswered(self) -> int:
        """How many commands wait for their reply."""
        return len(self._replies)

    @property
    def waiting(self) -> int:
        """Bytes that have not left this process."""
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    @property
    def open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def close(self) -> None:
        """End it, once what was written has left."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """End it now."""
        if self._transport is not None:
            self._transport.abort()

    # -- what asyncio calls -------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass of it
        self.heard = self._loop.time()
        raw = transport.get_extra_info("socket")
        if raw is not None and raw.family in (socket.AF_INET, socket.AF_INET6):
            _notice_death(raw)

    def data_received(self, data: bytes) -> None:
        self.heard = self._loop.time()
        reader = self._reader
        reader.feed(data)
        gets = reader.gets
        push = self._on_push
        try:
            while (reply := gets()) is not _NOTHING:
                if push is not None and type(reply) is list and reply[0] != b"pong":
                    push(reply)
                else:
                    self._answer(reply)
        except _protocol_error() as error:
            self._fail(f"not the Redis protocol: {error}")

    def _answer(self, reply: Any) -> None:
        if self.expects_push is not None and isinstance(reply, ReplyError) and self.expects_push():
            assert self._on_push is not None
            self._on_push([b"error", reply])
            return
        if not self._replies:
            self._fail(f"a reply that nothing asked for: {reply!r:.80}")
            return
        future = self._replies.popleft()
        if not isinstance(future, asyncio.Future):
            if isinstance(reply, ReplyError):
                self.errors.append(str(reply))
                if future is not None:
                    future(reply)
        elif not future.done():
            if isinstance(reply, ReplyError):
                future.set_exception(reply)
            else:
                future.set_result(reply)

    def _fail(self, why: str) -> None:
        self.errors.append(why)
        self.abort()

    def pause_writing(self) -> None:
        """What is written waits; `waiting` tells how much."""

    def resume_writing(self) -> None:
        if self.on_writable is not None:
            self.on_writable()

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        reason = str(error or (self.errors[-1] if self.errors else "closed by the server"))
        replies, self._replies = self._replies, deque()
        for future in replies:
            if isinstance(future, asyncio.Future) and not future.done():
                future.set_exception(AdapterError(f"the connection to Redis is lost: {reason}"))
                future.exception()  # whoever waits gets it; whoever does not needs no warning
        if self.on_lost is not None:
            self.on_lost(reason)


def _notice_death(raw: socket.socket) -> None:
    # A peer that vanished without FIN would otherwise be believed for a quarter of an hour.
    with contextlib.suppress(OSError):
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, seconds in _KEEPALIVE:
            if hasattr(socket, name):
                raw.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), seconds)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _DEAD_TIME)


def _protocol_error() -> type[Exception]:
    import hiredis

    error: type[Exception] = hiredis.ProtocolError
    return error
