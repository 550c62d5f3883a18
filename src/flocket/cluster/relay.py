"""Serve a request whose session another worker owns: its engine there gets it as if it had come to it.

Knows which worker owns a session, and which requests are under way; does not know faces, nor what sessions say.

The worker that got the request tells the owner its head, and does to the request what it is told (relay_sender.py).
At the owner, objects stand in for the request that a face would have made, and the engine asks them as ever
(relay_owner.py). What one side says arrives at the other in order, so a session cannot tell the difference.
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Callable

import msgspec

from flocket.adapters.buses.mesh import NO_MORE
from flocket.cluster.neighbours import Neighbour, Neighbours
from flocket.cluster.relay_owner import Remote
from flocket.cluster.relay_sender import Forwarded
from flocket.cluster.relay_words import (
    ACCEPT,
    ANSWER,
    BINARY,
    BODY,
    CLOSE,
    FRAMES,
    GONE,
    NUMBER,
    RELEASE,
    REQUEST,
    TEXT,
    WROTE,
    Head,
)
from flocket.engine.contracts import Exchange, Upgrade
from flocket.engine.engine import Engine
from flocket.engine.request import Request, parse_query
from flocket.engine.sid import tag_of
from flocket.observe import Counters
from flocket.options import EngineOptions

__all__ = ["Relay", "RelayEngine"]

log = logging.getLogger("flocket.cluster")

_decode_head = msgspec.msgpack.Decoder(Head).decode


class Relay:
    """All relaying of one worker. `front` gives what a face should serve in an engine's place."""

    def __init__(self, mesh: Neighbours) -> None:
        self.mesh = mesh
        self.relayed = 0
        self._engines: list[Engine] = []
        self._ours: dict[int, Forwarded] = {}  # got here, owned by a sibling
        self._theirs: dict[tuple[Neighbour, int], Remote] = {}  # owned here, got by a sibling
        self._last = 0
        for kind, to_owner in (
            (BODY, Remote.on_body),
            (TEXT, Remote.on_text),
            (BINARY, Remote.on_binary),
            (WROTE, Remote.on_wrote),
            (GONE, Remote.on_gone_there),
            (RELEASE, Remote.on_release),
        ):
            mesh.receive(kind, self._for_theirs(to_owner))
        for kind, to_sender in (
            (ANSWER, Forwarded.on_answer),
            (ACCEPT, Forwarded.on_accept),
            (FRAMES, Forwarded.on_frames),
            (CLOSE, Forwarded.on_close),
        ):
            mesh.receive(kind, self._for_ours(to_sender))
        mesh.receive(REQUEST, self._on_request)
        mesh.on_down.append(self._on_down)

    @property
    def pending(self) -> int:
        """Requests and WebSockets that are here and owned elsewhere: they count in draining."""
        return len(self._ours)

    def front(self, engine: Engine) -> RelayEngine:
        """This engine, with the sessions that the other nodes have under its path."""
        self._engines.append(engine)
        return RelayEngine(self, engine)

    def leave(self) -> None:
        """End the polls that wait here for their owners, without harm to their sessions: they poll elsewhere."""
        for forwarded in list(self._ours.values()):
            forwarded.release()

    # -- requests that came here

    def owner(self, request: Request, engine: Engine) -> Neighbour | None:
        """Who has this request's session, if it is a sibling that lives."""
        sid = request.query.get("sid")
        if not sid or sid in engine.sessions or request.method == "OPTIONS":
            return None
        tag = tag_of(sid)
        return self.mesh.peers.get(tag) if tag is not None else None

    def heir(self, request: Request) -> Neighbour | None:
        """Who takes a new session in place of this worker, which drains; None if none can, or none is asked for.

        A connection that is kept between requests stays here until it is told to close. Not to become a WebSocket,
        which would end with this worker.
        """
        if request.method != "GET" or "sid" in request.query:
            return None
        best = min((peer for peer in self.mesh.peers.values() if peer.up), key=lambda peer: peer.load, default=None)
        return best if best is not None and best.load != NO_MORE else None

    def forward(self, engine: Engine, peer: Neighbour, asked: Exchange | Upgrade, *, upgrade: bool) -> None:
        """Let `peer` serve it."""
        self.relayed += 1
        self._last += 1
        forwarded = Forwarded(self.mesh, engine, peer, self._last, asked, upgrade, self._forwarded_ended)
        self._ours[self._last] = forwarded
        asked.on_gone = forwarded.gone
        if peer.up:
            forwarded.start()
        else:
            forwarded.wait()

    def _forwarded_ended(self, number: int) -> None:
        self._ours.pop(number, None)

    # -- requests that siblings got

    def _on_request(self, peer: Neighbour, payload: bytes, fd: int | None) -> None:
        try:
            (number,) = NUMBER.unpack_from(payload)
            head = _decode_head(memoryview(payload)[NUMBER.size :])
        except (struct.error, msgspec.MsgspecError):
            self.mesh.garbage += 1
            return
        engine = self._engine_of(head)
        if engine is None:
            self.mesh.garbage += 1  # a sibling that runs another program
            return
        request = Request(
            head.method,
            head.path,
            head.query,
            head.headers,
            peer=head.peer,
            peer_port=head.peer_port,
            secure=head.secure,
            http_version=head.http_version,
            trusted_proxies=engine.options.trusted_proxies,
        )
        remote = Remote(self.mesh, peer, number, engine, request, head.body, self._remote_ended)
        self._theirs[peer, number] = remote
        try:
            if head.upgrade:
                engine.upgrade(remote)
            else:
                engine.handle(remote)
        except Exception:
            log.exception("a relayed request could not be served")
            remote.respond(500, [], b"", close=True)

    def _engine_of(self, head: Head) -> Engine | None:
        """Where its session is; else, for the refusal, any that is meant."""
        if len(self._engines) == 1:
            return self._engines[0]
        sid = parse_query(head.query).get("sid", "")
        meant = [engine for engine in self._engines if engine.options.path == head.engine] or self._engines
        return next((engine for engine in meant if sid in engine.sessions), meant[0] if meant else None)

    def _remote_ended(self, peer: Neighbour, number: int) -> None:
        self._theirs.pop((peer, number), None)

    # -- frames about them

    def _for_theirs(self, act: Callable[[Remote, bytes], None]) -> Callable[[Neighbour, bytes, int | None], None]:
        def receive(peer: Neighbour, payload: bytes, fd: int | None) -> None:
            try:
                remote = self._theirs.get((peer, NUMBER.unpack_from(payload)[0]))
                if remote is not None:  # else it ended while this was on its way
                    act(remote, payload[NUMBER.size :])
            except (struct.error, UnicodeDecodeError):
                self.mesh.garbage += 1

        return receive

    def _for_ours(self, act: Callable[[Forwarded, bytes], None]) -> Callable[[Neighbour, bytes, int | None], None]:
        def receive(peer: Neighbour, payload: bytes, fd: int | None) -> None:
            try:
                forwarded = self._ours.get(NUMBER.unpack_from(payload)[0])
                if forwarded is not None and forwarded.peer is peer:
                    act(forwarded, payload[NUMBER.size :])
            except (struct.error, msgspec.MsgspecError):
                self.mesh.garbage += 1

        return receive

    def _on_down(self, peer: Neighbour, why: str) -> None:
        for forwarded in [f for f in self._ours.values() if f.peer is peer]:
            forwarded.owner_down(why)
        if why == "gone":
            for remote in [r for (got_by, _), r in self._theirs.items() if got_by is peer]:
                remote.on_gone_there(b"transport close")


