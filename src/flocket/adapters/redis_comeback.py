"""Clients that come back, over a stream and a key for each: what is kept of a socket, and what it missed.

All that it missed, in order and once, or nothing. Node's nodes read what we keep, and we what they do.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Protocol

from flocket.adapters import messages as m
from flocket.adapters.buses.redis import RedisBus
from flocket.adapters.buses.redis_reader import StreamId, parse_id
from flocket.adapters.buses.resp import ReplyError
from flocket.adapters.stream_log import id_of, place_of
from flocket.adapters.translate import target_of
from flocket.adapters.wire.streams import Streams, decode_session, encode_session, is_offset
from flocket.codec.errors import DecodeError
from flocket.codec.socketio import Packet, PacketType
from flocket.errors import AdapterError, EncodeError
from flocket.sockets.parsers import Encoded
from flocket.sockets.recovery import Restored, Saved

if TYPE_CHECKING:
    from flocket.sockets.namespace import Namespace

__all__ = ["History", "restore", "save"]

log = logging.getLogger("flocket")

_PAGE = 1_000  # entries of one XRANGE
_PATIENCE = 3.0  # seconds until this node must have read what the client has had from another
_ASK_TIME = 3.0  # seconds for an answer of Redis
_LARGEST = (1 << 64) - 1  # of either half of an entry's id


class History(Protocol):
    """A namespace's log as this node reads it."""

    stream: str
    wire: Streams

    @property
    def position(self) -> StreamId:
        """The entry up to which it has been read and delivered here."""

    def recent(self, after: StreamId) -> list[tuple[StreamId, dict[str, str]]] | None:
        """The entries behind `after` that have been read, from memory; None if it does not reach so far."""


def save(prefix: str, saved: Saved, window: float) -> tuple[bytes | str | int, ...] | None:
    """The command that keeps a socket for `window` seconds; None if its data cannot be sent."""
    places = {"since": id_of(saved.since), "last": id_of(saved.last), "left": id_of(saved.left)}
    try:
        text = encode_session(saved.sid, saved.pid, tuple(saved.rooms), saved.data, places)
    except EncodeError as error:
        log.warning("the socket %s cannot come back: its data cannot be sent: %s", saved.sid, error)
        return None
    return "SET", prefix + saved.pid, text, "PX", round(window * 1000)


async def restore(
    nsp: Namespace[Any], bus: RedisBus, prefix: str, history: History, pid: str, offset: str | None
) -> Restored | None:
    """The socket that had this pid, if it is still kept, and all that it missed behind `offset` is known."""
    if offset is not None and not is_offset(offset):
        return None
    try:
        saved = await _take(bus, prefix + pid)
        if saved is None or saved.pid != pid:
            return None
        start = await _start(bus, history, saved, offset)
        return None if start is None else await _missed(nsp, bus, history, saved, start)
    except (AdapterError, ReplyError, DecodeError, EncodeError, TimeoutError) as error:
        log.info("%s: a client cannot be recovered: %s", nsp.name, error)
        return None


async def _ask(bus: RedisBus, *words: bytes | str | int) -> Any:
    async with asyncio.timeout(_ASK_TIME):
        return await bus.ask(*words)


async def _take(bus: RedisBus, key: str) -> Saved | None:
    """A kept socket, for whoever comes first: of two nodes that read it, one deletes it."""
    async with asyncio.timeout(_ASK_TIME):
        found, deleted = await asyncio.gather(bus.ask("GET", key), bus.ask("DEL", key))
    if found is None or deleted != 1:
        return None
    sid, pid, rooms, data, places = decode_session(found.decode())
    since, last, left = (_place(places.get(name, "")) for name in ("since", "last", "left"))
    return Saved(sid, pid, frozenset(rooms), data, since, last, left)


def _place(text: Any) -> int:
    return place_of(parse_id(text.encode())) if isinstance(text, str) and is_offset(text) else 0


