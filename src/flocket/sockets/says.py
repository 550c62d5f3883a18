"""All that can be said to one client alone, as JavaScript's socket has it: events, questions, answers.

Knows its session; does not know how others are reached (the adapter does), nor what the client says.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from threading import get_ident
from typing import Any

from flocket.codec.socketio import RESERVED_EVENTS, Packet, PacketType
from flocket.engine.session import Session
from flocket.sockets.answers import Acks
from flocket.sockets.asking import ask
from flocket.sockets.emission import Emission
from flocket.sockets.hears import Hears
from flocket.sockets.one_client import OneClient
from flocket.sockets.sends import BroadcastOperator, Sends, event_packet
from flocket.sockets.target import Target

__all__ = ["CLOSED", "CONNECTED", "CONNECTING", "Says"]

CONNECTING, CONNECTED, CLOSED = range(3)

MARK = 65_536  # bytes waiting for a client from which on an awaited emission waits too: asyncio's high-water mark


class Says(Hears, Sends):
    """Nothing is sent but to a client that is CONNECTED, or with recovery may be again."""

    __slots__ = ("_acks", "_emission", "_session", "_state", "pid")

    _session: Session
    _state: int
    _acks: Acks | None  # made with the first question
    _emission: Emission | None  # likewise
    pid: str | None  # known to the client alone; only where recovery is on, and until the client cannot come back

    @property
    def _operator(self) -> BroadcastOperator:
        return self.broadcast

    @property
    def broadcast(self) -> BroadcastOperator:
        """Everyone else in the namespace."""
        return BroadcastOperator(self.nsp, Target(except_rooms=(self.id,)))

    def emit(self, event: str, *args: Any) -> Emission:
        """Send this client an event. A plain call: the values are encoded at once."""
        nsp = self.nsp
        if event.__class__ is str and event not in RESERVED_EVENTS and self._outgoing is None and self.pid is None:
            frame = nsp._parser.single(nsp._event_head, [event, *args])
            if frame is not None and (get_ident() == nsp.server._runtime.thread or not nsp.server._elsewhere()):
                if self._state == CONNECTED:
                    self._session.send(frame)
                    nsp._counters.events_out += 1
                return self._emission or self._make_emission()
        return self._send_event(event_packet(nsp.name, event, args), True, False)

    def _make_emission(self) -> Emission:
        # One for all: it holds nothing of what was sent.
        emission = self._emission = Emission(lambda: self.nsp.server._settled(self._drained))
        return emission

    @property
    def volatile(self) -> OneClient:  # type: ignore[override]  # to itself, where Sends means others
        """May be lost if this client is not ready to receive."""
        return OneClient(self, Target(volatile=True))

    def compress(self, compress: bool) -> OneClient:  # type: ignore[override]  # as above
        return OneClient(self, Target(compress=compress))

    def timeout(self, seconds: float) -> OneClient:  # type: ignore[override]  # as above
        """How long `emit_with_ack` waits, in place of the server's `ack_timeout`."""
        return OneClient(self, Target().within(seconds))

    async def emit_with_ack(self, event: str, *args: Any) -> Any:
        """Send an event and return the client's answer: its value, a tuple if it sent several.

        Raises AckTimeout when it comes too late, Disconnected at once when the client is gone.
        """
        return await ask(self, event, args, Target())

    def _send_event(self, packet: Packet, compress: bool, volatile: bool) -> Emission:
        server = self.nsp.server
        encoded = self.nsp._parser.encode(packet, compress)
        if server._elsewhere():
            server._runtime.post(lambda: self._send_frames(packet, encoded, volatile))
        else:
            self._send_frames(packet, encoded, volatile)
        return self._emission or self._make_emission()

    def _send_frames(self, packet: Packet, encoded: Any, volatile: bool) -> None:
        session = self._session
        if self._state != CONNECTED:
            if self._state == CLOSED and self.pid is not None and packet.id is None and not volatile:
                # Said by a handler that outlived the connection: kept for a client that may be back, or given to one
                # that is, whose socket is another with the same id.
                self.nsp.adapter.broadcast(packet, Target((self.id,), compress=encoded.frames[0].compress))
            return
        if volatile and not session.writable:
            self.nsp._counters.volatile_dropped += 1
            return
        if self.pid is not None and packet.id is None:
            adapter = self.nsp.adapter
            target = Target((self.id,), volatile=volatile, compress=encoded.frames[0].compress)
            if volatile:
                adapter.broadcast_local(packet, target)
            else:
                adapter.unicast(packet, target)
            return
        if self._outgoing is not None:
            self._tell_outgoing(packet.data)
        for frame in encoded.for_protocol(session.protocol):
            session.send(frame)
        self.nsp._counters.events_out += 1

    @property
    def _behind(self) -> bool:
        """Whether more waits for this client than an awaited emission adds to."""
        return self._session.open and self._session.buffered > MARK

    async def _drained(self) -> None:
        await asyncio.sleep(0)
        if self._behind:
            drained = asyncio.Event()
            self._session.when_drained(drained.set)
            await drained.wait()

    # -- answers ------------------------------------------------------------------------------------------

    def _answer_to(self, ack_id: int) -> Callable[[Any], None]:
        answered = False

        def answer(value: Any) -> None:
            nonlocal answered
            if answered or self._state != CONNECTED:
                return
            values = list(value) if isinstance(value, tuple) else [] if value is None else [value]
            nsp = self.nsp
            frame = nsp._parser.single(b"%b%d" % (nsp._ack_head, ack_id), values)
            if frame is not None:
                answered = True
                self._session.send(frame)
                return
            encoded = nsp._parser.encode(Packet(PacketType.ACK, nsp.name, values, ack_id))
            answered = True
            for frame in encoded.for_protocol(self._session.protocol):
                self._session.send(frame)

        return answer

    def _acks_made(self) -> Acks:
        if self._acks is None:
            self._acks = Acks()
        return self._acks

    def _on_ack(self, packet: Packet) -> None:
        if self._acks is not None and packet.id is not None:
            self._acks.answer(packet.id, packet.data)
