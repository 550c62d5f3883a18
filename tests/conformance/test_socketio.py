"""Socket.IO's packets, byte by byte over a WebSocket: what each means, and which of them end the connection.

From the Socket.IO protocol, revision 5, and Node's parser.
"""

from __future__ import annotations

import json

import pytest
from tests.support.peer import Peer, gone, open_websocket
from tests.support.servers import Pool
from tests.support.websocket import BINARY

# Each of these, from a client that is connected to "/", ends its connection.
RUBBISH = [
    "4",
    "4abc",
    "47",
    "49",
    "4-1",
    "42{}",
    '42{"0":"echo"}',
    "42[]",
    "42[null]",
    '42[{"a":"b"}]',
    '42[["echo"]]',
    "42[true]",
    '42["echo"',
    '42["echo",]',
    '42["echo"]x',
    '42"echo"',
    "42null",
    '42["connect"]',
    '42["connect_error"]',
    '42["disconnect"]',
    '42["disconnecting"]',
    '42["newListener"]',
    '42["removeListener"]',
    "431{}",
    '431"x"',
    '43["no id"]x',
    "41{}",
    '41"x"',
    "44",
    '44{"message":"x"}',
    "40",  # a second CONNECT to a namespace that is connected
    "40[1]",
    '40"auth"',
    "40null",
    "401",
    "40{",
    '42/plain,["echo",1]',  # a namespace that it is not in
    "45",
    "450-",
    '450-["echo"]',
    "451",
    '45["echo",1]',
    "451-{}",
    '45x-["echo",{"_placeholder":true,"num":0}]',
    '45-1-["echo",{"_placeholder":true,"num":0}]',
    '451.5-["echo",{"_placeholder":true,"num":0}]',
    '4511-["echo",{"_placeholder":true,"num":0}]',  # 11 attachments, and the limit is 10
    '4599999999999999999999-["echo",{"_placeholder":true,"num":0}]',
    '460-1["x"]',
    b"bytes that no packet announced",
]


# And these, which Node takes for events without a name: what has no payload says nothing.
EMPTY = ["42", "43", "431", "451-", "461-"]


@pytest.mark.parametrize("packet", [*RUBBISH, *(pytest.param(packet, marks=pytest.mark.ours) for packet in EMPTY)])
def test_a_packet_against_the_rules_ends_its_connection_only(servers: Pool, packet: str | bytes) -> None:
    server = servers.start()
    with Peer(server.port) as steady, Peer(server.port) as peer:
        if isinstance(packet, str):
            peer.websocket.text(packet)
        else:
            peer.websocket.frame(BINARY, packet)
        assert peer.ended()
        assert steady.ask("ack", "alive") == "alive"
        assert gone(server, peer.sid)["reason"] in ("parse error", "forced close", "transport error", "transport close")


def test_an_event_before_connect_ends_the_connection(servers: Pool) -> None:
    for packet in ('42["echo",1]', "41", '431["x"]', '451-["echo",{"_placeholder":true,"num":0}]'):
        websocket, _ = open_websocket(servers.start().port)
        with websocket:
            websocket.text(packet)
            if packet.startswith("45"):
                websocket.frame(BINARY, b"x")
            assert websocket.close_code() > 0


@pytest.mark.parametrize(
    "number", ["-1", pytest.param("0.5", marks=pytest.mark.ours), '"0"', "true", "null", "1", "1e9", "[0]", "{}"]
)
def test_a_placeholder_must_name_an_attachment(servers: Pool, number: str) -> None:
    server = servers.start()
    with Peer(server.port) as steady, Peer(server.port) as peer:
        peer.websocket.text(f'451-["echo",{{"_placeholder":true,"num":{number}}}]')
        peer.websocket.frame(BINARY, b"x")
        assert peer.ended()
        assert steady.ask("ack", "alive") == "alive"


def test_a_text_packet_in_place_of_an_attachment_ends_the_connection(servers: Pool) -> None:
    with Peer(servers.start().port) as peer:
        peer.websocket.text('452-["echo",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]')
        peer.websocket.frame(BINARY, b"x")
        peer.websocket.text('42["echo",1]')
        assert peer.ended()


def test_connect_brings_the_id(servers: Pool) -> None:
    websocket, _ = open_websocket(servers.start().port)
    with websocket:
        websocket.text('40{"token":"x"}')
        answer = str(websocket.receive())
        assert answer.startswith("40{")
        assert list(json.loads(answer[2:])) == ["sid"]
        websocket.receive()  # hello
        websocket.text("40/plain,")
        answer = str(websocket.receive())
        assert answer.startswith("40/plain,{")
        websocket.text('42/plain,["echo",1]')
        assert websocket.receive() == '42/plain,["echo",1]'


