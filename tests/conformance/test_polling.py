"""Engine.IO 4 over polling: a GET waits, a POST delivers, one of each at a time; what breaks the rules ends it.

From the Engine.IO protocol, revision 4, "HTTP long-polling", and Node's statuses.
"""

from __future__ import annotations

import time

import pytest
from tests.support.peer import SEPARATOR, Peer, Poller, gone
from tests.support.raw import Connection, http
from tests.support.servers import Pool


def test_a_post_is_answered_ok(servers: Pool) -> None:
    answer = Poller(servers.start().port).post("40")
    assert (answer.status, answer.text) == (200, "ok")
    assert answer.header("content-type") == "text/html"
    assert answer.header("cache-control") == "no-store"


def test_packets_of_one_body_are_taken_in_order(servers: Pool) -> None:
    poller = Poller(servers.start().port)
    poller.connect()
    poller.say('42["echo",1]', '42["echo",2]', '42["echo","☃\\u001e"]')
    heard = poller.hear(3)
    assert heard == ['42["echo",1]', '42["echo",2]', '42["echo","☃\\u001e"]']


def test_binary_is_base64_in_a_body(servers: Pool) -> None:
    poller = Poller(servers.start().port)
    poller.connect()
    poller.say('451-["echo",{"_placeholder":true,"num":0}]', "bAQID/w==")
    assert poller.hear(2) == ['451-["echo",{"_placeholder":true,"num":0}]', "bAQID/w=="]


def test_a_message_between_two_polls_comes_with_the_next_in_order(servers: Pool) -> None:
    server = servers.start()
    poller = Poller(server.port)
    sid = poller.connect()
    with Peer(server.port) as peer:
        for number in range(20):
            peer.emit("say", {"to": [sid]}, "news", number)
        peer.ask("ack")
    assert poller.hear(20) == [f'42["news",{number}]' for number in range(20)]


def test_a_poll_waits_for_a_message(servers: Pool) -> None:
    server = servers.start()
    poller = Poller(server.port)
    sid = poller.connect()
    with Connection(server.port) as poll, Peer(server.port) as peer:
        poll.request("GET", poller.target())
        peer.emit("say", {"to": [sid]}, "news", 1)
        assert poll.response().text == '42["news",1]'
        poll.request("GET", poller.target())  # the same connection serves the next
        peer.emit("say", {"to": [sid]}, "news", 2)
        assert poll.response().text == '42["news",2]'


def test_a_second_poll_ends_the_session(servers: Pool) -> None:
    server = servers.start()
    poller = Poller(server.port)
    sid = poller.connect()
    with Connection(server.port) as first:
        first.request("GET", poller.target())
        witness_waits(server.port)
        second = poller.request("GET")
        assert (second.status, second.body) == (400, b"")
        assert first.response().status == 200  # it is not left waiting
    assert gone(server, sid)["reason"] == "transport error"
    assert not poller.alive()


def test_a_second_post_ends_the_session(servers: Pool) -> None:
    server = servers.start()
    poller = Poller(server.port)
    sid = poller.connect()
    with Connection(server.port) as first:
        first.request("POST", poller.target(), {"Content-Length": "100"}, b"4")
        witness_waits(server.port)
        second = poller.post("6")
        assert (second.status, second.body) == (400, b"")
        if server.face != "node":  # which drops the connection
            assert first.response().status == 400  # at once, though its body is not all there
    assert gone(server, sid)["reason"] == "transport error"


def test_octet_stream_is_refused_whole_and_at_once(servers: Pool) -> None:
    server = servers.start()
    poller = Poller(server.port)
    sid = poller.connect()
    started = time.monotonic()
    answer = poller.request("POST", b"4x", {"Content-Type": "application/octet-stream"})
    assert (answer.status, answer.body) == (400, b"")
    assert time.monotonic() - started < 1
    assert gone(server, sid)["reason"] == "transport error"


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
def test_other_methods_on_a_session_are_refused(servers: Pool, method: str) -> None:
    poller = Poller(servers.start().port)
    assert poller.request(method).status == 500
    assert poller.alive()


@pytest.mark.parametrize("size", [4321, 4320])
def test_a_body_may_have_max_payload_bytes(servers: Pool, size: int) -> None:
    poller = Poller(servers.start(max_payload=4321).port)
    poller.connect()
    text = "x" * (size - len('42["echo",""]'))
    poller.say(f'42["echo","{text}"]')
    assert poller.hear(1) == [f'42["echo","{text}"]']


