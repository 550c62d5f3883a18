"""Emitting from outside: a Celery task, cron, a Django or Flask view; to flocket's nodes and to Node's.

Says what is published, and publishes it. Needs no server, imports none, and works when no node is up.
"""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from flocket.adapters import messages as m
from flocket.adapters.buses.redis_address import RedisAddress
from flocket.adapters.buses.redis_senders import AsyncSender, Command, Sender
from flocket.adapters.wire.redis_classic import RedisClassic
from flocket.adapters.wire.sharded import Sharded, SubscriptionMode
from flocket.adapters.wire.streams import Streams
from flocket.codec.socketio import RESERVED_EVENTS
from flocket.errors import EncodeError

__all__ = ["AsyncEmitter", "Command", "Emitter"]

Result = TypeVar("Result")  # what emitting gives: None, or what must be awaited


@dataclass(frozen=True, slots=True)
class _Target:
    """Whom the next emission is for; `rooms` is None for everybody, and empty for nobody."""

    nsp: str = "/"
    rooms: tuple[str, ...] | None = None
    except_: tuple[str, ...] = ()
    volatile: bool = False
    compress: bool | None = None

    def options(self) -> m.Options:
        flags: dict[str, Any] = {"volatile": True} if self.volatile else {}
        if self.compress is not None:
            flags["compress"] = self.compress
        return m.Options(self.rooms or (), self.except_, flags)


@dataclass(frozen=True, slots=True)
class _Settings:
    address: RedisAddress
    key: str
    stream_name: str
    stream_count: int
    max_len: int
    subscription_mode: SubscriptionMode

    def commands(self, message: m.Message) -> list[Command]:
        """The Redis commands that say `message`."""
        if self.address.dialect == "streams":
            streams = Streams(message.nsp, m.EMITTER, name=self.stream_name, count=self.stream_count)
            fields = [part for pair in streams.encode_entry(message).items() for part in pair]
            return [("XADD", streams.stream, "MAXLEN", "~", self.max_len, "*", *fields)]
        if self.address.dialect == "sharded":
            sharded = Sharded(message.nsp, m.EMITTER, self.key, mode=self.subscription_mode)
            return [("SPUBLISH", *_as_bytes(sharded.encode(message)))]
        return [("PUBLISH", *_as_bytes(RedisClassic(message.nsp, m.EMITTER, self.key).encode(message)))]


def _as_bytes(said: tuple[str, bytes]) -> tuple[bytes, bytes]:
    return said[0].encode("utf-8", "surrogatepass"), said[1]