class RelayEngine:
    """An engine as a face sees it, with the sessions of other nodes. `beyond` has what is none of theirs."""

    def __init__(self, relay: Relay, engine: Engine) -> None:
        self.engine = engine
        self.beyond: Engine | RelayEngine = engine
        self._relay = relay

    def on_gone(self, told: Callable[[str], object]) -> None:
        """Tell the tag of each node that is gone."""

        def on_down(peer: Neighbour, why: str) -> None:
            if why == "gone":
                told(peer.tag)

        self._relay.mesh.on_down.append(on_down)

    @property
    def options(self) -> EngineOptions:
        return self.engine.options

    @property
    def counters(self) -> Counters:
        return self.engine.counters

    @property
    def draining(self) -> bool:
        return self.engine.draining

    def handle(self, exchange: Exchange) -> None:
        """Serve one HTTP request, here or where its session is, or is to be."""
        peer = self._relay.owner(exchange.request, self.engine)
        if peer is None and self.engine.draining:
            peer = self._relay.heir(exchange.request)
        if peer is None:
            self.beyond.handle(exchange)
        else:
            self._relay.forward(self.engine, peer, exchange, upgrade=False)

    def upgrade(self, upgrade: Upgrade) -> None:
        """Serve one request to become a WebSocket, here or where its session is."""
        peer = self._relay.owner(upgrade.request, self.engine)
        if peer is None:
            self.beyond.upgrade(upgrade)
        else:
            self._relay.forward(self.engine, peer, upgrade, upgrade=True)