def test_a_larger_body_is_too_large(servers: Pool) -> None:
    poller = Poller(servers.start(max_payload=4321).port)
    poller.connect()
    answer = poller.request("POST", b"4" + b"x" * 4321)
    assert (answer.status, answer.body) == (413, b"")
    assert poller.alive()


def test_a_larger_body_in_chunks_is_too_large(servers: Pool) -> None:
    poller = Poller(servers.start(max_payload=4321).port)
    poller.connect()
    with Connection(poller.port) as connection:
        connection.request("POST", poller.target(), {"Transfer-Encoding": "chunked", "Content-Length": ""})
        assert connection.response().status == 400  # both lengths at once: two readers could disagree
    with Connection(poller.port) as connection:
        connection.send(f"POST {poller.target()} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        for _ in range(5):
            connection.send(b"3e8\r\n" + b"x" * 1000 + b"\r\n")
        assert connection.response().status == 413


def test_a_body_in_chunks_is_read_whole(servers: Pool) -> None:
    poller = Poller(servers.start().port)
    poller.connect()
    with Connection(poller.port) as connection:
        connection.send(f"POST {poller.target()} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        for part in (b"42[", b'"echo"', b",1]", b""):
            connection.send(f"{len(part):x}\r\n".encode() + part + b"\r\n")
        assert connection.response().body == b"ok"
    assert poller.hear(1) == ['42["echo",1]']


@pytest.mark.parametrize("packet", ["x", "4\x1e\x1e4", "b!", "7", "9hello", "bAQ==\x1e?"])
def test_rubbish_ends_the_session(servers: Pool, packet: str) -> None:
    server = servers.start()
    poller = Poller(server.port)
    sid = poller.connect()
    assert poller.post(packet).status in (200, 400)
    poller.request("GET")  # Node tells the client before it lets it go
    assert gone(server, sid)["reason"] in ("parse error", "transport error", "forced close", "transport close")
    assert not poller.alive()


def test_a_close_packet_ends_the_session_and_its_poll(servers: Pool) -> None:
    server = servers.start()
    poller = Poller(server.port)
    sid = poller.connect()
    with Connection(server.port) as poll:
        poll.request("GET", poller.target())
        witness_waits(server.port)
        assert poller.post("1").status == 200
        assert poll.response().text in ("6", "1")
    assert gone(server, sid)["reason"] == "transport close"
    assert http(server.port, "GET", poller.target()).text == '{"code":1,"message":"Session ID unknown"}'


def test_a_poll_that_is_dropped_ends_the_session(servers: Pool) -> None:
    server = servers.start()
    poller = Poller(server.port)
    sid = poller.connect()
    with Connection(server.port) as poll:
        poll.request("GET", poller.target())
        witness_waits(server.port)
    assert gone(server, sid)["reason"] == "transport error"


def test_a_post_that_is_dropped_ends_the_session(servers: Pool) -> None:
    server = servers.start()
    poller = Poller(server.port)
    sid = poller.connect()
    with Connection(server.port) as post:
        post.request("POST", poller.target(), {"Content-Length": "100"}, b"42[")
        witness_waits(server.port)
    assert gone(server, sid)["reason"] == "transport error"


def test_a_server_that_disconnects_sends_what_it_said_first(servers: Pool) -> None:
    poller = Poller(servers.start().port)
    poller.connect()
    poller.say('42["echo","last words"]', '42["disconnect me",true]')
    heard = []
    while "1" not in heard:
        heard += poller.get()
    assert heard[0] == '42["echo","last words"]'
    assert not poller.alive()


def witness_waits(port: int) -> None:
    """Whatever was sent before has been read by the server once a later client has had its answer."""
    for _ in range(3):
        with Peer(port) as witness:
            witness.ask("ack")


def test_the_separator_within_a_body_separates(servers: Pool) -> None:
    poller = Poller(servers.start().port)
    poller.connect()
    poller.request("POST", f'42["echo",1]{SEPARATOR}6{SEPARATOR}42["echo",2]'.encode())
    assert poller.hear(2) == ['42["echo",1]', '42["echo",2]']
