"""The way from polling to WebSocket: the probe, what may go wrong on it, and what must not be lost.

From the Engine.IO protocol, revision 4, "Upgrade".
"""

from __future__ import annotations

import json
import time

import pytest
from tests.support.peer import Peer, Poller, gone, target
from tests.support.raw import Connection, http
from tests.support.servers import Pool
from tests.support.websocket import HANDSHAKE, TEXT, WebSocket, masked


def probe(poller: Poller) -> WebSocket:
    """A WebSocket for the session that has been probed."""
    websocket = WebSocket(poller.port, target("websocket", poller.sid, poller.eio))
    websocket.text("2probe")
    assert websocket.receive() == "3probe"
    return websocket


def test_a_poll_is_released_and_messages_go_on_over_websocket(servers: Pool) -> None:
    poller = Poller(servers.start().port)
    poller.connect()
    with Connection(poller.port) as poll:
        poll.request("GET", poller.target())
        started = time.monotonic()
        with probe(poller) as websocket:
            assert poll.response().text == "6"
            assert time.monotonic() - started < 1
            websocket.text("5")
            websocket.text('42["echo",1]')
            assert websocket.receive() == '42["echo",1]'


def test_a_poll_that_comes_while_probing_is_released(servers: Pool) -> None:
    poller = Poller(servers.start().port)
    poller.connect()
    with probe(poller) as websocket:
        assert poller.get() == ["6"]
        assert poller.get() == ["6"]
        websocket.text("5")
        websocket.text('421["ack"]')
        assert websocket.receive() == "431[]"


def test_what_was_said_before_the_upgrade_comes_before_what_is_said_after(servers: Pool) -> None:
    server = servers.start()
    poller = Poller(server.port)
    sid = poller.connect()
    with probe(poller) as websocket, Peer(server.port) as peer:
        poller.say('42["echo","polled"]')
        for number in range(20):
            peer.emit("say", {"to": [sid]}, "news", number)
        peer.ask("ack")
        websocket.text("5")
        websocket.text('42["echo","after"]')
        heard = [websocket.receive() for _ in range(22)]
    assert heard == ['42["echo","polled"]', *(f'42["news",{number}]' for number in range(20)), '42["echo","after"]']


def test_messages_during_the_probe_still_come_by_poll(servers: Pool) -> None:
    server = servers.start()
    poller = Poller(server.port)
    sid = poller.connect()
    with probe(poller), Peer(server.port) as peer:
        peer.emit("say", {"to": [sid]}, "news", 1)
        peer.ask("ack")
        heard: list[str] = []
        while '42["news",1]' not in heard:
            heard += poller.get()
    assert set(heard) <= {'42["news",1]', "6"}


def test_a_first_frame_that_is_no_probe_ends_the_websocket_only(servers: Pool) -> None:
    poller = Poller(servers.start().port)
    for first in ("4hello", "2", "3probe", "2prob", "x", "1"):
        with WebSocket(poller.port, target("websocket", poller.sid)) as websocket:
            websocket.text(first)
            websocket.close_code()
        assert poller.alive(), first


def test_a_message_in_place_of_the_upgrade_ends_the_websocket_only(servers: Pool) -> None:
    poller = Poller(servers.start().port)
    with probe(poller) as websocket:
        websocket.text("4hello")
        websocket.close_code()
    assert poller.alive()


def test_an_upgrade_that_is_not_finished_in_time_ends_the_websocket_only(servers: Pool) -> None:
    poller = Poller(servers.start(upgrade_timeout=0.3).port)
    with probe(poller) as websocket:
        started = time.monotonic()
        websocket.close_code()
        assert 0.2 < time.monotonic() - started < 0.8
    assert poller.alive()
    with probe(poller) as websocket:  # and may be tried again
        websocket.text("5")
        websocket.text("40")
        assert str(websocket.receive()).startswith('40{"sid"')


def test_a_websocket_that_breaks_while_probing_leaves_the_session(servers: Pool) -> None:
    poller = Poller(servers.start().port)
    probe(poller).reset()
    probe_again = WebSocket(poller.port, target("websocket", poller.sid))
    probe_again.reset()
    poller.connect()
    assert poller.alive()


def test_a_second_websocket_while_one_is_probing_is_closed(servers: Pool) -> None:
    poller = Poller(servers.start().port)
    poller.connect()
    with probe(poller) as first:
        with WebSocket(poller.port, target("websocket", poller.sid)) as second:
            second.close_code()
        first.text("5")
        first.text('421["ack"]')
        assert first.receive() == "431[]"


def test_a_session_that_has_upgraded_does_not_upgrade_again(servers: Pool) -> None:
    poller = Poller(servers.start().port)
    poller.connect()
    with probe(poller) as first:
        first.text("5")
        first.text('421["ack"]')
        assert first.receive() == "431[]"
        with WebSocket(poller.port, target("websocket", poller.sid)) as second:
            second.close_code()
        first.text('422["ack"]')
        assert first.receive() == "432[]"


def test_after_the_upgrade_polling_is_refused(servers: Pool) -> None:
    poller = Poller(servers.start().port)
    poller.connect()
    with probe(poller) as websocket:
        websocket.text("5")
        websocket.text('421["ack"]')
        assert websocket.receive() == "431[]"
        for method in ("GET", "POST"):
            answer = poller.request(method)
            assert (answer.status, json.loads(answer.body)["code"]) == (400, 3)
        websocket.text('422["ack"]')
        assert websocket.receive() == "432[]"


def test_frames_behind_the_upgrade_packet_are_not_lost(servers: Pool) -> None:
    poller = Poller(servers.start().port)
    poller.connect()
    with WebSocket(poller.port, target("websocket", poller.sid)) as websocket:
        websocket.send(b"".join(masked(TEXT, part) for part in (b"2probe", b"5", b'42["echo",1]', b'42["echo",2]')))
        assert [websocket.receive() for _ in range(3)] == ["3probe", '42["echo",1]', '42["echo",2]']


def test_a_session_that_ends_while_probing_ends_its_websocket(servers: Pool) -> None:
    server = servers.start()
    poller = Poller(server.port)
    sid = poller.connect()
    with probe(poller) as websocket:
        poller.post("1")
        websocket.close_code()
    assert gone(server, sid)["reason"] == "transport close"


@pytest.mark.ours  # Node offers no upgrade, but takes one
def test_without_upgrades_a_websocket_for_a_polling_session_is_closed(servers: Pool) -> None:
    poller = Poller(servers.start(allow_upgrades=False).port)
    with WebSocket(poller.port, target("websocket", poller.sid)) as websocket:
        websocket.text("2probe")
        websocket.close_code()
    assert poller.alive()


def test_an_unknown_session_does_not_upgrade(servers: Pool) -> None:
    port = servers.start().port
    answer = http(port, "GET", target("websocket", "A" * 20), HANDSHAKE)
    assert (answer.status, answer.text) == (400, "Session ID unknown")
