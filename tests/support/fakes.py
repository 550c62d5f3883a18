"""The engine's contracts without a network or a clock: what floors below implement, driven by hand.

Each fake is strict: what a face may not do, or the engine may not ask twice, fails here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import fields
from typing import Any

from flocket.codec.frames import Frame
from flocket.engine.contracts import Handler, Headers, Receiver
from flocket.engine.engine import Engine
from flocket.engine.request import Request
from flocket.engine.session import Session
from flocket.options import EngineOptions, Limits, engine_options

__all__ = [
    "Answer", "Clock", "Ears", "FakeExchange", "FakeTransport", "FakeUpgrade", "World", "request", "text",
]  # fmt: skip


class Clock:
    """A Runtime whose time stands still until `advance`."""

    def __init__(self) -> None:
        self.time = 1000.0
        self.soon: list[Callable[[], None]] = []
        self.wake: float | None = None
        self.due: Callable[[], None] = lambda: None
        self.failures: list[BaseException] = []

    def now(self) -> float:
        return self.time

    def call_soon(self, callback: Callable[[], None]) -> None:
        self.soon.append(callback)

    def wake_at(self, when: float) -> None:
        self.wake = when

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run it to its end; what it awaits must be there."""
        try:
            asyncio.run(coroutine)
        except Exception as error:
            self.failures.append(error)

    def turn(self) -> None:
        """The end of a turn of the loop, and those that it calls for."""
        while self.soon:
            soon, self.soon = self.soon, []
            for callback in soon:
                callback()

    def advance(self, seconds: float) -> None:
        """Let time pass, waking whoever asked to be, each at its time."""
        end = self.time + seconds
        self.turn()
        while self.wake is not None and self.wake <= end:
            self.time, self.wake = max(self.time, self.wake), None
            self.due()
            self.turn()
        self.time = end

    def sleep(self, seconds: float) -> None:
        """Let time pass without waking anybody: the process was stopped."""
        self.time += seconds


def request(
    query: str = "EIO=4&transport=polling",
    method: str = "GET",
    headers: Sequence[tuple[str, str]] = (),
    **others: Any,
) -> Request:
    raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    return Request(method, "/engine.io/", query, raw, peer="192.0.2.1", **others)


class Answer:
    """What a request was answered."""

    def __init__(self, status: int, headers: Headers, body: bytes, close: bool) -> None:
        self.status = status
        self.headers = {name.lower(): value for name, value in headers}
        self.body = body
        self.close = close

    def __repr__(self) -> str:
        return f"<Answer {self.status} {self.body!r}>"


class FakeExchange:
    """One request; `body` None is one that does not come until `send_body`."""

    def __init__(self, request: Request, body: bytes | None = b"") -> None:
        self.request = request
        self.on_gone: Callable[[], None] | None = None
        self.answer: Answer | None = None
        self.gone = False
        self._body = body
        self._reads: tuple[int, Callable[[bytes | None], None]] | None = None

    def read(self, limit: int, done: Callable[[bytes | None], None]) -> None:
        assert self._reads is None, "a body is read once"
        self._reads = (limit, done)
        if self._body is not None:
            self.send_body(self._body)

    def send_body(self, body: bytes) -> None:
        assert self._reads is not None, "nobody reads"
        limit, done = self._reads
        done(None if len(body) > limit else body)

    def respond(self, status: int, headers: Headers, body: bytes, *, close: bool = False) -> None:
        assert self.answer is None, "a request is answered once"
        assert not self.gone, "the client is gone, and the engine was told"
        self.answer = Answer(status, headers, body, close)

    def vanish(self) -> None:
        """The client closes its connection before it was answered."""
        assert self.answer is None
        self.gone = True
        on_gone, self.on_gone = self.on_gone, None
        if on_gone is not None:
            on_gone()

    @property
    def waiting(self) -> bool:
        return self.answer is None and not self.gone

    @property
    def result(self) -> Answer:
        assert self.answer is not None, "not answered yet"
        return self.answer


class FakeTransport:
    """An open WebSocket. `sent` are the payloads in order, `writes` how many writes they came in."""

    name = "websocket"

    def __init__(self, receiver: Receiver) -> None:
        self.receiver = receiver
        self.writable = True
        self.frames: list[Frame] = []
        self.writes = 0
        self.closed: tuple[int, str] | None = None
        self.aborted = False
        self.unread = 0
        self._lost = False

    @property
    def sent(self) -> list[bytes]:
        return [frame.payload for frame in self.frames]

    def send(self, frames: Sequence[Frame]) -> None:
        if self.closed is None:
            self.frames += frames
            self.writes += 1

    def pending(self) -> int:
        return self.unread

    def close(self, code: int = 1000, reason: str = "") -> None:
        if self.closed is None:
            self.closed = (code, reason)

    def abort(self) -> None:
        self.aborted = True

    # -- what the peer does -----------------------------------------------------------------------------

    def receive(self, frame: str | bytes) -> None:
        if self.closed is None:
            self.receiver.receive(frame)

    def stall(self) -> None:
        """The peer reads no more."""
        self.writable = False
        self.unread = 65_537

    def drain(self) -> None:
        self.writable = True
        self.unread = 0
        self.receiver.on_writable()

    def lose(self, reason: str = "transport close") -> None:
        assert not self._lost, "told once"
        self._lost = True
        self.writable = False
        self.receiver.on_lost(reason)


