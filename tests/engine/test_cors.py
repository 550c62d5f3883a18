from __future__ import annotations

import re

import pytest
from tests.support.fakes import request

from flocket.engine.cors import Cors, has_invalid_origin
from flocket.options import CorsOrigins


def admits(origins: CorsOrigins, origin: str | None, host: str = "good.example:3000") -> bool:
    headers = [("Host", host)] if origin is None else [("Host", host), ("Origin", origin)]
    return Cors(origins, False).admits(request(headers=headers))


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        (None, "good.example"),
        ("https://good.example", "good.example"),
        ("https://good.example", "good.example:3000"),
        ("http://good.example:8080", "good.example"),
        ("http://GOOD.example", "good.EXAMPLE"),
        ("http://[::1]:3000", "[::1]"),
    ],
)
def test_by_default_come_pages_of_the_same_host_name_and_clients_without_origin(origin: str | None, host: str) -> None:
    assert admits(None, origin, host)


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example", "https://good.example.evil.net", "https://evilgood.example", "null", "", "file://",
        "good.example", "https://good.example@evil.example", "http://[::1]:3000",
    ],
)  # fmt: skip
def test_by_default_no_other_page_comes(origin: str) -> None:
    assert not admits(None, origin)


def test_the_option_names_who_else_may_come() -> None:
    other = "https://a.example"
    for origins in (other, [other], re.compile(r"https://\w\.example"), lambda origin: origin == other, "*"):
        assert admits(origins, other)
        assert admits(origins, "https://good.example"), "pages of the same host need no permission"
    for origins in (other, [other], re.compile(r"https://\w\.example"), lambda origin: origin == other):
        assert not admits(origins, "https://a.example.evil.net")
        assert not admits(origins, "https://evil.example/https://a.example")


def headers(origins: CorsOrigins, credentials: bool, origin: str | None) -> dict[str, str]:
    sent = [] if origin is None else [("Origin", origin)]
    return dict(Cors(origins, credentials).headers(request(headers=sent)))


def test_the_answer_names_the_origin_never_a_star_with_credentials() -> None:
    assert headers("*", False, "https://a.example") == {"Access-Control-Allow-Origin": "*"}
    assert headers("*", True, "https://a.example") == {
        "Access-Control-Allow-Origin": "https://a.example", "Vary": "Origin",
        "Access-Control-Allow-Credentials": "true",
    }  # fmt: skip
    assert headers(["https://a.example"], False, "https://a.example") == {
        "Access-Control-Allow-Origin": "https://a.example", "Vary": "Origin",
    }  # fmt: skip


def test_a_page_that_may_not_come_is_told_nothing_but_that_it_depends_on_the_origin() -> None:
    assert headers(None, True, "https://evil.example") == {"Vary": "Origin"}
    assert headers(None, True, None) == {}


@pytest.mark.parametrize("origin", ["a\x00", "a\x1f", "a\x7f"])
def test_control_characters_make_an_origin_invalid(origin: str) -> None:
    assert has_invalid_origin(origin)


@pytest.mark.parametrize("origin", ["https://a.example", "a\tb", "https://é"])
def test_other_characters_do_not(origin: str) -> None:
    assert not has_invalid_origin(origin)
