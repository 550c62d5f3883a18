"""One client's session, over whichever transport carries it now: heartbeat, buffer, upgrade, close.

Knows packets and deadlines; does not know HTTP, what a message means, or what time it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from flocket.codec import engineio, engineio3
from flocket.codec.base64 import decode_base64
from flocket.codec.errors import DecodeError
from flocket.codec.frames import Frame
from flocket.engine.contracts import Handler
from flocket.engine.nobody import UNHEARD
from flocket.engine.request import Request

if TYPE_CHECKING:
    from flocket.engine.deadlines import Deadline
    from flocket.engine.engine import Engine

__all__ = ["Carrier", "Session"]

PING = Frame.of(b"2", compress=False)
PONG = Frame.of(b"3", compress=False)
CLOSE = Frame.of(b"1", compress=False)

OPEN, CLOSING, CLOSED = range(3)


class Carrier(Protocol):
    """What carries a session's frames: the face's WebSocket, or polling.py's polls."""

    @property
    def name(self) -> str: ...

    @property
    def writable(self) -> bool: ...

    def send(self, frames: list[Frame]) -> None: ...

    def pending(self) -> int: ...

    def close(self, code: int = 1000, reason: str = "") -> None: ...


class Session:
    """One Engine.IO session. Only `close` and `drop` end it, and always with a reason.

    `data` belongs to the user of EngineServer; `handler` is told of messages and of the end.
    """

    __slots__ = (
        "__weakref__",
        "_buffered",
        "_deadline",
        "_drained",
        "_ending",
        "_engine",
        "_out",
        "_refreshed",
        "_slow",
        "_state",
        "_waiting_pong",
        "data",
        "handler",
        "id",
        "protocol",
        "request",
        "transport",
        "upgrading",
    )

    def __init__(self, sid: str, protocol: int, request: Request, engine: Engine, transport: Carrier) -> None:
        self.id = sid
        self.protocol = protocol
        self.request = request
        self.transport = transport
        self.data: Any = None
        self.handler: Handler = UNHEARD
        self.upgrading: Callable[[], None] | None = None  # ends the probe, while there is one
        self._engine = engine
        self._state = OPEN
        self._out: list[Frame] = []
        self._buffered = 0
        self._drained: list[Callable[[], None]] | None = None
        self._slow: Deadline | None = None
        self._waiting_pong = False
        self._refreshed = False
        self._deadline: Deadline | None = None
        if protocol == 4:
            self._deadline = engine.deadlines.after(engine.options.ping_interval, self._ping, ours=True)
        else:
            self._expect_ping()

    # -- what a user of the engine does -------------------------------------------------------------------

    @property
    def transport_name(self) -> str:
        return self.transport.name

    @property
    def open(self) -> bool:
        return self._state == OPEN

    @property
    def ended(self) -> bool:
        return self._state == CLOSED

    @property
    def writable(self) -> bool:
        """Whether a packet sent now would leave now: what a volatile packet asks."""
        return self._state == OPEN and self.transport.writable

    @property
    def buffered(self) -> int:
        """Bytes that wait: here, and in the transport."""
        return self._buffered + self.transport.pending()

    def send(self, frame: Frame) -> None:
        """Send one finished packet. What is sent within one turn of the loop leaves as one write."""
        if self._state != OPEN:
            return
        engine, out = self._engine, self._out
        if not out:
            if not engine.dirty:
                engine.flush_soon()
            engine.dirty.append(self)
        out.append(frame)
        size = len(frame.wire)
        buffered = self._buffered = self._buffered + size
        if buffered > engine.send_bytes or len(out) > engine.send_packets:
            self._over_bound(size)

    def send_message(self, data: str | bytes | bytearray | memoryview, *, compress: bool = True) -> None:
        """Send one Engine.IO message: text as str, binary as bytes."""
        message = engineio3.message if self.protocol == 3 else engineio.message
        self.send(message(data if isinstance(data, str) else bytes(data), compress=compress))

    def when_drained(self, callback: Callable[[], None]) -> None:
        """Call `callback` once nothing waits here any more, or the session has ended."""
        if self._state == CLOSED or (not self._out and self.transport.writable):
            self._engine.call_soon(callback)
        elif self._drained is None:
            self._drained = [callback]
        else:
            self._drained.append(callback)

    def close(self, reason: str = "forced close", code: int = 1000) -> None:
        """Send what waits, then end the session: the handler hears `reason`."""
        if self._state != OPEN:
            return
        self._state = CLOSING
        self._ending = (reason, code)
        if self.transport.writable:
            self._flush_out()
        if not self._out:
            self._say_close()
        else:
            self._drained = [*(self._drained or ()), self._say_close]
        if self._state != CLOSED:  # the next polls take what waits, then the close packet; or nobody comes for it
            self._deadline = self._again(
                self._deadline, self._engine.options.limits.poll_time, lambda: self.drop(reason)
            )

    def _say_close(self) -> None:
        """All has left. A poll of its own says so: a client hears a close packet before the messages of its body."""
        if self.transport.name == "polling" and self._state == CLOSING:  # a WebSocket has a close frame of its own
            self._out.append(CLOSE)
            if not self.transport.writable:
                self._drained = [*(self._drained or ()), self._end]
                return
            self._flush_out()
        self._end()

    def _end(self) -> None:
        """End it as was decided when it began to close."""
        reason, code = self._ending
        self._end_transport(reason, code)

    def drop(self, reason: str, description: str = "", code: int = 1000) -> None:
        """End the session now; what waits is lost."""
        if self._state == CLOSED:
            return
        self._end_transport(reason, code, description)

    def _end_transport(self, reason: str, code: int, description: str = "") -> None:
        if self._state != CLOSED:
            transport = self.transport
            self._forget(reason)
            transport.close(code, reason if code != 1000 else "")
            self._tell_end(reason, description)

    # -- what comes from below ----------------------------------------------------------------------------

    def receive(self, frame: str | bytes) -> None:
        """One packet from the client, as a WebSocket's frame."""
        if self._state != OPEN:
            return
        if self._waiting_pong:
            self._alive(frame)
        if frame.__class__ is str:
            if frame[:1] == "4":
                self.handler.on_message(frame[1:])
            else:
                self._control(frame[:1], frame)
        elif self.protocol == 4:
            self.handler.on_message(frame)
        elif frame[:1] == b"\x04":
            self.handler.on_message(frame[1:])
        else:
            self.bad_packet("binary frame without a message in it")

    def receive_packet(self, kind: str, data: str | bytes) -> None:
        """One packet from the client, as a part of a polling body."""
        if self._state != OPEN:
            if kind == "1" and self._state == CLOSING:
                self._end()  # it does not wait for our close packet either
            return
        if self._waiting_pong:
            self._alive(kind)
        if kind == "4":
            self.handler.on_message(data)
        else:
            self._control(kind, kind + data if isinstance(data, str) else kind)

    def _control(self, kind: str, frame: str) -> None:
        if kind == "3" and self.protocol == 4:
            if self._waiting_pong:  # one that nobody asked for changes nothing
                self._waiting_pong = False
                deadlines = self._engine.deadlines
                deadlines.cancel(self._deadline)
                self._deadline = deadlines.after(self._engine.options.ping_interval, self._ping, ours=True)
        elif kind == "2" and self.protocol == 3:
            self._expect_ping()
            self.send(Frame.of(b"3" + frame[1:].encode(), compress=False) if len(frame) > 1 else PONG)
        elif kind == "1":
            self.drop("transport close")
        elif kind == "6":
            pass  # a NOOP says nothing in either direction
        elif kind == "b":
            self._receive_base64(frame)
        elif kind in ("2", "3"):
            self.drop("transport error", "invalid heartbeat direction")
        elif kind == "5" and self.transport.name == "websocket":
            pass  # an UPGRADE behind the first changes nothing, as in Node
        else:
            self.bad_packet("unknown packet type")

    def _receive_base64(self, frame: str) -> None:
        try:
            if self.protocol == 3:
                self.receive_packet(*engineio3.decode(frame))
            else:
                self.receive_packet("4", decode_base64(frame[1:]))
        except DecodeError as error:
            self.bad_packet(error)

    def bad_packet(self, why: str | DecodeError) -> None:
        """The peer broke the protocol: count it and end the session."""
        self._engine.counters.bad_packets += 1
        self.drop("parse error", str(why))

    def on_writable(self) -> None:
        """The transport takes frames again."""
        if self._state == CLOSED:
            return
        self._flush_out()

    def on_lost(self, reason: str) -> None:
        """The connection is gone."""
        if self._state == CLOSED:
            return
        self._forget(reason)
        self._tell_end(reason, "")

    def _tell_end(self, reason: str, description: str) -> None:
        # Let go first: handler and session would hold each other until the garbage collector comes.
        handler, self.handler = self.handler, UNHEARD
        handler.on_close(reason, description)

    # -- buffer -------------------------------------------------------------------------------------------

    def flush(self) -> None:
        """Write what was sent within this turn; called once a turn by the engine."""
        out, transport = self._out, self.transport
        if out and transport.writable and self._state != CLOSED:
            self._out = []
            self._buffered = 0
            transport.send(out)
            if self._drained is not None:
                self._flush_out()

    def _flush_out(self) -> None:
        transport = self.transport
        if self._out and transport.writable:
            out = self._out
            self._out = []
            self._buffered = 0
            transport.send(out)
        if self._out:
            return
        if self._slow is not None:
            self._engine.deadlines.cancel(self._slow)  # it took all that waited: from here on a new time runs
            self._slow = None
        # An answered poll has left, though the next one is not there yet: only a WebSocket keeps what it was given.
        if transport.writable or not transport.pending() or self._state == CLOSING:
            drained, self._drained = self._drained, None
            for callback in drained or ():
                callback()
            if self._state != CLOSED:
                self.handler.on_drain()

    def _over_bound(self, newest: int) -> None:
        if self.transport.writable:
            self.flush()  # nobody is slow: this turn simply sent much
            return
        engine = self._engine
        # Without the newest, which alone may be larger than all that may wait.
        if self._buffered - newest > engine.most_bytes or len(self._out) > engine.options.limits.send_packets:
            self._too_slow()
        elif self._slow is None:
            self._slow = engine.deadlines.after(engine.options.limits.send_time, self._still_slow)

    def _still_slow(self) -> None:
        self._slow = None
        if self._buffered > self._engine.send_bytes or len(self._out) > self._engine.send_packets:
            self._too_slow()

    def _too_slow(self) -> None:
        engine = self._engine
        engine.counters.slow_consumers += 1
        engine.counters.bytes_buffered_dropped += self._buffered
        self._state = CLOSING
        self._ending = ("slow consumer", 1013)  # "try again later" in RFC 6455's registry of close codes
        self._out = []
        self._buffered = 0
        # Told in a turn of its own: whoever sends is in the middle of a room's members, and is not to lose one.
        engine.call_soon(self._end)

    # -- heartbeat ----------------------------------------------------------------------------------------

    def _ping(self) -> None:
        self._waiting_pong = True
        self._refreshed = False
        self._deadline = self._engine.deadlines.after(self._engine.options.ping_timeout, self._silent)
        self.send(PING)

    def _alive(self, frame: str | bytes) -> None:
        # Any packet but a PONG proves, once per ping, that the client lives though its answer is still queued.
        if self.protocol == 4 and not self._refreshed and frame != "3":
            self._refreshed = True
            self._deadline = self._again(self._deadline, self._engine.options.ping_timeout, self._silent)

    def _expect_ping(self) -> None:
        options = self._engine.options
        self._deadline = self._again(
            self._deadline, options.ping_interval + options.ping_timeout, self._silent
        )

    def _silent(self) -> None:
        self._engine.counters.ping_timeouts += 1
        self.drop("ping timeout")

    def _again(self, deadline: Deadline | None, seconds: float, callback: Callable[[], None]) -> Deadline:
        self._engine.deadlines.cancel(deadline)
        return self._engine.deadlines.after(seconds, callback)

    # -- upgrade and end ----------------------------------------------------------------------------------

    def upgrade_to(self, transport: Carrier) -> None:
        """Go on over `transport`; what waits follows at once, in order."""
        self.transport = transport
        self.upgrading = None
        self._engine.counters.upgrades += 1
        self._flush_out()

    def _forget(self, reason: str) -> None:
        self._state = CLOSED
        deadlines = self._engine.deadlines
        deadlines.cancel(self._deadline)
        deadlines.cancel(self._slow)
        self._deadline = self._slow = None
        if self.upgrading is not None:
            self.upgrading()
            self.upgrading = None
        self._out = []
        self._buffered = 0
        self._engine.forget(self, reason)
        drained, self._drained = self._drained, None
        for callback in drained or ():
            callback()

    def __repr__(self) -> str:
        return f"<Session {self.id} {self.transport.name} {('open', 'closing', 'closed')[self._state]}>"
