"""Who pings whom, how often, and when a silent peer is given up, with the documents' timing scaled down.

Engine.IO 4: the server pings each ping_interval and waits ping_timeout for the pong. Engine.IO 3: the client pings,
and the server waits for both together.
"""

from __future__ import annotations

import time

import pytest
from tests.support.peer import Peer, Poller, gone, open_websocket
from tests.support.raw import Closed
from tests.support.servers import Pool, Running
from tests.support.websocket import WebSocket

INTERVAL, TIMEOUT = 0.3, 0.25
LATE = 0.35  # what a busy machine may add


def brisk(servers: Pool) -> Running:
    return servers.start(ping_interval=INTERVAL, ping_timeout=TIMEOUT, allow_eio3=True)


def ends_after(websocket: WebSocket) -> float:
    """Seconds until the server ends the connection."""
    started = time.monotonic()
    websocket.close_code()
    return time.monotonic() - started


def test_the_server_pings_each_interval(servers: Pool) -> None:
    websocket, _ = open_websocket(brisk(servers).port)
    with websocket:
        for _ in range(4):
            started = time.monotonic()
            assert websocket.receive() == "2"
            assert INTERVAL - 0.05 < time.monotonic() - started < INTERVAL + LATE
            websocket.text("3")


def test_the_server_pings_over_polling(servers: Pool) -> None:
    poller = Poller(brisk(servers).port)
    for _ in range(3):
        assert poller.get() == ["2"]
        poller.say("3")
    assert poller.alive()


def test_a_client_that_does_not_answer_is_given_up(servers: Pool) -> None:
    websocket, _ = open_websocket(brisk(servers).port)
    with websocket:
        took = ends_after(websocket)
    assert INTERVAL + TIMEOUT - 0.05 < took < INTERVAL + TIMEOUT + LATE


def test_a_client_that_never_polls_is_given_up(servers: Pool) -> None:
    server = brisk(servers)
    poller = Poller(server.port)
    sid = poller.connect()
    assert gone(server, sid) == {"reason": "ping timeout", "rooms": []}
    assert not poller.alive()


def test_the_reason_is_ping_timeout(servers: Pool) -> None:
    server = brisk(servers)
    peer = Peer(server.port)
    with peer:
        peer.websocket.close_code()  # reads, and never answers a ping
        assert gone(server, peer.sid)["reason"] == "ping timeout"


def test_any_packet_proves_life_once_for_each_ping(servers: Pool) -> None:
    websocket, _ = open_websocket(brisk(servers).port)
    with websocket:
        assert websocket.receive() == "2"
        started = time.monotonic()
        for _ in range(3):  # the first counts; the others come too late to count again
            time.sleep(TIMEOUT * 0.3)  # the rhythm is what is tested
            websocket.text("6")
        websocket.close_code()
        took = time.monotonic() - started
    assert TIMEOUT * 1.3 - 0.05 < took < TIMEOUT * 1.3 + LATE
    assert took < TIMEOUT * 1.9 + 0.1


def test_a_pong_that_nobody_asked_for_changes_nothing(servers: Pool) -> None:
    with Peer(brisk(servers).port) as peer:
        for _ in range(100):
            peer.websocket.text("3")
        assert peer.ask("ack", "alive") == "alive"


def test_a_client_of_protocol_4_must_not_ping(servers: Pool) -> None:
    server = brisk(servers)
    with Peer(server.port) as peer:
        peer.websocket.text("2")
        assert peer.ended()
        assert gone(server, peer.sid)["reason"] == "transport error"


def test_a_client_of_protocol_3_pings_and_the_server_answers(servers: Pool) -> None:
    websocket, _ = open_websocket(brisk(servers).port, eio=3)
    with websocket:
        read_connect(websocket)
        for _ in range(4):
            time.sleep(0.2)  # the client's own rhythm
            websocket.text("2")
            assert websocket.receive() == "3"


def test_a_client_of_protocol_3_is_never_pinged_and_given_up_when_silent(servers: Pool) -> None:
    websocket, _ = open_websocket(brisk(servers).port, eio=3)
    with websocket:
        read_connect(websocket)
        started = time.monotonic()
        with pytest.raises(Closed):
            websocket.receive()
        took = time.monotonic() - started
    assert INTERVAL + TIMEOUT - 0.1 < took < INTERVAL + TIMEOUT + LATE


def test_a_client_of_protocol_3_must_not_pong(servers: Pool) -> None:
    websocket, _ = open_websocket(brisk(servers).port, eio=3)
    with websocket:
        read_connect(websocket)
        websocket.text("3")
        assert ends_after(websocket) < INTERVAL


def test_a_client_in_no_namespace_is_given_up(servers: Pool) -> None:
    websocket, _ = open_websocket(servers.start(connect_timeout=0.3).port)
    with websocket:
        assert 0.25 < ends_after(websocket) < 0.3 + LATE


def test_a_client_that_left_its_last_namespace_may_stay(servers: Pool) -> None:
    server = servers.start(connect_timeout=0.3)
    with Peer(server.port) as peer:
        peer.websocket.text("41")
        assert gone(server, peer.sid)["reason"] == "client namespace disconnect"
        time.sleep(0.5)  # longer than it may take to connect
        peer.websocket.text("40")
        assert peer.wait_for("40").startswith('40{"sid"')


def read_connect(websocket: WebSocket) -> None:
    """What a server says to a client of protocol 3 at once: CONNECT, and the test server's hello."""
    assert websocket.receive() == "40"
    assert str(websocket.receive()).startswith('42["hello"')
