"""A request that a sibling got, and whose session is here: what the engine asks of it is told to the sibling.

Knows the contracts which a face implements; does not know the face, the client's connection, or its bytes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from flocket.cluster.neighbours import Neighbour, Neighbours
from flocket.cluster.relay_words import (
    ACCEPT,
    ANSWER,
    CLOSE,
    FRAMES,
    NUMBER,
    TOO_LARGE,
    Answer,
    encode,
    pack_frames,
)
from flocket.codec.frames import Frame
from flocket.engine.contracts import Headers, Receiver
from flocket.engine.engine import Engine
from flocket.engine.nobody import DEAF
from flocket.engine.polling import Polling
from flocket.engine.request import Request
from flocket.engine.session import Session

__all__ = ["Remote"]

HIGH_WATER = 65_536  # bytes on their way to a client from which it is not writable: asyncio's own mark


class Remote:
    """One such request: Exchange or Upgrade, then Transport, as it is one after the other with one end."""

    name = "websocket"

    def __init__(
        self,
        mesh: Neighbours,
        peer: Neighbour,
        number: int,
        engine: Engine,
        request: Request,
        body: bytes | None,
        ended: Callable[[Neighbour, int], object],
    ) -> None:
        self.request = request
        self.on_gone: Callable[[], None] | None = None
        self.receiver: Receiver = DEAF
        self.writable = True
        self._mesh = mesh
        self._peer = peer
        self._number = number
        self._engine = engine
        self._ended = ended
        self._over = False
        self._body = body  # once it came
        self._too_large = False
        self._wanted: tuple[int, Callable[[bytes | None], None]] | None = None
        self._accepted = False
        self._pending = 0

    # -- Exchange

    def read(self, limit: int, done: Callable[[bytes | None], None]) -> None:
        self._wanted = (limit, done)
        if self._body is not None or self.request.method != "POST":
            self._give()

    def respond(self, status: int, headers: Headers, body: bytes, *, close: bool = False) -> None:
        self._end()
        if not self._say(ANSWER, encode(Answer(status, headers, body, close))):
            # What the answer carried is lost, so its session may not go on. Not now: it is in the middle of it.
            asyncio.get_running_loop().call_soon(self._drop_session)

    # -- Upgrade

    def accept(self, receiver: Receiver, headers: Headers) -> Remote:
        self.receiver = receiver
        self._accepted = True
        self.on_gone = None
        self._say(ACCEPT, encode(headers))
        return self

    def refuse(self, status: int, headers: Headers, body: bytes) -> None:
        self.respond(status, headers, body)

    # -- Transport

    def send(self, frames: Sequence[Frame]) -> None:
        if self._over:
            return
        payload = pack_frames(frames)
        self._pending += len(payload)
        if self._pending >= HIGH_WATER:
            self.writable = False
        if not self._say(FRAMES, payload):
            # A frame is missing from the stream, so it ends. Not within the call: the session is in the middle.
            asyncio.get_running_loop().call_soon(self.abort)

    def pending(self) -> int:
        return self._pending

    def close(self, code: int = 1000, reason: str = "") -> None:
        self._say(CLOSE, code.to_bytes(2, "big"), reason.encode())

    def abort(self) -> None:
        self._say(CLOSE, b"\0\0")
        self._lost("transport error")

    # -- what the sibling says

    def on_body(self, payload: bytes) -> None:
        self._too_large = payload[:1] == TOO_LARGE
        self._body = payload[1:]
        if self._wanted is not None:
            self._give()

    def on_text(self, payload: bytes) -> None:
        self.receiver.receive(payload.decode())

    def on_binary(self, payload: bytes) -> None:
        self.receiver.receive(payload)

    def on_wrote(self, payload: bytes) -> None:
        self._pending = max(0, self._pending - int.from_bytes(payload, "big"))
        if not self.writable and self._pending < HIGH_WATER:
            self.writable = True
            self.receiver.on_writable()

    def on_gone_there(self, payload: bytes) -> None:
        self._lost(payload.decode(errors="replace"))

    def on_release(self, payload: bytes) -> None:
        session = self._session()
        # `on_gone` is set while this is the poll that waits.
        if session is not None and isinstance(session.transport, Polling) and self.on_gone is not None:
            session.transport.noop()

    # -- ends

    def _session(self) -> Session | None:
        return self._engine.sessions.get(self.request.query.get("sid", ""))

    def _drop_session(self) -> None:
        session = self._session()
        if session is not None:
            session.drop("transport error", "an answer was lost on its way through another worker")

    def _give(self) -> None:
        assert self._wanted is not None
        limit, done = self._wanted
        self._wanted = None
        body = self._body or b""
        done(None if self._too_large or len(body) > limit else body)

    def _lost(self, reason: str) -> None:
        if self._end():
            on_gone, self.on_gone = self.on_gone, None
            receiver, self.receiver = self.receiver, DEAF
            if self._accepted:
                receiver.on_lost(reason)
            elif on_gone is not None:
                on_gone()

    def _end(self) -> bool:
        over, self._over = self._over, True
        self._ended(self._peer, self._number)
        return not over

    def _say(self, kind: int, *data: bytes) -> bool:
        return self._mesh.send(self._peer, kind, NUMBER.pack(self._number), *data)
