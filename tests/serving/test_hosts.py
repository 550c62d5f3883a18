"""One server under every host: the official client cannot tell them apart, and what a peer does wrong has one answer.

Each host is a process of its own, started as a user would start it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress

import pytest
from tests.serving.hosts import FAST, HOSTS, PORTABLE, hosted
from tests.support.node import run_lines
from tests.support.peer import Poller, open_websocket, target
from tests.support.programs import Program
from tests.support.raw import Closed, Connection, http
from tests.support.websocket import Refused, WebSocket

OPTIONS = {"max_payload": 100_000, "limits": {"body_idle": 0.5}, "trusted_proxies": []}
LEFT = ("granian", "gunicorn")  # tests/interop has the others


@pytest.fixture(scope="module", params=HOSTS)
def host(request: pytest.FixtureRequest) -> Iterator[Program]:
    with hosted(str(request.param), FLOCKET_TEST_OPTIONS=json.dumps(OPTIONS)) as program:
        yield program
        assert "Traceback" not in program.printed()


@pytest.mark.parametrize("name", LEFT)
def test_official_client_finds_nothing_amiss(name: str) -> None:
    with hosted(name) as program:
        for transport in ("polling", "websocket", "upgrade"):
            results = run_lines("run.js", program.url, "4.8", transport, "json", timeout=120)
            assert len(results) > 90
            assert [one for one in results if not one["ok"]] == []
        assert "Traceback" not in program.printed()


def test_a_body_over_the_limit_is_refused_before_it_is_read(host: Program) -> None:
    poller = Poller(host.port)
    with Connection(host.port) as connection:
        connection.request("POST", poller.target(), {"Content-Length": "100001"})
        assert connection.response().status == 413
    assert poller.post("40").status == 200, "the session lives"


def test_a_body_of_unknown_length_is_refused_once_it_is_too_long(host: Program) -> None:
    poller = Poller(host.port)
    with Connection(host.port) as connection:
        head = f"POST {poller.target()} HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n"
        connection.send(head.encode() + (b"2710\r\n" + b"4" * 10_000 + b"\r\n") * 11)
        assert connection.response().status == 413


def test_a_body_that_stops_gets_408(host: Program) -> None:
    poller = Poller(host.port)
    with Connection(host.port) as connection:
        connection.request("POST", poller.target(), {"Content-Length": "10"}, b"40")
        assert connection.response().status == 408


def test_a_message_over_the_limit_closes_its_websocket(host: Program) -> None:
    websocket, _ = open_websocket(host.port)
    with websocket:
        websocket.text("4" + "x" * 100_000)
        assert websocket.close_code() == 1009


@pytest.mark.parametrize(
    ("query", "code"),
    [
        (target("websocket", "unknown"), 400),
        (target("websocket", eio=5), 400),
        (target("constructor"), 400),
        ("/socket.io/", 400),
    ],
)
def test_a_refused_upgrade_is_answered_in_http(host: Program, query: str, code: int) -> None:
    with pytest.raises(Refused) as refused:
        WebSocket(host.port, query)
    assert refused.value.response.status == code


def test_a_foreign_origin_opens_no_websocket(host: Program) -> None:
    with pytest.raises(Refused) as refused:
        WebSocket(host.port, target("websocket"), {"Origin": "http://evil.example"})
    assert refused.value.response.status in (400, 403)


def test_head_is_no_method_of_ours_and_answers_without_a_body(host: Program) -> None:
    with Connection(host.port) as connection:
        connection.request("HEAD", target("polling"))
        response = connection.response("HEAD")
        assert (response.status, response.body) == (400, b"")


@pytest.mark.parametrize("path", ["/socket.io", "/socket.io/", "/socket.io/anything", "/socket%2Eio/"])
def test_the_path_is_ours_with_and_without_its_slash(host: Program, path: str) -> None:
    assert http(host.port, "GET", path + "?EIO=4&transport=polling").status == 200


def test_no_line_of_the_log_is_a_peers_own(host: Program) -> None:
    odd = "/socket.io/%0d%0aFORGED%1b[31m", "/elsewhere/%0aFORGED%1b[31m", "/\x1b[31mFORGED"
    for path in odd:
        for query in ("?EIO=4&transport=%0d%0aFORGED%1b[31m", "?EIO=4&transport=polling&x=\x1b[31m", "?\x1b%0aFORGED"):
            with Connection(host.port) as connection, suppress(Closed):
                connection.request("GET", path + query, {"User-Agent": "\x1b[31m", "Referer": "%0aFORGED\x1b"})
                assert connection.response().status in (200, 400, 404)
    poller = Poller(host.port)
    poller.say("40/\\n\x1bFORGED,", "40", '42["\\n\x1bFORGED"]'.replace("\x1b", "\\u001b"))
    with suppress(Closed):
        poller.post('42["un\nFORGED\x1b"')
    printed = host.printed()
    assert "\x1b" not in printed
    assert not [line for line in printed.splitlines() if line.startswith("FORGED")]


def test_another_path_is_not_found(host: Program) -> None:
    assert http(host.port, "GET", "/socket.iox/?EIO=4&transport=polling").status == 404


def test_fast_and_portable_hosts_are_both_among_those_tested() -> None:
    assert len(FAST) == 2
    assert len(PORTABLE) == 5
