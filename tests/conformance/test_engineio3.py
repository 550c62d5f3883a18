"""Engine.IO 3, as clients 2.x speak it: payloads with lengths, base64, bytes, and who says CONNECT first.

From the Engine.IO protocol, revision 3, and the Socket.IO protocol, revision 4.
"""

from __future__ import annotations

import pytest
from tests.support.peer import Peer, Poller, gone, open_websocket, target
from tests.support.raw import http
from tests.support.servers import Pool, Running
from tests.support.websocket import BINARY, WebSocket


def old(servers: Pool) -> Running:
    return servers.start(allow_eio3=True)


def test_a_session_opens_and_is_connected_at_once(servers: Pool) -> None:
    poller = Poller(old(servers).port, 3)
    assert set(poller.open) >= {"sid", "upgrades", "pingInterval", "pingTimeout"}
    assert poller.open["upgrades"] == ["websocket"]
    assert poller.opening.header("content-type") == "text/plain; charset=UTF-8"
    packets = poller.early
    while len(packets) < 2:
        packets += poller.get()
    assert packets == ["40", f'42["hello","{poller.sid}"]']


def test_without_the_option_protocol_3_is_refused(servers: Pool) -> None:
    answer = http(servers.start().port, "GET", target("polling", eio=3))
    assert answer.text == '{"code":5,"message":"Unsupported protocol version"}'


def test_lengths_count_as_javascript_counts(servers: Pool) -> None:
    poller = Poller(old(servers).port, 3)
    poller.connect()
    text = '42["echo","ü☃😀"]'
    answer = poller.request("POST", f"{len(text) + 1}:{text}1:6".encode())
    assert answer.text == "ok"
    assert poller.hear(1) == [text]


def test_packets_of_one_body_are_taken_in_order(servers: Pool) -> None:
    poller = Poller(old(servers).port, 3)
    poller.connect()
    poller.say('42["echo",1]', '42["echo",2]', '42["echo",3]')
    assert poller.hear(3) == ['42["echo",1]', '42["echo",2]', '42["echo",3]']


def test_a_ping_is_answered_in_a_poll(servers: Pool) -> None:
    poller = Poller(old(servers).port, 3)
    poller.connect()
    poller.say("2")
    assert poller.hear(1) == ["3"]


def test_binary_is_base64_when_asked_for(servers: Pool) -> None:
    poller = Poller(old(servers).port, 3, b64="1")
    poller.connect()
    poller.say('451-["echo",{"_placeholder":true,"num":0}]', "b4AQID/w==")
    assert poller.hear(2) == ['451-["echo",{"_placeholder":true,"num":0}]', "b4AQID/w=="]


def test_binary_is_bytes_otherwise(servers: Pool) -> None:
    poller = Poller(old(servers).port, 3)
    poller.connect()
    head = b'451-["echo",{"_placeholder":true,"num":0}]'
    body = packet3(head, binary=False) + packet3(b"\x04\x01\x02\xff", binary=True)
    answer = poller.request("POST", body, {"Content-Type": "application/octet-stream"})
    assert answer.text == "ok"
    answer = poller.request("GET")
    assert answer.header("content-type") == "application/octet-stream"
    assert answer.body == body


def packet3(data: bytes, binary: bool) -> bytes:
    """A packet of a binary payload: its kind, its length in digits as bytes, 255, and itself."""
    return bytes((1 if binary else 0, *(int(digit) for digit in str(len(data))), 255)) + data


@pytest.mark.parametrize("body", [b"x", b"5:4", b"99999999999999999999:4", b"-1:4", b"1:41", b":4", b"1:", b"4hello"])
def test_a_wrong_payload_ends_the_session(servers: Pool, body: bytes) -> None:
    server = old(servers)
    poller = Poller(server.port, 3)
    sid = poller.connect()
    assert poller.request("POST", body).status in (200, 400)
    poller.request("GET")  # Node tells the client before it lets it go
    assert gone(server, sid)["reason"] in ("parse error", "transport error", "forced close")


def test_binary_over_websocket_begins_with_its_type(servers: Pool) -> None:
    websocket, _ = open_websocket(old(servers).port, eio=3)
    with websocket:
        assert websocket.receive() == "40"
        websocket.receive()
        websocket.text('451-["echo",{"_placeholder":true,"num":0}]')
        websocket.frame(BINARY, b"\x04\x01\x02")
        assert websocket.receive() == '451-["echo",{"_placeholder":true,"num":0}]'
        assert websocket.receive() == b"\x04\x01\x02"


def test_binary_over_websocket_may_be_base64(servers: Pool) -> None:
    websocket, _ = open_websocket(old(servers).port, eio=3)
    with websocket:
        assert websocket.receive() == "40"
        websocket.receive()
        websocket.text('451-1["ack",{"_placeholder":true,"num":0}]')
        websocket.text("b4AQI=")
        assert websocket.receive() == '461-1[{"_placeholder":true,"num":0}]'
        assert websocket.receive() == b"\x04\x01\x02"


def test_the_upgrade(servers: Pool) -> None:
    poller = Poller(old(servers).port, 3)
    poller.connect()
    with WebSocket(poller.port, target("websocket", poller.sid, 3)) as websocket:
        websocket.text("2probe")
        assert websocket.receive() == "3probe"
        assert poller.get() == ["6"]
        websocket.text("5")
        websocket.text('42["echo",1]')
        assert websocket.receive() == '42["echo",1]'
        websocket.text("2")
        assert websocket.receive() == "3"


def test_a_namespace_is_entered_with_its_query(servers: Pool) -> None:
    poller = Poller(old(servers).port, 3)
    poller.connect()
    poller.say("40/admin?token=secret,")
    (answer,) = poller.hear(1)
    assert answer.rstrip(",") == "40/admin"
    poller.say('42/admin,1["who am i"]')
    (answer,) = poller.hear(1)
    assert answer == f'43/admin,1[{{"id":"/admin#{poller.sid}","nsp":"/admin","transport":"polling"}}]'


def test_a_refusal_brings_the_data(servers: Pool) -> None:
    poller = Poller(old(servers).port, 3)
    poller.connect()
    poller.say("40/admin?token=wrong,")
    assert poller.hear(1) == ['44/admin,{"retry":false}']


def test_a_namespace_that_does_not_exist_refuses(servers: Pool) -> None:
    poller = Poller(old(servers).port, 3)
    poller.connect()
    poller.say("40/nowhere,")
    assert poller.hear(1) == ['44/nowhere,{"message":"Invalid namespace"}']


def test_clients_of_both_protocols_share_a_room(servers: Pool) -> None:
    server = old(servers)
    poller = Poller(server.port, 3)
    poller.connect()
    poller.say('421["join","both"]')
    assert poller.hear(1) == ['431[["both"]]']
    with Peer(server.port) as peer:
        peer.ask("join", "both")
        peer.emit("say", {"to": ["both"]}, "news", "☃")
        assert peer.wait_for("42") == '42["news","☃"]'
    assert poller.hear(1) == ['42["news","☃"]']
