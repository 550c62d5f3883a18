"""Which pages may come: headers for the pages that are named, nothing for others, one rule for HTTP and WebSocket."""

from __future__ import annotations

import pytest
from tests.support.peer import Poller, target
from tests.support.raw import Response, http
from tests.support.servers import Pool, Running
from tests.support.websocket import Refused, WebSocket

FRIEND = "https://friend.example"
FOE = "https://foe.example"


def ask(server: Running, origin: str, host: str = "127.0.0.1") -> Response:
    return http(server.port, "GET", target("polling"), {"Origin": origin}, host=host)


def preflight(server: Running, origin: str) -> Response:
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "x-one, x-two",
    }
    return http(server.port, "OPTIONS", target("polling"), headers)


def upgraded(server: Running, origin: str, host: str = "127.0.0.1") -> int:
    """The status that a WebSocket from that page gets."""
    try:
        with WebSocket(server.port, target("websocket"), {"Origin": origin}, host=host):
            return 101
    except Refused as refused:
        return refused.response.status


def test_by_default_no_page_of_elsewhere_may_read(servers: Pool) -> None:
    assert ask(servers.start(), FOE).header("access-control-allow-origin") is None


@pytest.mark.ours
@pytest.mark.parametrize("origin", [FOE, "null", "https://sub.127.0.0.1", "http://127.0.0.1.foe.example", "file://"])
def test_by_default_no_page_of_elsewhere_may_come(servers: Pool, origin: str) -> None:
    server = servers.start()
    assert ask(server, origin).status == 403
    assert upgraded(server, origin) == 403


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://127.0.0.1", "127.0.0.1"),
        ("http://127.0.0.1:8080", "127.0.0.1:3000"),
        ("https://chat.example", "chat.example"),  # nginx's `Host $host` drops the port
        ("https://chat.example:8443", "chat.example"),
        ("https://CHAT.example", "chat.example"),
        ("http://[::1]:3000", "[::1]"),
    ],
)
def test_by_default_pages_of_the_same_host_may_come(servers: Pool, origin: str, host: str) -> None:
    server = servers.start()
    assert ask(server, origin, host).status == 200
    assert upgraded(server, origin, host) == 101


def test_by_default_clients_without_origin_may_come(servers: Pool) -> None:
    server = servers.start()
    assert Poller(server.port).opening.header("access-control-allow-origin") is None
    WebSocket(server.port, target("websocket")).socket.close()


def test_any_page_may_come(servers: Pool) -> None:
    server = servers.start(cors_origins="*")
    assert ask(server, FOE).header("access-control-allow-origin") == "*"
    assert upgraded(server, FOE) == 101


def test_pages_that_are_named_may_come(servers: Pool) -> None:
    server = servers.start(cors_origins=[FRIEND, "http://other.example:8080"])
    answer = ask(server, FRIEND)
    assert (answer.status, answer.header("access-control-allow-origin")) == (200, FRIEND)
    assert "Origin" in (answer.header("vary") or "")
    assert answer.header("access-control-allow-credentials") is None
    assert upgraded(server, FRIEND) == 101
    for origin in (FOE, FRIEND + ".foe.example", FRIEND + ":81", "http://other.example"):
        assert ask(server, origin).header("access-control-allow-origin") is None


@pytest.mark.ours
def test_pages_that_are_not_named_may_not_come(servers: Pool) -> None:
    server = servers.start(cors_origins=[FRIEND, "http://other.example:8080"])
    for origin in (FOE, FRIEND + ".foe.example", FRIEND + ":81", "http://other.example", "null"):
        assert ask(server, origin).status == 403
        assert upgraded(server, origin) == 403


def test_every_answer_of_a_session_has_the_headers(servers: Pool) -> None:
    server = servers.start(cors_origins=[FRIEND], cors_credentials=True)
    poller = Poller(server.port, headers={"Origin": FRIEND})
    for answer in (poller.opening, poller.post("40"), poller.request("GET")):
        assert answer.header("access-control-allow-origin") == FRIEND
        assert answer.header("access-control-allow-credentials") == "true"


def test_a_refusal_can_be_read_by_its_page(servers: Pool) -> None:
    server = servers.start(cors_origins=[FRIEND], cors_credentials=True)
    answer = http(server.port, "GET", target("polling", "A" * 20), {"Origin": FRIEND})
    assert (answer.status, answer.header("access-control-allow-origin")) == (400, FRIEND)


def test_a_preflight_is_answered(servers: Pool) -> None:
    answer = preflight(servers.start(cors_origins=[FRIEND], cors_credentials=True), FRIEND)
    assert (answer.status, answer.body) == (204, b"")
    assert answer.header("access-control-allow-origin") == FRIEND
    assert answer.header("access-control-allow-credentials") == "true"
    assert answer.header("access-control-allow-headers") == "x-one, x-two"
    assert "POST" in (answer.header("access-control-allow-methods") or "")


def test_a_preflight_of_elsewhere_is_allowed_nothing(servers: Pool) -> None:
    answer = preflight(servers.start(cors_origins=[FRIEND], cors_credentials=True), FOE)
    assert answer.header("access-control-allow-origin") is None
