"""Reads Redis streams from where it was: each entry once and in order, over broken connections and new masters.

Starts behind what the streams hold when it is opened. Does not know what the entries say.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from flocket.adapters.buses.reconnecting import Reconnecting
from flocket.adapters.buses.redis_endpoint import Endpoint
from flocket.adapters.buses.resp import ReplyError, RespConnection
from flocket.errors import AdapterError

__all__ = ["Entry", "Reader", "StreamId", "parse_id"]

log = logging.getLogger("flocket")

StreamId = tuple[int, int]  # milliseconds, and a number within them
Entry = Callable[[bytes, StreamId, dict[bytes, bytes]], None]  # stream, id, fields
BLOCK_TIME = 2_000  # milliseconds; shorter than Reconnecting's idle time, or a blocked read would look like death
_PAUSE = 0.5  # seconds, after a refusal


def parse_id(text: bytes) -> StreamId:
    """An entry's id as numbers, which can be compared."""
    milliseconds, _, number = text.partition(b"-")
    return int(milliseconds), int(number)


class Reader(Reconnecting):
    """`position` is the id up to which each stream has been read. `gaps` counts losses: a stream that was trimmed
    past the position while there was no connection, or that begins anew.
    """

    def __init__(self, endpoint: Endpoint, streams: list[bytes], on_entry: Entry, count: int = 100) -> None:
        super().__init__(endpoint, "the connection that reads streams")
        self.position: dict[bytes, StreamId] = {}
        self.gaps = 0
        self.on_refused: Callable[[str], None] | None = None
        self._streams = streams
        self._on_entry = on_entry
        self._count = count
        self._reading: asyncio.Task[None] | None = None

    async def opened(self, connection: RespConnection) -> None:
        for stream in self._streams:
            try:
                await self._find_place(connection, stream)
            except ReplyError as error:
                self._refused(error)
                raise AdapterError(f"Redis at {self.endpoint.shown}: {error}") from None

    async def _find_place(self, connection: RespConnection, stream: bytes) -> None:
        last, first = await _ends(connection, stream)
        position = self.position.get(stream)
        if position is None:
            self.position[stream] = last
        elif last < position:
            # The log was lost (or a replica took over that lacks its end): what is new has smaller ids.
            log.warning("Redis at %s: the stream %.80r has lost its end", self.endpoint.shown, stream)
            self.gaps += 1
            self.position[stream] = last
        elif first is not None and first > position:
            log.warning("Redis at %s: the stream %.80r was trimmed too soon", self.endpoint.shown, stream)
            self.gaps += 1

    def is_open(self) -> None:
        assert self.connection is not None
        self._reading = asyncio.get_running_loop().create_task(self._read(self.connection))

    def closed(self) -> None:
        if self._reading is not None:
            self._reading.cancel()

    async def aclose(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        if self.connection is not None:
            self.connection.abort()  # it is in the middle of a blocking read
        await super().aclose()

    async def _read(self, connection: RespConnection) -> None:
        while connection.open:
            places = [b"%d-%d" % self.position[stream] for stream in self._streams]
            head: list[bytes | str | int] = ["XREAD", "COUNT", self._count, "BLOCK", BLOCK_TIME, "STREAMS"]
            try:
                answer = await connection.ask(*head, *self._streams, *places)
            except ReplyError as error:
                self._refused(error)
                await asyncio.sleep(_PAUSE)
                connection.abort()
                return
            except AdapterError:
                return
            for stream, entries in answer or ():
                for name, fields in entries:
                    self._take(stream, parse_id(name), fields)

    def _take(self, stream: bytes, place: StreamId, fields: list[bytes] | None) -> None:
        self.position[stream] = place
        if fields is None:
            return
        try:
            self._on_entry(stream, place, dict(zip(fields[::2], fields[1::2], strict=False)))
        except Exception:
            # The reader must not die silently, whatever an entry did to it.
            log.exception("an entry of %.80r could not be handled", stream)

    def _refused(self, error: ReplyError) -> None:
        log.warning("Redis at %s: %s", self.endpoint.shown, error)
        if self.on_refused is not None:
            self.on_refused(str(error))


async def _ends(connection: RespConnection, stream: bytes) -> tuple[StreamId, StreamId | None]:
    """The id that was given out last, and that of the first entry that is still there."""
    try:
        info = await connection.ask("XINFO", "STREAM", stream)
    except ReplyError as error:
        if "no such key" in str(error):
            return (0, 0), None
        raise
    facts = dict(zip(info[::2], info[1::2], strict=False))
    first = facts.get(b"first-entry")
    return parse_id(facts[b"last-generated-id"]), parse_id(first[0]) if first else None