def test_a_namespace_may_come_without_its_comma(servers: Pool) -> None:
    websocket, _ = open_websocket(servers.start().port)
    with websocket:
        websocket.text("40/plain")
        assert str(websocket.receive()).startswith("40/plain,{")


def test_an_unknown_namespace_refuses_and_the_connection_lives(servers: Pool) -> None:
    with Peer(servers.start().port) as peer:
        peer.websocket.text("40/nowhere,")
        assert peer.wait_for("44") == '44/nowhere,{"message":"Invalid namespace"}'
        assert peer.ask("ack", "alive") == "alive"


def test_a_middleware_refuses_with_data_and_the_connection_lives(servers: Pool) -> None:
    with Peer(servers.start().port) as peer:
        peer.websocket.text('40/admin,{"token":"wrong"}')
        answer = peer.wait_for("44/admin,")
        assert json.loads(answer[9:]) == {"message": "not authorized", "data": {"retry": False}}
        peer.websocket.text('40/admin,{"token":"secret"}')
        assert peer.wait_for("40/admin,").startswith('40/admin,{"sid"')


def test_a_disconnect_leaves_one_namespace(servers: Pool) -> None:
    server = servers.start()
    with Peer(server.port) as peer:
        peer.websocket.text("40/plain,")
        peer.wait_for("40/plain,")
        peer.websocket.text("41")
        assert gone(server, peer.sid)["reason"] == "client namespace disconnect"
        peer.websocket.text('42/plain,1["ack","alive"]')
        assert peer.wait_for("43/plain,") == '43/plain,1["alive"]'


def test_an_event_after_a_disconnect_reaches_nobody(servers: Pool) -> None:
    server = servers.start()
    with Peer(server.port) as steady, Peer(server.port) as peer:
        peer.websocket.text("41")
        peer.websocket.text('42["say",{},"ghost"]')
        gone(server, peer.sid)
        steady.ask("ack")
        assert not any('"ghost"' in str(packet) for packet in steady.unread)


@pytest.mark.parametrize("number", [0, 1, 4294967296, 2**53 - 1])
def test_an_acknowledgement_has_the_number_of_its_event(servers: Pool, number: int) -> None:
    with Peer(servers.start().port) as peer:
        peer.websocket.text(f'42{number}["ack","x"]')
        assert peer.wait_for("43") == f'43{number}["x"]'


def test_an_acknowledgement_of_nothing_is_ignored(servers: Pool) -> None:
    with Peer(servers.start().port) as peer:
        for packet in ('4399["x"]', '430["x"]', "4399[]", '439007199254740991["x"]'):
            peer.websocket.text(packet)
        assert peer.ask("ack", "alive") == "alive"


def test_binary_events_and_acknowledgements(servers: Pool) -> None:
    with Peer(servers.start().port) as peer:
        peer.websocket.text('452-7["ack",{"a":{"_placeholder":true,"num":1}},[{"_placeholder":true,"num":0}]]')
        peer.websocket.frame(BINARY, b"zero")
        peer.websocket.frame(BINARY, b"one")
        head = peer.wait_for("46")
        first, second = peer.receive(), peer.receive()
    assert head.startswith("462-7")
    found = [first, second]
    values = json.loads(head[5:])
    assert found[values[0]["a"]["num"]] == b"one"
    assert found[values[1][0]["num"]] == b"zero"


def test_ten_attachments_are_taken(servers: Pool) -> None:
    with Peer(servers.start().port) as peer:
        places = [{"_placeholder": True, "num": number} for number in range(10)]
        peer.websocket.text("4510-1" + json.dumps(["ack", places]))
        for number in range(10):
            peer.websocket.frame(BINARY, bytes((number,)))
        assert peer.wait_for("46").startswith("4610-1")
        assert [peer.receive() for _ in range(10)] == [bytes((number,)) for number in range(10)]


def test_an_event_may_be_named_by_a_number(servers: Pool) -> None:
    with Peer(servers.start().port) as peer:
        peer.websocket.text("42[0]")
        peer.websocket.text("42[1.5,2]")
        assert peer.ask("ack", "alive") == "alive"


def test_json_with_spaces_is_json(servers: Pool) -> None:
    with Peer(servers.start().port) as peer:
        peer.websocket.text('4212 [ "ack" , { "a" : [ 1 ] } ] ')
        assert peer.wait_for("43") == '4312[{"a":[1]}]'


def test_events_before_the_answer_to_connect_wait_for_nobody(servers: Pool) -> None:
    """A client may not speak in a namespace that has not let it in yet."""
    websocket, _ = open_websocket(servers.start().port)
    with websocket:
        websocket.text("40/slow,")
        websocket.text('42/slow,["echo",1]')
        assert websocket.close_code() > 0
