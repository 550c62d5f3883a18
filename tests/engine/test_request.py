from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.fakes import request

from flocket.engine.request import Request, parse_query


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("", {}),
        ("a=1&b=2", {"a": "1", "b": "2"}),
        ("a=1&a=2", {"a": "1,2"}),
        ("a", {"a": ""}),
        ("a=b=c", {"a": "b=c"}),
        ("a+b=%C3%A9+%26", {"a b": "é &"}),
        ("&&a=1&", {"a": "1"}),
        ("__proto__=1", {"__proto__": "1"}),
    ],
)
def test_a_query_is_read_as_javascript_reads_it(text: str, query: dict[str, str]) -> None:
    assert parse_query(text) == query


def test_what_is_repeated_without_end_costs_no_more_than_its_length() -> None:
    # Some servers take heads of any size. Joined one by one, these would take minutes.
    begin = time.monotonic()
    assert len(parse_query("a&" * 1_000_000)["a"]) == 999_999
    assert len(request(headers=[("X-A", "1")] * 400_000).headers["x-a"]) == 3 * 400_000 - 2
    assert time.monotonic() - begin < 10.0


@given(st.text())
def test_any_query_may_be_read(text: str) -> None:
    assert all(isinstance(value, str) for value in parse_query(text).values())


def test_repeated_headers_are_joined_and_cookies_by_semicolon() -> None:
    found = request(headers=[("X-A", "1"), ("X-A", "2"), ("Cookie", "a=1"), ("Cookie", 'b="2"; c'), ("Cookie", "a=3")])
    assert found.headers["x-a"] == "1, 2"
    assert found.headers["cookie"] == 'a=1; b="2"; c; a=3'
    assert found.cookies == {"a": "1", "b": "2"}
    assert found.header(b"x-a") == "1"
    assert found.header(b"x-b") is None
    assert request().cookies == {}


def test_the_url_is_what_the_client_asked_for() -> None:
    assert request("a=%20").url == "/engine.io/?a=%20"
    assert request("").url == "/engine.io/"


def forwarded(for_: str, trusted: tuple[str, ...], peer: str = "10.0.0.1", proto: str = "") -> Request:
    headers = [(b"x-forwarded-for", for_.encode())]
    if proto:
        headers.append((b"x-forwarded-proto", proto.encode()))
    return Request("GET", "/", "", headers, peer=peer, trusted_proxies=trusted)


@pytest.mark.parametrize(
    ("for_", "trusted", "address"),
    [
        ("203.0.113.7", (), "10.0.0.1"),
        ("203.0.113.7", ("127.0.0.1",), "10.0.0.1"),
        ("203.0.113.7", ("10.0.0.1",), "203.0.113.7"),
        ("6.6.6.6, 203.0.113.7", ("10.0.0.1",), "203.0.113.7"),
        ("6.6.6.6, 203.0.113.7, 10.0.0.2", ("10.0.0.1", "10.0.0.2"), "203.0.113.7"),
        ("10.0.0.2", ("10.0.0.1", "10.0.0.2"), "10.0.0.2"),
        ("", ("10.0.0.1",), "10.0.0.1"),
        (" , ", ("10.0.0.1",), "10.0.0.1"),
        ("203.0.113.7", ("*",), "203.0.113.7"),
    ],
)
def test_each_trusted_proxy_vouches_for_the_hop_before_it(for_: str, trusted: tuple[str, ...], address: str) -> None:
    assert forwarded(for_, trusted).address == address


def test_a_proxy_behind_a_unix_socket_is_this_machines_own() -> None:
    assert forwarded("203.0.113.7", ("127.0.0.1",), peer="").address == "203.0.113.7"


def test_tls_is_what_the_trusted_proxy_says() -> None:
    assert forwarded("1.2.3.4", ("10.0.0.1",), proto="https").secure
    assert forwarded("1.2.3.4", ("10.0.0.1",), proto="wss, http").secure
    assert not forwarded("1.2.3.4", ("10.0.0.1",), proto="http").secure
    assert not forwarded("1.2.3.4", (), proto="https").secure
