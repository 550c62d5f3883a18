"""Sessions whose clients come back to another node: found, taken over with all they missed, and nothing twice.

For buses that keep no log themselves: the node that had the client keeps its session and its rooms' events. Knows two
nodes' logs and questions; does not know the wire.

The new node first subscribes to the session's rooms and waits until every node knows. From then on it gets each event
itself; what was emitted before is in the old node's log. So it takes that, adds what it got meanwhile and the old node
had not yet, told apart by the events' names, and no event is missing, doubled or out of its emitter's order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from flocket.adapters import messages as m
from flocket.codec.frames import Frame
from flocket.codec.socketio import Packet, PacketType
from flocket.errors import AckTimeout, AdapterError
from flocket.sockets.parsers import Encoded
from flocket.sockets.recovery import Entry, Restored, Saved, SessionLog
from flocket.sockets.target import Target

if TYPE_CHECKING:
    from flocket.adapters.brain import ClusterNamespace

__all__ = ["Moving"]

Frames = tuple[tuple[bool, bytes], ...]


class Moving:
    """One namespace's. `interested` and `indifferent` begin and end to hear a room's events, whoever is in it here."""

    def __init__(
        self,
        adapter: ClusterNamespace,
        log: SessionLog,
        interested: Callable[[str], None],
        indifferent: Callable[[str], None],
        catch_up: Callable[[], None],
    ) -> None:
        self._adapter = adapter
        self._log = log
        self._interested = interested
        self._indifferent = indifferent
        self._catch_up = catch_up
        self._held: dict[str, int] = {}  # room: for how many sessions that are away, or on their way here

    # -- rooms of sessions that are away ----------------------------------------------------------------------

    def holds(self, room: str) -> bool:
        """Whether events of this room are wanted though nobody may be in it here."""
        return room in self._held

    def hold(self, rooms: Iterable[str]) -> Callable[[], None]:
        """Want the events of these rooms, until the returned function is called; a second call changes nothing."""
        held = tuple(rooms)
        for room in held:
            count = self._held.get(room, 0)
            self._held[room] = count + 1
            if not count:
                self._interested(room)
        released = False

        def release() -> None:
            nonlocal released
            for room in () if released else held:
                self._held[room] -= 1
                if not self._held[room]:
                    del self._held[room]
                    if room not in self._adapter.rooms:
                        self._indifferent(room)
            released = True

        return release

    def keep(self, saved: Saved) -> None:
        """A client of this node is away: what is sent to its rooms is recorded until its time is over."""
        release = self.hold(saved.rooms)
        self._adapter.nsp.server._deadlines.after(self._log.window, release)

    # -- the node to which the client comes ---------------------------------------------------------------------

    async def fetch(self, pid: str, offset: str | None) -> Restored | None:
        """Take the session from whichever node has it."""
        try:
            found = await self._ask(lambda request: m.FindSession(**self._said(request), pid=pid))
            owner = next((answer for answer in found if answer is not None), None)
            if owner is None:
                return None
            uid, rooms = owner
            release = self.hold(rooms)
            try:
                await self._adapter.link.settled()
                start = self._log.position
                taken = await self._ask(
                    lambda request: m.TakeSession(**self._said(request), pid=pid, offset=offset), uid
                )
            finally:
                # Not before the caller has put the socket into its rooms, which it does at once.
                asyncio.get_running_loop().call_soon(release)
        except (AckTimeout, AdapterError):
            return None
        answer = taken[0] if taken else None
        return None if answer is None else self._receive(answer, pid, offset, start)

    def _receive(self, answer: m.TakeSessionResponse, pid: str, offset: str | None, start: int) -> Restored:
        log, parser = self._log, self._adapter.nsp._parser
        rooms = frozenset(answer.rooms)
        events = {name: _encoded(frames, name) for name, frames in answer.missed}
        later = [entry for entry in log.entries_since(start, rooms) if entry.encoded.event not in events]
        missed = [*events.values(), *(parser.without_offset(entry.encoded) for entry in later)]
        since = log.position
        packet = Packet(PacketType.EVENT, self._adapter.nsp.name)
        again = [log.record(parser, packet, encoded, Target(rooms=(answer.sid,))) for encoded in missed]
        saved = Saved(answer.sid, pid, rooms, answer.data, since, log.position, log.position, offset)
        return Restored(saved, again, log.position)

    async def _ask(self, make: Callable[[str], m.Message], uid: str = "") -> list[Any]:
        return await self._adapter.ask_nodes(make, uid)

    def _said(self, request_id: str) -> dict[str, Any]:
        return {"uid": self._adapter.link.uid, "nsp": self._adapter.nsp.name, "request_id": request_id}

    # -- the node that has it -----------------------------------------------------------------------------------

    def find(self, message: m.FindSession) -> m.FindSessionResponse:
        comebacks = self._adapter.nsp._comebacks
        if comebacks is not None:
            comebacks.displace(message.pid)
        rooms = self._log.rooms_of(message.pid)
        return m.FindSessionResponse(
            **self._said(message.request_id), rooms=None if rooms is None else tuple(rooms)
        )

    def give(self, message: m.TakeSession) -> m.TakeSessionResponse:
        """The session, and it is gone from here. What other nodes have written to us is read first."""
        self._catch_up()
        found = self._log.take_entries(message.pid, message.offset)
        if found is None:
            return m.TakeSessionResponse(**self._said(message.request_id))
        saved, entries = found
        return m.TakeSessionResponse(
            **self._said(message.request_id),
            sid=saved.sid,
            rooms=tuple(saved.rooms),
            data=saved.data,
            missed=tuple(self._told(entry, number) for number, entry in enumerate(entries)),
        )

    def _told(self, entry: Entry, number: int) -> tuple[str, Frames]:
        plain = self._adapter.nsp._parser.without_offset(entry.encoded)
        # What was said to this node's clients alone has no name, and comes from nowhere else.
        name = entry.encoded.event or f"{self._adapter.link.uid}.{number}"
        return name, tuple((frame.binary, frame.payload) for frame in plain.frames)


def _encoded(frames: Frames, name: str) -> Encoded:
    return Encoded(tuple(Frame.of(payload, binary) for binary, payload in frames), name)