class FakeUpgrade:
    """One request to become a WebSocket."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.on_gone: Callable[[], None] | None = None
        self.transport: FakeTransport | None = None
        self.headers: Headers = []
        self.refusal: Answer | None = None
        self.gone = False

    def accept(self, receiver: Receiver, headers: Headers) -> FakeTransport:
        assert not self._settled, "accepted or refused once, and not behind the client's end"
        self.headers = headers
        self.transport = FakeTransport(receiver)
        return self.transport

    def refuse(self, status: int, headers: Headers, body: bytes) -> None:
        assert not self._settled, "accepted or refused once, and not behind the client's end"
        self.refusal = Answer(status, headers, body, True)

    def vanish(self) -> None:
        assert not self._settled
        self.gone = True
        on_gone, self.on_gone = self.on_gone, None
        if on_gone is not None:
            on_gone()

    @property
    def _settled(self) -> bool:
        return self.gone or self.transport is not None or self.refusal is not None

    @property
    def accepted(self) -> FakeTransport:
        assert self.transport is not None, self.refusal
        return self.transport


class Ears:
    """A Handler that remembers."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.heard: list[str | bytes] = []
        self.drains = 0
        self.closed: list[tuple[str, str]] = []
        self.on_message_do: Callable[[str | bytes], None] | None = None

    def on_message(self, data: str | bytes) -> None:
        assert not self.closed, "a message behind the end"
        self.heard.append(data)
        if self.on_message_do is not None:
            self.on_message_do(data)

    def on_drain(self) -> None:
        assert not self.closed, "drained behind the end"
        self.drains += 1

    def on_close(self, reason: str, description: str) -> None:
        self.closed.append((reason, description))


class World:
    """An engine, its clock, and clients made of requests."""

    def __init__(self, limits: Limits | None = None, **options: Any) -> None:
        usual = EngineOptions(trusted_proxies=())
        given = {field.name: getattr(usual, field.name) for field in fields(usual) if field.name != "limits"}
        self.options: EngineOptions = engine_options(limits=limits, **{**given, **options})
        self.clock = Clock()
        self.ears: dict[str, Ears] = {}
        self.made = 0
        self.engine = Engine(self.options, self.clock, self._on_session, self._make_sid)
        self.clock.due = self.engine.deadlines.run

    def _make_sid(self) -> str:
        self.made += 1
        return f"sid{self.made:017}"

    def _on_session(self, session: Session) -> Handler:
        ears = self.ears[session.id] = Ears(session)
        return ears

    # -- requests ---------------------------------------------------------------------------------------

    def get(self, query: str = "EIO=4&transport=polling", **others: Any) -> FakeExchange:
        exchange = FakeExchange(request(query, **others))
        self.engine.handle(exchange)
        self.clock.turn()
        return exchange

    def post(self, sid: str, body: bytes | None, query: str = "EIO=4&transport=polling", **others: Any) -> FakeExchange:
        exchange = FakeExchange(request(f"{query}&sid={sid}", "POST", **others), body)
        self.engine.handle(exchange)
        self.clock.turn()
        return exchange

    def upgrade(self, query: str = "EIO=4&transport=websocket", **others: Any) -> FakeUpgrade:
        upgrade = FakeUpgrade(request(query, **others))
        self.engine.upgrade(upgrade)
        self.clock.turn()
        return upgrade

    # -- sessions ---------------------------------------------------------------------------------------

    def poller(self, query: str = "EIO=4&transport=polling") -> Ears:
        """A session that polls, its handshake done."""
        answer = self.get(query).result
        assert answer.status == 200, answer
        return self.ears[f"sid{self.made:017}"]

    def socket(self, query: str = "EIO=4&transport=websocket") -> tuple[FakeTransport, Ears]:
        """A session over a WebSocket, its handshake done and its greeting forgotten."""
        transport = self.upgrade(query).accepted
        transport.frames.clear()
        transport.writes = 0
        return transport, self.ears[f"sid{self.made:017}"]

    def poll(self, sid: str, query: str = "EIO=4&transport=polling", **others: Any) -> FakeExchange:
        return self.get(f"{query}&sid={sid}", **others)

    def probe(self, sid: str) -> FakeTransport:
        """A WebSocket that asks to take the session over, its probe answered."""
        transport = self.upgrade(f"EIO=4&transport=websocket&sid={sid}").accepted
        transport.receive("2probe")
        return transport


def text(word: str) -> Frame:
    """A text message as a frame of version 4."""
    return Frame.of(b"4" + word.encode())

