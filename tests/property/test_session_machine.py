"""A session, its polls, its probe and its upgrade in random order, with messages both ways.

Whatever the order, nothing is lost, doubled or reordered, and nothing that a client may do ends its session.
"""

from __future__ import annotations

from collections import deque

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.support.fakes import Ears, FakeExchange, FakeTransport, World

from flocket.codec import engineio3, payload

Message = str | bytes

HONEST = 10.0  # seconds; a ping has to be answered within 20


class SessionMachine(RuleBasedStateMachine):
    """The client is an honest one: it stops polling before it upgrades, and answers pings."""

    protocol = 4

    @initialize()
    def handshake(self) -> None:
        self.world = World(allow_eio3=True, upgrade_timeout=2.0)
        self.query = f"EIO={self.protocol}&transport=polling"
        self.ears: Ears = self.world.poller(self.query)
        self.sid = self.ears.session.id
        self.number = 0
        self.sent: list[Message] = []  # by the server
        self.came: list[Message] = []  # to the client
        self.said: list[Message] = []  # by the client
        self.owed: deque[str] = deque()  # pongs
        self.silent = 0.0  # seconds in which it may not have read what the server has for it
        self.poll: FakeExchange | None = None
        self.probe: FakeTransport | None = None
        self.paused = False
        self.websocket: FakeTransport | None = None
        self.seen = 0

    def message(self, binary: bool) -> Message:
        self.number += 1
        return str(self.number).encode() if binary else f"{self.number} é\x1f"

    # -- the server -------------------------------------------------------------------------------------

    @rule(binary=st.lists(st.booleans(), min_size=1, max_size=4))
    def server_sends(self, binary: list[bool]) -> None:
        for kind in binary:
            message = self.message(kind)
            self.sent.append(message)
            self.ears.session.send_message(message)

    @rule()
    def the_turn_ends(self) -> None:
        self.world.clock.turn()
        self.collect()

    @rule(seconds=st.sampled_from([0.01, 0.11, 1.0, 5.0]))
    def time_passes(self, seconds: float) -> None:
        if self.silent + seconds > HONEST:
            self.listens()
        self.silent += seconds
        self.world.clock.advance(seconds)
        self.collect()
        self.heartbeat()

    def listens(self) -> None:
        """An honest client is never long without a poll, or without reading its WebSocket."""
        if self.websocket is not None and not self.websocket.writable:
            self.websocket.drain()
        elif self.polling and self.poll is None:
            self.poll = self.world.poll(self.sid, self.query)
        self.collect()
        self.heartbeat()
        self.silent = 0.0

    # -- the client, polling ----------------------------------------------------------------------------

    @property
    def polling(self) -> bool:
        return self.websocket is None and not self.paused

    @precondition(lambda self: self.polling and self.poll is None)
    @rule()
    def client_polls(self) -> None:
        self.poll = self.world.poll(self.sid, self.query)
        self.collect()

    @precondition(lambda self: self.polling)
    @rule(binary=st.lists(st.booleans(), min_size=1, max_size=4))
    def client_posts(self, binary: list[bool]) -> None:
        messages = [self.message(kind) for kind in binary]
        self.said += messages
        self.post([encode(message) for message in messages])

    def post(self, packets: list[str]) -> None:
        if self.protocol == 3:
            body = "".join(f"{len(packet)}:{packet}" for packet in packets)
        else:
            body = "\x1e".join("b" + packet[2:] if packet[:2] == "b4" else packet for packet in packets)
        answer = self.world.post(self.sid, body.encode(), self.query).result
        assert (answer.status, answer.body) == (200, b"ok")

    # -- the client, upgrading --------------------------------------------------------------------------

    @precondition(lambda self: self.websocket is None and self.probe is None)
    @rule()
    def client_probes(self) -> None:
        upgrade = self.world.upgrade(f"EIO={self.protocol}&transport=websocket&sid={self.sid}")
        self.probe = upgrade.accepted
        assert self.probe.closed is None
        self.probe.receive("2probe")
        assert self.probe.sent == [b"3probe"]

    @precondition(lambda self: self.probe is not None and not self.paused)
    @rule(how=st.sampled_from(["rubbish", "lost"]))
    def the_probe_fails(self, how: str) -> None:
        assert self.probe is not None
        if how == "lost":
            self.probe.lose()
        else:
            self.probe.receive("4too early")
            assert self.probe.closed is not None
        self.probe = None

    @precondition(lambda self: self.probe is not None and not self.paused)
    @rule()
    def client_stops_polling(self) -> None:
        self.paused = True

    @precondition(lambda self: self.paused and self.poll is None)
    @rule()
    def client_upgrades(self) -> None:
        assert self.probe is not None
        self.probe.receive("5")
        self.websocket, self.probe, self.paused = self.probe, None, False
        self.seen = 1
        self.collect()
        self.heartbeat()

    # -- the client, over its WebSocket -----------------------------------------------------------------

    @precondition(lambda self: self.websocket is not None)
    @rule(binary=st.booleans())
    def client_says(self, binary: bool) -> None:
        assert self.websocket is not None
        message = self.message(binary)
        self.said.append(message)
        if isinstance(message, str):
            self.websocket.receive("4" + message)
        else:
            self.websocket.receive(b"\x04" + message if self.protocol == 3 else message)

    @precondition(lambda self: self.websocket is not None)
    @rule()
    def client_reads_no_more(self) -> None:
        assert self.websocket is not None
        self.websocket.stall()

    @precondition(lambda self: self.websocket is not None and not self.websocket.writable)
    @rule()
    def client_reads_again(self) -> None:
        assert self.websocket is not None
        self.websocket.drain()
        self.collect()
        self.heartbeat()

    @precondition(lambda self: self.websocket is not None)
    @rule()
    def an_old_request_is_a_mismatch(self) -> None:
        assert self.world.poll(self.sid, self.query).result.status == 400

    # -- what came --------------------------------------------------------------------------------------

    def collect(self) -> None:
        if self.poll is not None and self.poll.answer is not None:
            answer, self.poll = self.poll.result, None
            assert answer.status == 200
            if self.protocol == 3:
                binary = answer.headers["content-type"] == "application/octet-stream"
                packets = list(engineio3.decode_payload(answer.body, binary, 10_000))
            else:
                packets = list(payload.decode_payload(answer.body, 10_000))
            for kind, data in packets:
                self.take(kind, data)
        if self.websocket is not None:
            frames = self.websocket.frames[self.seen :]
            self.seen += len(frames)
            for frame in frames:
                if frame.binary:
                    self.came.append(frame.raw)
                else:
                    text = frame.payload.decode()
                    self.take(text[0], text[1:])
        if self.probe is not None and self.probe.closed is not None:  # upgrade_timeout: it goes on polling
            self.probe, self.paused = None, False

    def take(self, kind: str, data: Message) -> None:
        if kind == "4":
            self.came.append(data)
        elif kind == "2":
            self.owed.append("3")
        else:
            assert kind in ("3", "6"), f"unexpected packet {kind!r}"

    def heartbeat(self) -> None:
        """Answer what is owed (4), or ping (3)."""
        packets = list(self.owed) if self.protocol == 4 else ["2"]
        if self.websocket is not None:
            for packet in packets:
                self.websocket.receive(packet)
        elif not self.paused and packets:
            self.post(packets)
        else:
            return
        self.owed.clear()

    @invariant()
    def nothing_is_lost_doubled_or_reordered(self) -> None:
        if hasattr(self, "ears"):
            assert self.ears.closed == []
            assert self.came == self.sent[: len(self.came)]
            assert self.ears.heard == self.said

    def teardown(self) -> None:
        if not hasattr(self, "ears"):
            return
        if self.websocket is not None and not self.websocket.writable:
            self.websocket.drain()
        self.world.clock.turn()
        self.collect()
        for _ in range(3):
            if self.websocket is None and len(self.came) < len(self.sent):
                self.poll = self.poll or self.world.poll(self.sid, self.query)
                self.collect()
        assert self.came == self.sent
        assert self.ears.heard == self.said
        last = "last words"
        self.sent.append(last)
        self.ears.session.send_message(last)
        self.ears.session.close()
        if self.websocket is None and self.poll is None:
            self.poll = self.world.poll(self.sid, self.query)
        if self.poll is not None:
            assert last.encode() in self.poll.result.body
            self.world.poll(self.sid, self.query)  # and another for the close packet
        else:
            self.collect()
            assert self.came == self.sent
        assert self.ears.closed == [("forced close", "")]
        assert self.world.engine.sessions == {}


class OlderSessionMachine(SessionMachine):
    protocol = 3


def encode(message: Message) -> str:
    """As protocol 3 writes it in a text payload, and 4 nearly so."""
    if isinstance(message, str):
        return "4" + message
    return engineio3.message(message, supports_binary=False).payload.decode()


TestSession = SessionMachine.TestCase
TestSession.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestOlderSession = OlderSessionMachine.TestCase
TestOlderSession.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
