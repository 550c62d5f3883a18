"""Known attacks on this family of servers: each costs its own client its connection and the server next to nothing.

One test for each class of public advisory that concerns packets, payloads and sessions; frames and heads are in
test_hostile_frames.py and test_hostile_heads.py.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from tests.support.peer import Peer, Poller, target
from tests.support.raw import Closed, Connection, http
from tests.support.servers import Pool, Running
from tests.support.websocket import HANDSHAKE, Refused, WebSocket


@contextmanager
def unharmed(server: Running, seconds: float = 1.0) -> Iterator[None]:
    """Another client is served as before, and soon: nothing blocks the loop for long."""
    with Peer(server.port) as steady:
        assert steady.ask("ack", "before") == "before"
        yield
        started = time.monotonic()
        assert steady.ask("ack", "after") == "after"
        assert time.monotonic() - started < seconds


@pytest.mark.ours  # Node reads what it will refuse
def test_a_body_that_is_announced_too_large_is_refused_before_it_comes(servers: Pool) -> None:
    server = servers.start()
    poller = Poller(server.port)
    with unharmed(server), Connection(server.port) as connection:
        connection.request("POST", poller.target(), {"Content-Length": str(100_000_000)})
        assert connection.response().status == 413


def test_a_body_in_chunks_ends_at_the_limit(servers: Pool) -> None:
    server = servers.start()
    poller = Poller(server.port)
    before = server.resident()
    with unharmed(server), Connection(server.port) as connection:
        connection.send(f"POST {poller.target()} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        with_all = b"".join(b"10000\r\n" + b"x" * 65536 + b"\r\n" for _ in range(40))  # 2.6 MB
        with suppress(ConnectionError):  # refused meanwhile
            connection.send(with_all)
        with suppress(Closed):  # a reset may overtake the answer
            assert connection.response().status == 413
    assert server.resident() - before < 16_000_000


@pytest.mark.parametrize("body", [b"\x1e" * 1_000_000, b"4\x1e" * 499_999, b"\n" * 1_000_000, b"b\x1e" * 499_999])
def test_a_body_of_separators_costs_nothing(servers: Pool, body: bytes) -> None:
    server = servers.start()
    poller = Poller(server.port)
    poller.connect()
    before = server.resident()
    with unharmed(server):
        started = time.monotonic()
        poller.request("POST", body)
        assert time.monotonic() - started < 2
    assert server.resident() - before < (200_000_000 if server.face == "node" else 30_000_000)


def test_many_small_packets_are_no_attack(servers: Pool) -> None:
    """Browsers send many: a hard limit of 16, which one server had, broke real clients."""
    poller = Poller(servers.start().port)
    poller.connect()
    poller.say(*(f'42["echo",{number}]' for number in range(2000)))
    heard: list[str] = []
    while len(heard) < 2000:
        heard += poller.get()
    assert heard == [f'42["echo",{number}]' for number in range(2000)]


CRAFTED = [
    "4" + "5" * 900_000,
    "45" + "1" * 900_000 + '-["x"]',
    "42/" + "x" * 900_000 + ',["x"]',
    "40/" + "x" * 900_000,
    '42["' + "\\" * 900_000,
    "42" + "[" * 900_000,
    '42["echo",' + "-" * 900_000 + "]",
    '42["echo",NaN]',
    '42["echo",Infinity]',
    '42["echo",-Infinity]',
    "42٣" + '["ack"]',
    "45²-" + '["ack",{"_placeholder":true,"num":0}]',
    "42\x00",
    '42["echo"]\x00',
]

TAKEN_BY_NODE = [
    "42" + "1" * 900_000 + '["ack"]',
    "42" + "1" * 900_000,
    '42["x",' + "[" * 450_000 + "]" * 450_000 + "]",
    '42["x",' + '{"a":' * 150_000 + "1" + "}" * 150_000 + "]",
]


@pytest.mark.parametrize(
    "packet",
    [
        *(pytest.param(packet, id=packet[:14]) for packet in CRAFTED),
        *(pytest.param(packet, id=packet[:14], marks=pytest.mark.ours) for packet in TAKEN_BY_NODE),
    ],
)
def test_a_crafted_packet_costs_its_sender_the_connection(servers: Pool, packet: str) -> None:
    server = servers.start()
    with unharmed(server), Peer(server.port) as peer:
        started = time.monotonic()
        peer.websocket.text(packet)
        if packet.startswith("40/"):  # Node has no limit for a name, and refuses it as unknown
            assert peer.websocket.receive_frame()
        else:
            assert peer.ended()
        assert time.monotonic() - started < 1


@pytest.mark.parametrize("number", ["1e999", "-1e999", "1" * 5000, "0." + "1" * 5000, "1e-999", "9" * 400])
def test_a_number_beyond_all_bounds_ends_nothing_else(servers: Pool, number: str) -> None:
    server = servers.start()
    with unharmed(server), Peer(server.port) as peer:
        peer.websocket.text(f'421["describe",{number}]')
        peer.websocket.receive_frame()  # an answer or the end


def test_values_that_cannot_be_sent_again_break_no_room(servers: Pool) -> None:
    server = servers.start()
    with unharmed(server), Peer(server.port) as victim, Peer(server.port) as peer:
        victim.ask("join", "poisoned")
        for poison in ('"\\ud800"', "1e400", '"\\udc00\\ud800"', "123456789012345678901234567890", '{"\\ud800":1}'):
            peer.websocket.text('42["say",{"to":["poisoned"]},"odd",' + poison + "]")
        assert victim.ask("ack", "alive") == "alive"


def test_twenty_thousand_pongs_leave_nothing_behind(servers: Pool) -> None:
    server = servers.start()
    with unharmed(server, 5), Peer(server.port) as peer:
        peer.ask("ack")
        before = server.resident()
        for _ in range(20):
            for _ in range(1000):
                peer.websocket.text("3")
            peer.ask("ack")
        assert server.resident() - before < 20_000_000


def test_noops_and_upgrades_leave_nothing_behind(servers: Pool) -> None:
    server = servers.start()
    with unharmed(server, 5), Peer(server.port) as peer:
        for _ in range(1000):
            peer.websocket.text("6")
        assert peer.ask("ack", "alive") == "alive"


@pytest.mark.parametrize("stage", ["before the head ends", "behind the head", "behind the answer", "behind a frame"])
@pytest.mark.parametrize(
    "query", ["EIO=4&transport=nope", "EIO=4&transport=websocket", "EIO=4&transport=websocket&sid=nope"]
)
def test_a_reset_at_any_stage_of_an_upgrade_harms_nobody(servers: Pool, stage: str, query: str) -> None:
    server = servers.start()
    with unharmed(server):
        for _ in range(30):
            connection = Connection(server.port)
            if stage == "before the head ends":
                connection.send(b"GET /socket.io/?" + query.encode() + b" HTTP/1.1\r\nUpgrade: websocket\r\n")
            else:
                connection.request("GET", f"/socket.io/?{query}", HANDSHAKE)
            if stage in ("behind the answer", "behind a frame"):
                connection.until(b"\r\n\r\n")
            if stage == "behind a frame":
                connection.send(b"\x81\x82\x00\x00\x00\x0040")
            connection.reset()


@pytest.mark.parametrize(
    "sid", ["__proto__", "constructor", "hasOwnProperty", "%00", "..", "A" * 5000, "%F0%9F%98%80", "a&sid=b"]
)
def test_no_other_name_is_a_session(servers: Pool, sid: str) -> None:
    server = servers.start()
    with unharmed(server):
        for transport in ("polling", "websocket"):
            answer = http(server.port, "POST", target(transport, sid), body=b"40")
            assert (answer.status, json.loads(answer.body)["code"]) == (400, 1)
        with pytest.raises(Refused):
            WebSocket(server.port, target("websocket", sid))


@pytest.mark.parametrize(
    "query",
    [
        "EIO=4&EIO=3&transport=polling",
        "EIO=4&transport=polling&transport=websocket",
        "EIO=4&transport[]=polling",
        "EIO[]=4&transport=polling",
        "&&&=&EIO=4&transport=polling&=",
        "EIO=4&transport=polling&j=a&j=1",
        "%",
        "EIO=4&transport=%ff%fe",
    ],
)
def test_an_odd_query_gets_an_answer(servers: Pool, query: str) -> None:
    server = servers.start()
    with unharmed(server):
        assert http(server.port, "GET", f"/socket.io/?{query}").status in (200, 400)
        with Connection(server.port) as connection:
            connection.request("GET", f"/socket.io/?{query}", HANDSHAKE)
            assert connection.response().status in (101, 400, 403)


def test_a_client_that_vanishes_with_half_a_packet_leaves_nothing_behind(servers: Pool) -> None:
    server = servers.start()
    with unharmed(server):
        for _ in range(50):
            with Peer(server.port) as peer:
                peer.websocket.text('452-["echo",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]')
                peer.websocket.frame(2, b"x" * 100_000)
        assert server.resident() < 400_000_000
