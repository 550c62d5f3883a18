"""A request that is here, and owned by a sibling: the owner is told of it, and what it says is done.

Knows the face's side of the engine's contracts, and an owner that may hang or die; does not know sessions.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import msgspec

from flocket.cluster.neighbours import Neighbour, Neighbours
from flocket.cluster.relay_words import (
    BINARY,
    BODY,
    GONE,
    NUMBER,
    RELEASE,
    REQUEST,
    TEXT,
    TOO_LARGE,
    WROTE,
    Answer,
    Head,
    encode,
    unpack_frames,
)
from flocket.engine.contracts import Exchange, Headers, Transport, Upgrade
from flocket.engine.engine import Engine

__all__ = ["Forwarded"]

UPGRADE_TIME = 5.0  # seconds that an upgrade waits for an owner that hangs: its client goes on polling
LOOK_AGAIN = 0.25  # seconds between two looks whether an owner goes on: many requests may wait for it
ACKNOWLEDGE = 16_384  # bytes that have left until the owner is told
UNAVAILABLE: Headers = [("Retry-After", "1"), ("Content-Type", "text/plain")]


class Forwarded:
    """One such request; after an upgrade, the receiver of its WebSocket."""

    def __init__(
        self,
        mesh: Neighbours,
        engine: Engine,
        peer: Neighbour,
        number: int,
        asked: Exchange | Upgrade,
        upgrade: bool,
        ended: Callable[[int], object],
    ) -> None:
        self.peer = peer
        self.closing = False  # the connection ends with the answer
        self._mesh = mesh
        self._engine = engine  # the one here, for what is nobody's any more
        self._number = number
        self._ended = ended
        self._asked: Any = asked  # an Exchange, or an Upgrade if `_upgrade`
        self._upgrade = upgrade
        self._transport: Transport | None = None
        self._unacknowledged = 0
        self._body: bytes | None = None  # if it was here before the owner was told
        self._too_large = False
        self._sent = 0.0  # when the owner was told
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Tell the owner."""
        request = self._asked.request
        if request.method == "POST" and not self._upgrade:
            # Without being asked: mostly it is here already, and goes along.
            self._asked.read(self._engine.options.max_payload, self._on_body)
        head = Head(
            self._upgrade,
            request.method,
            request.path,
            request.query_string,
            request.raw_headers,
            request.peer,
            request.peer_port,
            request.secure,
            request.http_version,
            self._engine.options.path,
            self._body,
        )
        self._sent = time.monotonic()
        if not self._say(REQUEST, encode(head)):
            self._unavailable()
        elif self._too_large:
            self._say(BODY, TOO_LARGE)

    def wait(self) -> None:
        """The owner hangs. It may come back."""
        loop = asyncio.get_running_loop()
        deadline = time.monotonic() + self._patience

        def look() -> None:
            if self.peer.up:
                self._timer = None
                self.start()
            elif time.monotonic() >= deadline:
                self._unavailable()
            else:
                self._timer = loop.call_later(LOOK_AGAIN, look)

        look()

    def release(self) -> None:
        """This worker leaves: a poll is ended without harm to its session, a WebSocket says that it goes away."""
        self.closing = True
        if self._transport is not None:
            self._transport.close(1001)
        elif not self._upgrade:
            self._say(RELEASE)

    # -- what the client does

    def gone(self) -> None:
        """The client has gone before it was answered."""
        self._forget()
        self._say(GONE, b"transport close")

    def _on_body(self, body: bytes | None) -> None:
        if not self._sent:
            self._body, self._too_large = body, body is None
        else:
            self._say(BODY, TOO_LARGE if body is None else b"\0" + body)

    def receive(self, frame: str | bytes) -> None:
        kind, data = (TEXT, frame.encode()) if isinstance(frame, str) else (BINARY, frame)
        if not self._say(kind, data):
            self._lose()

    def on_writable(self) -> None:
        self._acknowledge()

    def on_lost(self, reason: str) -> None:
        self._forget()
        self._say(GONE, reason.encode())

    # -- what the owner says

    def on_answer(self, payload: bytes) -> None:
        answer = msgspec.msgpack.decode(payload, type=Answer)
        self._forget()
        if self._upgrade:
            self._asked.refuse(answer.status, answer.headers, answer.body)
        else:
            close = answer.close or self.closing
            self._asked.respond(answer.status, answer.headers, answer.body, close=close)

    def on_accept(self, payload: bytes) -> None:
        headers = msgspec.msgpack.decode(payload, type=list[tuple[str, str]])
        self._asked.on_gone = None
        self._transport = self._asked.accept(self, headers)

    def on_frames(self, payload: bytes) -> None:
        if self._transport is None:
            return
        self._transport.send(list(unpack_frames(payload)))
        self._unacknowledged += len(payload)
        if self._unacknowledged >= ACKNOWLEDGE and self._transport.writable:
            self._acknowledge()

    def on_close(self, payload: bytes) -> None:
        if self._transport is not None:
            code = int.from_bytes(payload[:2], "big")
            if code:
                self._transport.close(code, payload[2:].decode(errors="replace"))
            else:
                self._transport.abort()

    def owner_down(self, why: str) -> None:
        if why == "gone":
            self._forget()
            if self._transport is not None:
                self._transport.abort()
            elif self._upgrade:
                self._engine.upgrade(self._asked)  # to us it is unknown: code 1
            else:
                self._engine.handle(self._asked)
        elif self._transport is None and self._timer is None and self._sent > self.peer.heard:
            # It may not have heard of this one. What it has heard of waits there, as if it had come there.
            left = self._patience - (time.monotonic() - self._sent)
            self._timer = asyncio.get_running_loop().call_later(max(0.0, left), self._still_hung)

    @property
    def _patience(self) -> float:
        """Seconds to wait for an owner that hangs; then 503 with Retry-After.

        To the official client an error in place of a poll's or a post's answer is the end of the session, which
        may go on any moment. So they wait as long as the client does itself: until its heartbeat gives it up.
        """
        options = self._engine.options
        return UPGRADE_TIME if self._upgrade else options.ping_interval + options.ping_timeout

    # -- ends

    def _still_hung(self) -> None:
        self._timer = None
        if not self.peer.up and self._transport is None:
            self._say(GONE, b"transport close")
            self._unavailable()

    def _unavailable(self) -> None:
        self._forget()
        if self._upgrade:
            self._asked.refuse(503, list(UNAVAILABLE), b"the session's worker does not answer")
        else:
            self._asked.respond(503, list(UNAVAILABLE), b"the session's worker does not answer", close=True)

    def _acknowledge(self) -> None:
        if self._unacknowledged:
            self._say(WROTE, self._unacknowledged.to_bytes(8, "big"))
            self._unacknowledged = 0

    def _lose(self) -> None:
        """The owner's queue is full: nothing may be missing in a stream, so it ends."""
        self._forget()
        if self._transport is not None:
            self._transport.abort()
        self._say(GONE, b"transport error")

    def _say(self, kind: int, data: bytes = b"") -> bool:
        return self._mesh.send(self.peer, kind, NUMBER.pack(self._number), data)

    def _forget(self) -> None:
        self._ended(self._number)
        self._asked.on_gone = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