async def _start(bus: RedisBus, history: History, saved: Saved, offset: str | None) -> StreamId | None:
    """The entry behind which everything was missed; None if that cannot be known."""
    if offset is None and not saved.since:
        return None  # Node's node kept it, which does not say when it connected
    place = saved.since if offset is None else _place(offset)
    if place < saved.since:
        return None
    if offset is not None and place != saved.last and not await _ask(bus, "XRANGE", history.stream, offset, offset):
        return None  # nobody was ever given it
    if saved.left and place >= saved.last:
        place = max(place, saved.left)  # it had all that was sent: what others got meanwhile is no gap
    start = parse_id(id_of(place).encode())
    info = await _ask(bus, "XINFO", "STREAM", history.stream)
    facts = dict(zip(info[::2], info[1::2], strict=False))
    if start > parse_id(facts[b"last-generated-id"]) or max(start) > _LARGEST:
        return None
    if not _whole_behind(start, facts):
        return None
    return start


def _whole_behind(start: StreamId, facts: dict[bytes, Any]) -> bool:
    """Whether the stream still has all entries behind `start`."""
    deleted, added = facts.get(b"max-deleted-entry-id"), facts.get(b"entries-added")  # told since Redis 7
    if deleted is not None and parse_id(deleted) > start:
        return False
    first = facts.get(b"first-entry")
    return added == facts[b"length"] or (first is not None and parse_id(first[0]) <= start)


async def _missed(
    nsp: Namespace[Any], bus: RedisBus, history: History, saved: Saved, start: StreamId
) -> Restored | None:
    loop = asyncio.get_running_loop()
    end = loop.time() + _PATIENCE
    while history.position < start:  # else what the client has had would come again when it is read here
        if loop.time() > end:
            return None
        await asyncio.sleep(0.005)
    missed: list[Encoded] = []
    last = 0
    while True:
        # Up to what was read and delivered here, and no further: the rest comes by itself. What is read while this
        # waits for Redis is in memory, so that nothing falls between the two.
        upto = history.position
        async for entry, said in _between(bus, history.stream, start, upto):
            if _add(nsp, history.wire, saved, entry, said, missed):
                last = place_of(entry)
        recent = history.recent(upto)
        if recent is not None:
            for entry, said in recent:
                if _add(nsp, history.wire, saved, entry, said, missed):
                    last = place_of(entry)
            return Restored(saved, missed, last)
        if loop.time() > end:
            return None
        start = upto


async def _between(bus: RedisBus, stream: str, after: StreamId, upto: StreamId) -> Any:
    while after < upto:
        first, last = b"%d-%d" % _next(after), b"%d-%d" % upto
        entries = await _ask(bus, "XRANGE", stream, first, last, "COUNT", _PAGE)
        for name, fields in entries:
            after = parse_id(name)
            pairs = zip(fields[::2], fields[1::2], strict=False)
            yield after, {key.decode("utf-8", "replace"): value.decode("utf-8", "replace") for key, value in pairs}
        if len(entries) < _PAGE:
            return


def _next(entry: StreamId) -> StreamId:
    milliseconds, number = entry
    return (milliseconds, number + 1) if number < _LARGEST else (milliseconds + 1, 0)


def _add(
    nsp: Namespace[Any], wire: Streams, saved: Saved, entry: StreamId, said: dict[str, str], missed: list[Encoded]
) -> bool:
    """Take an entry that it missed; whether it is one."""
    if said.get("nsp") != nsp.name or said.get("type") != "3":
        return False
    try:
        message = wire.decode_entry(said)
    except DecodeError:
        return False  # ignored when it came, too
    if not isinstance(message, m.Broadcast):
        return False
    target = target_of(message.opts)
    if target.volatile or not saved.rooms.isdisjoint(target.except_rooms):
        return False
    if target.rooms is not None and saved.rooms.isdisjoint(target.rooms):
        return False
    packet = Packet(PacketType.EVENT, nsp.name, message.data)
    encoded = nsp._parser.encode(packet, target.compress)
    missed.append(nsp._parser.with_offset(packet, encoded, id_of(place_of(entry))))
    return True
