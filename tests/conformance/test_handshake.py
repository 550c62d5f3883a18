"""The first request: what opens a session, on which path, with which headers.

From the Engine.IO protocol, revision 4, "Handshake", and Node's answers.
"""

from __future__ import annotations

import re

import pytest
from tests.support.peer import Peer, Poller, open_websocket, target
from tests.support.raw import Closed, http
from tests.support.servers import Pool
from tests.support.websocket import Refused, WebSocket

SID = re.compile(r"[A-Za-z0-9_-]{20}")


def test_polling_opens_with_the_facts_of_the_session(servers: Pool) -> None:
    poller = Poller(servers.start().port)
    assert SID.fullmatch(poller.open.pop("sid"))
    assert poller.open == {
        "upgrades": ["websocket"],
        "pingInterval": 25000,
        "pingTimeout": 20000,
        "maxPayload": 1000000,
    }
    assert poller.opening.header("content-type") == "text/plain; charset=UTF-8"
    assert poller.opening.header("cache-control") == "no-store"


def test_websocket_opens_with_the_facts_of_the_session(servers: Pool) -> None:
    websocket, facts = open_websocket(servers.start().port)
    with websocket:
        assert SID.fullmatch(facts.pop("sid"))
        assert facts == {"upgrades": [], "pingInterval": 25000, "pingTimeout": 20000, "maxPayload": 1000000}


def test_options_show_in_the_open_packet(servers: Pool) -> None:
    server = servers.start(ping_interval=11.5, ping_timeout=7.25, max_payload=4321, allow_upgrades=False)
    facts = Poller(server.port).open
    del facts["sid"]
    assert facts == {"upgrades": [], "pingInterval": 11500, "pingTimeout": 7250, "maxPayload": 4321}


def test_session_ids_never_repeat(servers: Pool) -> None:
    port = servers.start().port
    sids = {Poller(port).open["sid"] for _ in range(50)}
    assert len(sids) == 50


def test_socket_id_differs_from_the_session_id(servers: Pool) -> None:
    with Peer(servers.start().port) as peer:
        assert SID.fullmatch(peer.sid)
        assert peer.sid != peer.open["sid"]


@pytest.mark.parametrize("path", ["/", "/other/", "/socket.iox/", "/socket.i/", "/SOCKET.IO/"])
def test_other_paths_are_not_ours(servers: Pool, path: str) -> None:
    assert http(servers.start().port, "GET", path + "?EIO=4&transport=polling").status == 404


@pytest.mark.parametrize("path", ["/", "/other/", "/socket.iox/"])
def test_other_paths_open_no_websocket(servers: Pool, path: str) -> None:
    with pytest.raises((Refused, Closed)):
        WebSocket(servers.start().port, path + "?EIO=4&transport=websocket")


def test_a_path_may_be_chosen(servers: Pool) -> None:
    server = servers.start(path="/realtime")
    assert http(server.port, "GET", "/realtime/?EIO=4&transport=polling").text.startswith('0{"sid"')
    assert http(server.port, "GET", target("polling")).status == 404
    WebSocket(server.port, "/realtime/?EIO=4&transport=websocket").socket.close()


def test_headers_may_be_added_to_the_first_answer_and_to_every_answer(servers: Pool) -> None:
    poller = Poller(servers.start().port)
    assert (poller.opening.header("x-initial"), poller.opening.header("x-every")) == ("yes", "yes")
    later = poller.post("40")
    assert (later.header("x-initial"), later.header("x-every")) == (None, "yes")
    websocket, _ = open_websocket(servers.start().port)
    with websocket:
        assert websocket.response101.header("x-initial") == "yes"
        assert websocket.response101.header("x-every") == "yes"


def test_no_cookie_unless_asked_for(servers: Pool) -> None:
    assert Poller(servers.start().port).opening.header("set-cookie") is None


def test_a_cookie_carries_the_session_id_of_the_handshake_only(servers: Pool) -> None:
    server = servers.start(cookie={"name": "io", "path": "/", "http_only": True, "same_site": "lax"})
    poller = Poller(server.port)
    cookie = poller.opening.header("set-cookie") or ""
    assert cookie.split("; ")[0] == f"io={poller.sid}"
    assert {part.lower() for part in cookie.split("; ")[1:]} == {"path=/", "httponly", "samesite=lax"}
    assert poller.post("40").header("set-cookie") is None


def test_a_session_id_is_never_the_clients_choice(servers: Pool) -> None:
    port = servers.start().port
    for transport in ("polling", "websocket"):
        answer = http(port, "GET", target(transport, "AAAAAAAAAAAAAAAAAAAA"))
        assert (answer.status, answer.text) == (400, '{"code":1,"message":"Session ID unknown"}')


def test_one_transport_may_be_all_there_is(servers: Pool) -> None:
    only_polling = servers.start(transports=["polling"])
    with pytest.raises((Refused, Closed)):
        WebSocket(only_polling.port, target("websocket"))
    only_websocket = servers.start(transports=["websocket"])
    answer = http(only_websocket.port, "GET", target("polling"))
    assert (answer.status, answer.text) == (400, '{"code":0,"message":"Transport unknown"}')
    open_websocket(only_websocket.port)[0].socket.close()


@pytest.mark.parametrize(
    ("offered", "agreed"), [(None, None), ("one", "one"), ("one, two.2", "one"), ("two,one", "two")]
)
def test_the_first_subprotocol_that_is_offered_is_agreed_on(servers: Pool, offered: str | None, agreed: str) -> None:
    """The official client's `protocols`: a browser ends a connection that agrees on none of them."""
    headers = {} if offered is None else {"Sec-WebSocket-Protocol": offered}
    with WebSocket(servers.start().port, target("websocket"), headers) as websocket:
        assert websocket.response101.header("sec-websocket-protocol") == agreed
        assert str(websocket.receive()).startswith("0{")
