"""A wrong option is one line that says what to do, when the server is made."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import Any

import pytest

from flocket import ConfigError, Cookie, EngineServer, Limits, Server

WRONG: list[tuple[dict[str, Any], str]] = [
    ({"path": "socket.io"}, "begins with a slash"),
    ({"path": "/"}, "names something"),
    ({"path": None}, "begins with a slash"),
    ({"transports": "polling"}, "a list"),
    ({"transports": ()}, "a list"),
    ({"transports": ("polling", "webtransport")}, "a list"),
    ({"trusted_proxies": "127.0.0.1"}, "a list"),
    ({"ping_interval": 0}, "seconds"),
    ({"ping_timeout": "20"}, "seconds"),
    ({"upgrade_timeout": True}, "seconds"),
    ({"max_payload": -1}, "bytes"),
    ({"ping_interval": float("nan")}, "seconds"),
    ({"allow_request": "yes"}, "a function"),
    ({"limits": {"handlers": 1}}, r"Limits\(...\)"),
    ({"cors_origins": 5}, "cors_origins=5"),
    ({"cors_origins": "https://a.example/"}, "without a path"),
    ({"cors_origins": ["https://a.example", "b.example"]}, "'b.example' is no origin"),
    ({"cors_origins": [re.compile("x")]}, "is no origin"),
]


@pytest.mark.parametrize("make", [Server, EngineServer])
@pytest.mark.parametrize(("options", "words"), WRONG, ids=lambda value: str(value)[:40])
def test_a_wrong_option_says_what_is_wanted(make: Any, options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words) as error:
        make(**options)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["connect_timeout", "ack_timeout"])
def test_times_of_the_server_are_above_zero(name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name}=0"):
        Server(**{name: 0})  # type: ignore[arg-type]  # one of its options by name


@pytest.mark.parametrize("name", [item.name for item in fields(Limits)])
@pytest.mark.parametrize("value", [0, -1, True, "1", None])
def test_each_limit_is_a_number_above_zero(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=name):
        Limits(**{name: value})
    assert getattr(Limits(**{name: 7}), name) == 7


def test_what_is_right_is_taken() -> None:
    options = Server(
        path="/live/", cookie="sid", cors_origins=["https://a.example", "*"], transports=["websocket"],
    )._engine.options  # fmt: skip
    assert options.path == "/live"
    assert options.cookie == Cookie(name="sid")
    assert options.cors_origins == "*"
    assert options.transports == ("websocket",)
    assert Server(cookie=True)._engine.options.cookie == Cookie()
    assert Server(cookie=False)._engine.options.cookie is None
    for origins in (None, "null", "http://localhost:3000", ["https://a.example"], re.compile("x"), lambda origin: True):
        assert Server(cors_origins=origins)._engine.options.cors_origins == origins
