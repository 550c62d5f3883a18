"""The connection that hears: subscriptions that outlive it, and what is published on them.

All that was subscribed is subscribed again on a new connection before that counts as open. Does not know
what is said.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections import deque
from collections.abc import Callable
from typing import Any

from flocket.adapters.buses.reconnecting import Reconnecting
from flocket.adapters.buses.redis_endpoint import Endpoint
from flocket.adapters.buses.resp import OnPush, ReplyError, RespConnection
from flocket.errors import AdapterError

__all__ = ["Ear", "Hear", "Kind"]

log = logging.getLogger("flocket")

Hear = Callable[[str, bytes], None]  # channel, data
Kind = bytes  # b"subscribe", b"psubscribe" or b"ssubscribe"
_UNDO = {b"subscribe": b"unsubscribe", b"psubscribe": b"punsubscribe", b"ssubscribe": b"sunsubscribe"}
_DO = {undo: do for do, undo in _UNDO.items()}
_CONFIRM_TIME = 5.0  # seconds until all subscriptions must be confirmed on a new connection


class Ear(Reconnecting):
    """`listen` and `forget` take effect in order. `on_refused` is told of a subscription that Redis refuses."""

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(endpoint, "the receiving connection")
        self.on_refused: Callable[[Kind, bytes, str], None] | None = None
        self.on_taken: Callable[[bytes], None] | None = None  # a shard's channel that moved away
        self.on_open: list[Callable[[], None]] = []  # told when all is subscribed on a new connection
        self.on_closed: list[Callable[[], None]] = []  # told before that, and when it is lost
        self._hearers: dict[tuple[Kind, bytes], Hear] = {}
        self._exact: dict[bytes, Hear] = {}
        self._patterns: dict[bytes, Hear] = {}
        self._shards: dict[bytes, Hear] = {}
        self._confirmed_now: set[tuple[Kind, bytes]] = set()
        self._asked: deque[tuple[Kind, bytes]] = deque()  # commands that are not confirmed yet, in order
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._writer: RespConnection | None = None
        self._name = ""  # of the connection, at Redis
        self._id = 0  # likewise

    # -- subscriptions ------------------------------------------------------------------------------------

    def listen(self, kind: Kind, name: bytes, hear: Hear) -> None:
        """Hear what is published on a channel (or a pattern's channels), now or once there is a connection."""
        self._hearers[kind, name] = hear
        self._table(kind)[name] = hear
        self._command(kind, name)

    def forget(self, kind: Kind, name: bytes) -> None:
        """Hear it no more."""
        if self._hearers.pop((kind, name), None) is not None:
            self._table(kind).pop(name, None)
            self._command(_UNDO[kind], name)

    def confirmed(self, kind: Kind, name: bytes) -> bool:
        """Whether Redis has said that it is subscribed, and has not taken it back."""
        return (kind, name) in self._confirmed_now

    async def settled(self) -> None:
        """Return once every subscription so far is confirmed. Raises AdapterError if that takes too long."""
        try:
            async with asyncio.timeout(_CONFIRM_TIME):
                await self._quiet.wait()
        except TimeoutError:
            raise AdapterError(f"Redis at {self.endpoint.shown} does not confirm subscriptions") from None

    def _table(self, kind: Kind) -> dict[bytes, Hear]:
        if kind == b"subscribe":
            return self._exact
        return self._patterns if kind == b"psubscribe" else self._shards

    def _command(self, verb: bytes, name: bytes) -> None:
        if self._writer is None:
            return  # the next connection begins with all that is subscribed then
        self._asked.append((verb, name))
        self._quiet.clear()
        self._writer.write_push_command(verb, name)

    # -- the life of a connection -------------------------------------------------------------------------

    def push(self) -> OnPush:
        return self._pushed

    async def opened(self, connection: RespConnection) -> None:
        self.closed()
        await self._end_ghost(connection)
        self._writer = connection
        connection.on_lost = lambda reason: self.closed()
        connection.expects_push = lambda: bool(self._asked)
        for kind, name in list(self._hearers):
            self._command(kind, name)
        await self.settled()

    async def _end_ghost(self, connection: RespConnection) -> None:
        """End the connection before this one, if Redis still believes in it.

        When packets vanish, Redis does so for minutes, and counts its subscriptions as a node's that answers nothing.
        """
        try:
            if self._id:
                # The name tells: another server, or the same in another life, has given the number to somebody else.
                found: bytes = await connection.ask("CLIENT", "LIST", "ID", self._id)
                if f" name={self._name} ".encode() in found:
                    await connection.ask("CLIENT", "KILL", "ID", self._id)
            self._name = f"flocket-{os.urandom(8).hex()}"
            await connection.ask("CLIENT", "SETNAME", self._name)
            self._id = await connection.ask("CLIENT", "ID")
        except ReplyError as error:
            log.debug("Redis at %s: %s", self.endpoint.shown, error)  # an old one, or one that gives no such right

    def closed(self) -> None:
        self._writer = None
        self._confirmed_now.clear()
        self._asked.clear()
        self._quiet.set()
        for told in self.on_closed:
            told()

    def is_open(self) -> None:
        for told in self.on_open:
            told()

    # -- what Redis says ----------------------------------------------------------------------------------

    def _pushed(self, said: list[Any]) -> None:
        kind = said[0]
        if kind == b"pmessage":
            hear = self._patterns.get(said[1])
            channel, data = said[2], said[3]
        elif kind == b"message":
            channel, data = said[1], said[2]
            hear = self._exact.get(channel)
        elif kind == b"smessage":
            channel, data = said[1], said[2]
            hear = self._shards.get(channel)
        else:
            self._confirmed(kind, said[1])
            return
        if hear is None:
            return
        try:
            hear(channel.decode("utf-8", "surrogatepass"), data)
        except UnicodeDecodeError:
            return  # nobody joined a room of that name
        except Exception:
            # A listener must never die silently, whatever a message did to it.
            log.exception("a message on %.80r could not be handled", channel)

    def _confirmed(self, kind: bytes, what: Any) -> None:
        asked = self._asked
        if kind == b"error":
            if asked:
                verb, name = asked.popleft()
                self._refused(verb, name, str(what))
        elif asked and asked[0] == (kind, what):
            asked.popleft()
            if kind in _UNDO:
                self._confirmed_now.add((kind, what))
            else:
                self._confirmed_now.discard((_DO[kind], what))
        elif kind == b"sunsubscribe":
            self._confirmed_now.discard((b"ssubscribe", what))
            if self.on_taken is not None:
                self.on_taken(what)  # unasked: the channel's slot has moved to another server
        if not asked:
            self._quiet.set()

    def _refused(self, verb: bytes, name: bytes, why: str) -> None:
        if self.on_refused is not None:
            self.on_refused(verb, name, why)
        else:
            log.error("Redis at %s refuses %s %.80r: %s", self.endpoint.shown, verb.decode(), name, why)
