"""HTTP heads against the rules: two readers that might disagree, lines that never end, upgrades that are none."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest
from tests.conformance.test_attacks import unharmed
from tests.support.peer import Poller, target
from tests.support.raw import Closed, Connection, http
from tests.support.servers import Pool
from tests.support.websocket import HANDSHAKE

OPEN = target("polling")


def answers(connection: Connection) -> list[int]:
    """The statuses of everything that the server answers until it ends the connection."""
    rest = connection.ends()
    return [int(line.split(b" ")[1]) for line in rest.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]


@pytest.mark.parametrize(
    "lines",
    [
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 5x\r\n",
        "Content-Length: 0x5\r\n",
        "Content-Length : 5\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
    ],
)
def test_a_body_of_unclear_length_is_refused(servers: Pool, lines: str) -> None:
    server = servers.start()
    poller = Poller(server.port)
    with unharmed(server), Connection(server.port) as connection:
        smuggled = f"GET {OPEN} HTTP/1.1\r\nHost: a\r\n\r\n"
        connection.send(f"POST {poller.target()} HTTP/1.1\r\nHost: a\r\n{lines}\r\n{smuggled}".encode())
        found = answers(connection)
        assert found in ([400], []), found


def test_a_body_behind_an_upgrade_is_no_request(servers: Pool) -> None:
    server = servers.start()
    with unharmed(server), Connection(server.port) as connection:
        smuggled = f"GET {OPEN} HTTP/1.1\r\nHost: a\r\n\r\n".encode()
        connection.request("GET", target("websocket"), {**HANDSHAKE, "Content-Length": str(len(smuggled))}, smuggled)
        connection.socket.settimeout(1)
        try:
            rest = connection.ends()
        except TimeoutError:
            rest = connection.buffer
        assert rest.count(b"HTTP/1.1 ") <= 1
        assert rest.count(b'"sid"') <= 1


@pytest.mark.parametrize(
    "changed",
    [
        {"Sec-WebSocket-Version": "12"},
        {"Sec-WebSocket-Version": "x"},
        {"Sec-WebSocket-Key": "short"},
        {"Sec-WebSocket-Key": ""},
        {"Upgrade": "websocket, h2c"},
        {"Upgrade": "WebSocket"},
        {"Upgrade": "tcp"},
        {"Upgrade": ", ,"},
        {"Connection": "keep-alive, Upgrade"},
        {"Connection": "close"},
        {"Sec-WebSocket-Protocol": "\xff\xfe"},
        {"Sec-WebSocket-Protocol": ",,,"},
        pytest.param({"Sec-WebSocket-Extensions": 'x; a="' + "\\c" * 5000}, marks=pytest.mark.fast_face),
        {"Sec-WebSocket-Extensions": "permessage-deflate; server_max_window_bits=99"},
        {"Sec-WebSocket-Extensions": "permessage-deflate; " * 300},
        {"X": "y" * 8000},
    ],
    ids=list("abcdefghijklmnop"),
)
def test_an_odd_upgrade_gets_an_answer_soon(servers: Pool, changed: dict[str, str]) -> None:
    server = servers.start(per_message_deflate=True)
    with unharmed(server), Connection(server.port) as connection:
        started = time.monotonic()
        connection.request("GET", target("websocket"), {**HANDSHAKE, **changed})
        with suppress(Closed):
            assert connection.response().status in (101, 400, 403, 426)
        assert time.monotonic() - started < 1


@pytest.mark.parametrize(
    "head",
    [
        b"\r\n\r\n",
        b"GET\r\n\r\n",
        b"\x16\x03\x01\x00\xa5",
        b"GET / HTTP/9.9\r\n\r\n",
        b"A" * 100,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
def test_what_is_no_http_ends_the_connection_only(servers: Pool, head: bytes) -> None:
    server = servers.start()
    with unharmed(server), Connection(server.port) as connection:
        connection.send(head + b"\x00\x00\r\n\r\n")
        assert set(answers(connection)) <= {400, 404, 505}


def test_a_client_that_goes_with_requests_behind_its_poll_ends_its_connection_only(servers: Pool) -> None:
    """The server of the portable face lets them be answered all the same, on a connection that is closed by then."""
    server = servers.start()
    with unharmed(server):
        for _ in range(3):
            poller = Poller(server.port)
            poller.connect()
            opening = f"GET {target('polling')} HTTP/1.1\r\nHost: a\r\n\r\n"
            with Connection(server.port) as connection:
                connection.send(f"GET {poller.target()} HTTP/1.1\r\nHost: a\r\n\r\n{opening * 5}".encode())
                assert http(server.port, "GET", target("polling")).status == 200  # what came before is read by now
                connection.reset()
            poller.post('42["echo",1]')  # which ends the poll, if it is not gone
            assert http(server.port, "GET", target("polling")).status == 200


def test_a_path_with_line_ends_reaches_no_header(servers: Pool) -> None:
    server = servers.start()
    with unharmed(server), Connection(server.port) as connection:
        connection.request("GET", "/socket.io/?EIO=4&transport=polling&x=%0d%0aSet-Cookie:%20a=b")
        assert connection.response().header("set-cookie") is None


@pytest.mark.parametrize(
    "hosts",
    [["a", "b"], ["a", "a"], [""], ["a b"], ["a/../b"], ["evil.example@a"], ["a:99999"], ["\xff"], ["http://a"]],
    ids=ascii,
)
def test_an_odd_host_opens_no_door(servers: Pool, hosts: list[str]) -> None:
    server = servers.start()
    lines = "".join(f"Host: {host}\r\n" for host in hosts) + "Origin: http://evil.example\r\n"
    upgrade = "".join(f"{name}: {value}\r\n" for name, value in HANDSHAKE.items())
    with unharmed(server):
        for more, path in (("", OPEN), (upgrade, target("websocket"))):
            with Connection(server.port) as connection:
                connection.send(f"GET {path} HTTP/1.1\r\n{lines}{more}\r\n".encode("latin-1"))
                answer = connection.response()
                assert answer.status in ((400, 403) if more else (200, 400, 403))
                assert answer.header("access-control-allow-origin") is None


@pytest.mark.ours  # Node's reader takes some of them, as ours takes none
@pytest.mark.parametrize(
    "body",
    [
        b"2\n40\r\n0\r\n\r\n",
        b"2\r40\r\n0\r\n\r\n",
        b"2\r\n40\n0\r\n\r\n",
        b"2\r\n400\r\n\r\n",
        b"2\r\n40\r\r0\r\n\r\n",
        b"2;x\n40\r\n0\r\n\r\n",
        b"0x2\r\n40\r\n0\r\n\r\n",
        b" 2\r\n40\r\n0\r\n\r\n",
        b"-2\r\n40\r\n0\r\n\r\n",
        b"10000000000000002\r\n40\r\n0\r\n\r\n",
    ],
    ids=repr,
)
def test_chunks_with_wrong_ends_carry_no_second_request(servers: Pool, body: bytes) -> None:
    server = servers.start(limits={"body_idle": 0.4})
    poller = Poller(server.port)
    with unharmed(server), Connection(server.port) as connection:
        head = f"POST {poller.target()} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        connection.send(head.encode() + body + f"GET {OPEN} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        assert answers(connection) in ([400], [408], [])
    assert not poller.alive()


@pytest.mark.fast_face
def test_a_head_that_is_too_large_is_refused(servers: Pool) -> None:
    server = servers.start()
    with unharmed(server), Connection(server.port) as connection:
        connection.request("GET", OPEN, {"X": "y" * 17_000})
        assert connection.response().status == 431


@pytest.mark.fast_face
def test_a_head_with_too_many_lines_is_refused(servers: Pool) -> None:
    server = servers.start()
    with unharmed(server), Connection(server.port) as connection:
        connection.request("GET", OPEN, {f"X-{number}": "y" for number in range(120)})
        assert connection.response().status == 431


@pytest.mark.fast_face
def test_a_head_that_does_not_come_is_given_up(servers: Pool) -> None:
    server = servers.start(limits={"header_time": 0.4})
    for beginning in (b"", b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nX: "):
        with Connection(server.port) as connection:
            started = time.monotonic()
            connection.send(beginning)
            found = answers(connection)
            assert found in ([408], [] if not beginning else [408])
            assert 0.3 < time.monotonic() - started < 1.2


@pytest.mark.ours
def test_a_body_that_stops_is_given_up(servers: Pool) -> None:
    server = servers.start(limits={"body_idle": 0.4})
    poller = Poller(server.port)
    with Connection(server.port) as connection:
        started = time.monotonic()
        connection.request("POST", poller.target(), {"Content-Length": "1000"}, b"4")
        assert connection.response().status == 408
        assert 0.3 < time.monotonic() - started < 1.2


@pytest.mark.ours
def test_a_body_that_drips_is_given_up(servers: Pool) -> None:
    server = servers.start(limits={"body_idle": 0.4, "poll_time": 1.0})
    poller = Poller(server.port)
    with Connection(server.port) as connection:
        started = time.monotonic()
        connection.request("POST", poller.target(), {"Content-Length": "1000"}, b"4")
        connection.socket.settimeout(0.1)
        while not connection.buffer and time.monotonic() - started < 3:
            with suppress(TimeoutError):
                connection.read()
            with suppress(ConnectionError):
                connection.send(b"x")
        assert 0.9 < time.monotonic() - started < 1.6
        assert connection.response().status == 408
        assert not poller.alive()


ENDLESS = {
    "one trailer": (b"0\r\nX: ", b"y" * 65_536),
    "many trailers": (b"0\r\n", b"X: y\r\n" * 10_000),
    "a chunk's extension": (b"1;x=", b"y" * 65_536),
    "a chunk's size": (b"", b"0" * 65_536),
}


@pytest.mark.fast_face
@pytest.mark.parametrize("kind", ENDLESS)
def test_what_surrounds_the_chunks_of_a_body_has_a_bound(servers: Pool, kind: str) -> None:
    server = servers.start()
    poller = Poller(server.port)
    beginning, part = ENDLESS[kind]
    with unharmed(server), Connection(server.port) as connection:
        head = f"POST {poller.target()} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        before = server.resident()
        connection.send(head.encode() + beginning)
        with suppress(ConnectionError):  # refused meanwhile
            for _ in range(200):  # 13 MB
                connection.send(part)
        with suppress(Closed):  # a reset may overtake the answer
            assert connection.response().status in ((400, 431) if kind == "a chunk's size" else (431,))
        assert server.resident() - before < 4_000_000
        assert not poller.alive()