class _Emitter(Generic[Result]):
    """Whom to emit to, and what; each of `to`, `of`, ... gives a new emitter that shares the connection.

    `key` is the nodes' `key` or `channel_prefix`, and `stream_name`, `stream_count`, `max_len` and
    `subscription_mode` are those of their adapter. The URL's scheme says which adapter they have: `redis://`,
    `redis+sharded://` or `redis+streams://`. Nothing is connected before the first emission.
    """

    def __init__(
        self,
        url: str,
        *,
        key: str = "socket.io",
        stream_name: str = "socket.io",
        stream_count: int = 1,
        max_len: int = 10_000,
        subscription_mode: SubscriptionMode = "dynamic",
    ) -> None:
        address = RedisAddress.parse(url)
        self._settings = _Settings(address, key, stream_name, stream_count, max_len, subscription_mode)
        self._target = _Target()
        self._connection: Any = self._connect(address)

    def _connect(self, address: RedisAddress) -> Any:
        raise NotImplementedError

    def _send(self, commands: list[Command]) -> Result:
        raise NotImplementedError

    def _aimed(self, **changes: Any) -> Self:
        aimed = object.__new__(type(self))
        aimed._settings = self._settings
        aimed._connection = self._connection
        aimed._target = replace(self._target, **changes)
        return aimed

    def of(self, nsp: str) -> Self:
        """Emit in this namespace."""
        return self._aimed(nsp=nsp if nsp.startswith("/") else f"/{nsp}")

    def to(self, *rooms: str) -> Self:
        """Emit to these rooms too. With no room at all: to nobody."""
        return self._aimed(rooms=_merged(self._target.rooms or (), rooms))

    in_ = to

    def except_(self, *rooms: str) -> Self:
        """Leave out the clients in these rooms."""
        return self._aimed(except_=_merged(self._target.except_, rooms))

    @property
    def volatile(self) -> Self:
        """The event may be lost if a client is not ready to receive it."""
        return self._aimed(volatile=True)

    def compress(self, compress: bool) -> Self:
        """Whether the event may be compressed on its way to the clients."""
        return self._aimed(compress=compress)

    def plan(self, event: str, args: Sequence[Any]) -> list[Command]:
        """The Redis commands that `emit` sends. Raises EncodeError for a value that cannot be sent."""
        if _named(event) in RESERVED_EVENTS:
            raise EncodeError(f"{event!r} is a reserved event name")
        data, opts = [event, *args], self._target.options()
        return self._say(m.Broadcast(uid=m.EMITTER, nsp=self._target.nsp, data=data, opts=opts))

    def _say(self, message: m.Message) -> list[Command]:
        return [] if self._target.rooms == () else self._settings.commands(message)

    def emit(self, event: str, *args: Any) -> Result:
        """Emit to the clients; done when the broker has it.

        Raises AdapterError if it cannot be reached, EncodeError for a name or a value that cannot be sent.
        """
        return self._send(self.plan(event, args))

    def sockets_join(self, *rooms: str) -> Result:
        """Make the clients join these rooms."""
        joined, opts = _merged((), rooms), self._target.options()
        return self._send(self._say(m.Join(uid=m.EMITTER, nsp=self._target.nsp, opts=opts, rooms=joined)))

    def sockets_leave(self, *rooms: str) -> Result:
        """Make the clients leave these rooms."""
        left, opts = _merged((), rooms), self._target.options()
        return self._send(self._say(m.Leave(uid=m.EMITTER, nsp=self._target.nsp, opts=opts, rooms=left)))

    def disconnect_sockets(self, close: bool = False) -> Result:
        """Disconnect the clients; with `close`, their connections too."""
        nsp, opts = self._target.nsp, self._target.options()
        return self._send(self._say(m.DisconnectSockets(uid=m.EMITTER, nsp=nsp, opts=opts, close=close)))

    def server_side_emit(self, event: str, *args: Any) -> Result:
        """Emit to the nodes themselves, whichever rooms were named; no answer can be had."""
        message = m.ServerSideEmit(uid=m.EMITTER, nsp=self._target.nsp, data=[_named(event), *args])
        return self._send(self._settings.commands(message))


def _named(event: str) -> str:
    if not isinstance(event, str):
        raise EncodeError(f"an event's name is a string, not {event!r:.60}")
    return event


def _merged(rooms: tuple[str, ...], more: tuple[str, ...]) -> tuple[str, ...]:
    for room in more:
        if not isinstance(room, str):
            raise EncodeError(f"a room is a string, not {room!r:.60}: give several one by one, as to(*rooms)")
    return tuple(dict.fromkeys((*rooms, *more)))


class Emitter(_Emitter[None]):
    __doc__ = f"For plain code; safe in threads and after a fork. {_Emitter.__doc__}"

    def _connect(self, address: RedisAddress) -> Sender:
        return Sender(address)

    def _send(self, commands: list[Command]) -> None:
        return self._connection.send(commands)  # type: ignore[no-any-return]

    def close(self) -> None:
        """Close the connection; the next emission opens another."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncEmitter(_Emitter[Coroutine[Any, Any, None]]):
    __doc__ = f"For asyncio: what it sends must be awaited. {_Emitter.__doc__}"

    def _connect(self, address: RedisAddress) -> AsyncSender:
        return AsyncSender(address)

    def _send(self, commands: list[Command]) -> Coroutine[Any, Any, None]:
        return self._connection.send(commands)  # type: ignore[no-any-return]

    async def aclose(self) -> None:
        """Close the connection; the next emission opens another."""
        await self._connection.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
