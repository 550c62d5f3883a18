"""Every numbered error, with Node's codes, bodies and order, in HTTP and on the upgrade to WebSocket."""

from __future__ import annotations

import json

import pytest
from tests.support.peer import Peer, Poller, target
from tests.support.raw import Connection, http
from tests.support.servers import Pool
from tests.support.websocket import HANDSHAKE, Refused, WebSocket

MESSAGES = {
    0: "Transport unknown",
    1: "Session ID unknown",
    2: "Bad handshake method",
    3: "Bad request",
    4: "come back later",
    5: "Unsupported protocol version",
}

# Method, query, code. Where two things are wrong, the first in the order transport, sid, method, protocol counts.
HTTP_ERRORS = [
    ("GET", "EIO=4", 0),
    ("GET", "EIO=4&transport=", 0),
    ("GET", "EIO=4&transport=nope", 0),
    ("GET", "EIO=4&transport=webtransport", 0),
    ("GET", "EIO=4&transport=constructor", 0),
    ("GET", "EIO=4&transport=__proto__", 0),
    ("GET", "EIO=4&transport=toString", 0),
    ("GET", "EIO=4&transport=POLLING", 0),
    ("POST", "EIO=4&transport=nope&sid=nope", 0),
    ("GET", "EIO=4&transport=polling&sid=nope", 1),
    ("POST", "EIO=4&transport=polling&sid=nope", 1),
    ("GET", "EIO=4&transport=polling&sid=__proto__", 1),
    ("GET", "EIO=4&transport=polling&sid=constructor", 1),
    ("GET", "EIO=9&transport=polling&sid=nope", 1),
    ("POST", "EIO=4&transport=polling", 2),
    ("PUT", "EIO=4&transport=polling", 2),
    ("DELETE", "EIO=4&transport=polling", 2),
    ("OPTIONS", "EIO=4&transport=polling", 2),
    ("POST", "EIO=3&transport=polling", 2),
    ("POST", "EIO=4&transport=websocket", 2),
    ("GET", "EIO=4&transport=websocket", 3),
    ("GET", "EIO=3&transport=websocket", 3),
    ("GET", "EIO=4&transport=polling&refuse=come%20back%20later", 4),
    ("GET", "transport=polling", 5),
    ("GET", "EIO=3&transport=polling", 5),
    ("GET", "EIO=2&transport=polling", 5),
    ("GET", "EIO=abc&transport=polling", 5),
    ("GET", "EIO=&transport=polling", 5),
]

UPGRADE_ERRORS = [
    ("EIO=4", 0),
    ("EIO=4&transport=nope", 0),
    ("EIO=4&transport=constructor", 0),
    ("EIO=4&transport=__proto__", 0),
    ("EIO=4&transport=webtransport", 0),
    ("EIO=4&transport=websocket&sid=nope", 1),
    ("EIO=4&transport=websocket&sid=__proto__", 1),
    ("EIO=4&transport=websocket&refuse=come%20back%20later", 4),
]


@pytest.mark.parametrize(("method", "query", "code"), HTTP_ERRORS)
def test_a_refused_request_gets_its_number(servers: Pool, method: str, query: str, code: int) -> None:
    answer = http(servers.start().port, method, f"/socket.io/?{query}")
    assert answer.status == (403 if code == 4 else 400)
    assert answer.header("content-type") == "application/json"
    assert json.loads(answer.body) == {"code": code, "message": MESSAGES[code]}


@pytest.mark.parametrize(("query", "code"), UPGRADE_ERRORS)
def test_a_refused_upgrade_gets_its_words(servers: Pool, query: str, code: int) -> None:
    with pytest.raises(Refused) as refused:
        WebSocket(servers.start().port, f"/socket.io/?{query}")
    answer = refused.value.response
    assert (answer.status, answer.text) == (400, MESSAGES[code])
    assert answer.header("connection") == "close"
    assert (answer.header("content-type") or "").startswith("text/html")


@pytest.mark.ours  # Node has switched to WebSocket by then, and writes the refusal into it
@pytest.mark.parametrize("query", ["transport=websocket", "EIO=3&transport=websocket", "EIO=5&transport=websocket"])
def test_an_unsupported_protocol_is_refused_before_the_upgrade(servers: Pool, query: str) -> None:
    with pytest.raises(Refused) as refused:
        WebSocket(servers.start().port, f"/socket.io/?{query}")
    assert (refused.value.response.status, refused.value.response.text) == (400, MESSAGES[5])


def test_a_refused_upgrade_ends_its_connection(servers: Pool) -> None:
    with Connection(servers.start().port) as connection:
        connection.request("GET", "/socket.io/?EIO=4&transport=nope", HANDSHAKE)
        assert connection.response().status == 400
        assert connection.ends() == b""


def test_an_origin_that_no_header_may_carry_is_a_bad_request(servers: Pool) -> None:
    answer = http(servers.start().port, "GET", target("polling"), {"Origin": "http://a\x7fb"})
    assert answer.status == 400


def test_a_session_cannot_change_its_protocol(servers: Pool) -> None:
    server = servers.start(allow_eio3=True)
    poller = Poller(server.port)
    for eio in (3, None):
        answer = http(server.port, "POST", target("polling", poller.sid, eio), body=b"6")
        assert json.loads(answer.body) == {"code": 3, "message": "Bad request"}
        with pytest.raises(Refused) as refused:
            WebSocket(server.port, target("websocket", poller.sid, eio))
        assert (refused.value.response.status, refused.value.response.text) == (400, "Bad request")
    assert poller.alive()


def test_a_session_over_polling_takes_no_request_of_websocket(servers: Pool) -> None:
    poller = Poller(servers.start().port)
    answer = http(poller.port, "GET", target("websocket", poller.sid))
    assert json.loads(answer.body) == {"code": 3, "message": "Bad request"}
    assert poller.alive()


def test_a_session_over_websocket_takes_no_poll(servers: Pool) -> None:
    with Peer(servers.start().port) as peer:
        for method in ("GET", "POST"):
            answer = http(servers.start().port, method, target("polling", peer.open["sid"]), body=b"")
            assert json.loads(answer.body) == {"code": 3, "message": "Bad request"}
        assert peer.ask("ack", "alive") == "alive"


def test_each_refusal_is_told_to_connection_error(servers: Pool) -> None:
    server = servers.start(ping_interval=24)
    http(server.port, "GET", "/socket.io/?EIO=4&transport=nope")
    http(server.port, "GET", "/socket.io/?EIO=4&transport=polling&sid=nope")
    http(server.port, "POST", "/socket.io/?EIO=4&transport=polling")
    http(server.port, "GET", "/socket.io/?EIO=4&transport=websocket")
    http(server.port, "GET", "/socket.io/?EIO=4&transport=polling&refuse=no")
    http(server.port, "GET", "/socket.io/?EIO=3&transport=polling")
    with Peer(server.port) as peer:
        told = peer.ask("refusals")
    assert [(code, message) for code, message, _ in told] == [
        (0, "Transport unknown"),
        (1, "Session ID unknown"),
        (2, "Bad handshake method"),
        (3, "Bad request"),
        (4, "Forbidden"),
        (5, "Unsupported protocol version"),
    ]
    assert told[3][2] == "TRANSPORT_HANDSHAKE_ERROR"
