"""Each limit of one client, set low: what is under it is served, what is over it ends that client."""

from __future__ import annotations

import time
from typing import Any

import pytest
from tests.support.peer import Peer, Poller, gone, open_websocket, target
from tests.support.raw import http
from tests.support.servers import Pool, Running, until
from tests.support.websocket import BINARY, Refused, WebSocket

pytestmark = pytest.mark.ours

LIMITS: dict[str, Any] = {
    "packets_per_payload": 100,
    "json_depth": 20,
    "namespace_bytes": 32,
    "namespaces": 3,
    "attachments": 4,
    "attachment_bytes": 10_000,
    "attachment_time": 0.5,
    "send_bytes": 200_000,
    "send_time": 0.3,
    "close_time": 0.5,
}


def strict(servers: Pool) -> Running:
    return servers.start(limits=LIMITS)


def test_packets_of_one_body(servers: Pool) -> None:
    poller = Poller(strict(servers).port)
    poller.connect()
    poller.say(*["6"] * 100)
    assert poller.post(*["6"] * 101).status == 400
    assert not poller.alive()


@pytest.mark.parametrize(("depth", "lives"), [(19, True), (25, False)])
@pytest.mark.parametrize("shape", ["[]", "{}"])
def test_depth_of_json(servers: Pool, shape: str, depth: int, lives: bool) -> None:
    opening, closing = ("[", "]") if shape == "[]" else ('{"a":', "}")
    with Peer(strict(servers).port) as peer:
        peer.websocket.text('421["ack",' + opening * (depth - 1) + "1" + closing * (depth - 1) + "]")
        if lives:
            assert peer.wait_for("431[")
        else:
            assert peer.ended()


def test_brackets_within_strings_are_not_depth(servers: Pool) -> None:
    with Peer(strict(servers).port) as peer:
        assert peer.ask("ack", "[{" * 500 + '"\\"[[[[') == "[{" * 500 + '"\\"[[[['


def test_length_of_a_namespace(servers: Pool) -> None:
    with Peer(strict(servers).port) as peer:
        peer.websocket.text("40/" + "x" * 31 + ",")
        assert peer.wait_for("44").endswith('{"message":"Invalid namespace"}')
        peer.websocket.text("40/" + "x" * 32 + ",")
        assert peer.ended()


def test_namespaces_of_one_client(servers: Pool) -> None:
    with Peer(strict(servers).port) as peer:
        for name in ("/dynamic-1", "/dynamic-2"):
            peer.websocket.text(f"40{name},")
            peer.wait_for(f"40{name},")
        peer.websocket.text("40/dynamic-3,")
        opcode, _ = peer.websocket.receive_frame()  # refused, or the end
        assert opcode
        with Peer(strict(servers).port) as witness:
            assert witness.ask("created", "/dynamic-3") == 0


def test_attachments_of_one_packet(servers: Pool) -> None:
    with Peer(strict(servers).port) as peer:
        peer.websocket.text('455-["echo"]')
        assert peer.ended()


def test_bytes_of_all_attachments(servers: Pool) -> None:
    with Peer(strict(servers).port) as peer:
        peer.websocket.text('454-["echo",' + ",".join(f'{{"_placeholder":true,"num":{n}}}' for n in range(4)) + "]")
        for _ in range(3):
            peer.websocket.frame(BINARY, b"x" * 4_000)
        assert peer.ended()


def test_time_until_the_last_attachment(servers: Pool) -> None:
    server = strict(servers)
    with Peer(server.port) as peer:
        started = time.monotonic()
        peer.websocket.text('451-["echo",{"_placeholder":true,"num":0}]')
        assert peer.ended()
        assert 0.4 < time.monotonic() - started < 1.5


def test_a_client_that_does_not_read_is_closed_and_slows_nobody(servers: Pool) -> None:
    server = strict(servers)
    with Peer(server.port) as sleeper, Peer(server.port) as reader:
        sleeper.ask("join", "crowd")
        reader.ask("join", "crowd")
        before = server.resident()
        big = "x" * 100_000
        for number in range(120):  # 12 MB, more than any socket's buffer holds
            reader.emit("say", {"to": ["crowd"]}, "news", number, big)
            assert reader.wait_for("42").startswith(f'42["news",{number},')
        assert gone(server, sleeper.sid)["reason"] == "slow consumer"
        assert server.resident() - before < 30_000_000


def test_a_poller_that_does_not_poll_is_closed(servers: Pool) -> None:
    server = strict(servers)
    poller = Poller(server.port)
    sid = poller.connect()
    with Peer(server.port) as peer:
        for number in range(20):
            peer.emit("say", {"to": [sid]}, "news", number, "x" * 50_000)
        assert gone(server, sid)["reason"] == "slow consumer"


def test_a_volatile_event_is_lost_on_who_is_not_ready(servers: Pool) -> None:
    server = servers.start()
    poller = Poller(server.port)
    sid = poller.connect()
    with Peer(server.port) as peer:
        peer.emit("say", {"to": [sid], "volatile": True}, "news", "lost")
        peer.emit("say", {"to": [sid]}, "news", "kept")
        peer.ask("ack")
    assert poller.get() == ['42["news","kept"]']


@pytest.mark.fast_face
def test_a_close_that_is_not_answered(servers: Pool) -> None:
    websocket, _ = open_websocket(strict(servers).port)
    with websocket:
        websocket.text("40")
        websocket.receive()
        started = time.monotonic()
        websocket.text('42["disconnect me",true]')
        websocket.close_code()
        websocket.ends()
        assert time.monotonic() - started < 2


def test_sessions_in_no_namespace(servers: Pool) -> None:
    server = servers.start(limits={"unconnected": 5})
    pollers = [Poller(server.port) for _ in range(5)]
    answer = http(server.port, "GET", target("polling"))
    assert answer.status == 503
    assert answer.header("retry-after")
    with pytest.raises(Refused) as refused:
        WebSocket(server.port, target("websocket"))
    assert refused.value.response.status == 503
    pollers[0].connect()  # makes room for one
    until("room for another", lambda: http(server.port, "GET", target("polling")).status == 200)
