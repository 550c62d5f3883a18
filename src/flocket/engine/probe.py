"""The upgrade of a polling session to a WebSocket: the probe, and the moment at which the session moves.

Until the client's UPGRADE packet the session goes on polling, so nothing is lost, doubled or reordered. Knows the
two carriers; does not know what they carry.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flocket.codec.frames import Frame
from flocket.engine.contracts import Headers, Transport, Upgrade
from flocket.engine.polling import Polling
from flocket.engine.text_only import carrier_of

if TYPE_CHECKING:
    from flocket.engine.deadlines import Deadline
    from flocket.engine.engine import Engine
    from flocket.engine.session import Session

__all__ = ["Probe"]

PONG_PROBE = Frame.of(b"3probe", compress=False)
NOOP_EVERY = 0.1  # seconds, as Node: how often a poll is ended while the client waits to pause its polling


class Probe:
    """Receives the frames of a WebSocket that wants to become a session's transport."""

    __slots__ = ("_engine", "_noop", "_polling", "_request", "_session", "_timeout", "_transport")

    def __init__(self, engine: Engine, session: Session, upgrade: Upgrade, headers: Headers) -> None:
        assert isinstance(session.transport, Polling)
        self._engine = engine
        self._session = session
        self._request = upgrade.request
        self._polling = session.transport
        self._noop: Deadline | None = None
        self._timeout: Deadline | None = engine.deadlines.after(engine.options.upgrade_timeout, self._too_late)
        session.upgrading = self._give_up
        self._transport: Transport = upgrade.accept(self, headers)

    def receive(self, frame: str | bytes) -> None:
        if self._timeout is None:
            return  # given up: the session may be gone, or may have another probe
        if frame == "2probe":
            self._transport.send([PONG_PROBE])
            self._engine.deadlines.cancel(self._noop)
            self._noop = self._engine.deadlines.after(NOOP_EVERY, self._hurry)
        elif frame == "5":
            self._cancel()
            transport = self._transport
            transport.receiver = self._session
            self._polling.release()
            self._session.upgrade_to(carrier_of(transport, self._request))
        else:
            self._give_up()

    def on_writable(self) -> None:
        pass  # the one packet that a probe sends does not fill a buffer

    def on_lost(self, reason: str) -> None:
        if self._timeout is not None:
            self._cancel()
            self._session.upgrading = None

    def _hurry(self) -> None:
        self._polling.noop()
        self._noop = self._engine.deadlines.after(NOOP_EVERY, self._hurry)

    def _too_late(self) -> None:
        self._engine.counters.upgrade_timeouts += 1
        self._give_up()

    def _give_up(self) -> None:
        if self._timeout is not None:
            self._cancel()
            self._session.upgrading = None
            self._transport.close()

    def _cancel(self) -> None:
        self._engine.deadlines.cancel(self._timeout)
        self._engine.deadlines.cancel(self._noop)
        self._timeout = self._noop = None
