"""A wrong option is one line that says what to do, when the server is made."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import Any

import pytest

from flocket import ConfigError, Cookie, EngineServer, Limits, Recovery, Server

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
    ({"max_payload": float("inf")}, "whole number above 0"),
    ({"max_payload": 1e6}, "max_payload=1000000.0: a whole number"),
    ({"ping_interval": 25_000}, "ping_interval=25000: seconds, at most 3600; for milliseconds say 25$"),
    ({"ping_timeout": 20_000}, "for milliseconds say 20$"),
    ({"upgrade_timeout": float("inf")}, "seconds"),
    ({"ping_interval": float("nan")}, "seconds"),
    ({"allow_request": "yes"}, "a function"),
    ({"limits": {"handlers": 1}}, r"Limits\(...\)"),
    ({"compression_threshold": 0}, "bytes"),
    ({"allow_eio3": "yes"}, "allow_eio3='yes': True or False"),
    ({"jsonp": 0}, "jsonp=0: True or False"),
    ({"http_compression": {"threshold": 1}}, "True or False.*compression_threshold"),
    ({"per_message_deflate": {"threshold": 1}}, "True or False: it has no options"),
    ({"cookie": 5}, r"Cookie\(...\)"),
    ({"cookie": {"name": "io", "sameSite": "lax"}}, "'sameSite' is none of name, path, http_only, same_site"),
    ({"cookie": {"name": "a b"}}, "name='a b'"),
    ({"cookie": {"same_site": "Lax"}}, '"lax", "strict"'),
    ({"pingInterval": 5}, "'pingInterval' is no option: here it is ping_interval"),
    ({"ping_intervall": 5}, "here it is ping_interval"),
    ({"allowEIO3": True}, "here it is allow_eio3"),
    ({"perMessageDeflate": True}, "here it is per_message_deflate"),
    ({"maxHttpBufferSize": 5}, "here it is max_payload"),
    ({"max_http_buffer_size": 5}, "here it is max_payload"),
    ({"cors": {"origin": "*"}}, "here it is cors_origins, and cors_credentials"),
    ({"cors_allowed_origins": "*"}, "here it is cors_origins"),
    ({"addTrailingSlash": False}, "no option, nor needed: a path is served with its last slash and without"),
    ({"destroy_upgrade": False}, "no option, nor needed: a WebSocket of another path"),
    ({"initial_packet": 5}, "initial_packet=5: a message, as str or bytes"),
    ({"xyz": 5}, "'xyz' is no option: there are path, transports, .*, limits$"),
    ({"cors_origins": 5}, "cors_origins=5"),
    ({"cors_origins": "https://a.example/"}, "without a path"),
    ({"cors_origins": ["https://a.example", "b.example"]}, "'b.example' is no origin"),
    ({"cors_origins": [re.compile("x")]}, "is no origin"),
    ({"cors_origins": "https://*.example.com"}, r'"\*" stands alone'),
]


@pytest.mark.parametrize("make", [Server, EngineServer])
@pytest.mark.parametrize(("options", "words"), WRONG, ids=lambda value: str(value)[:40])
def test_a_wrong_option_says_what_is_wanted(make: Any, options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words) as error:
        make(**options)
    assert "\n" not in str(error.value)


OF_SERVER: list[tuple[dict[str, Any], str]] = [
    ({"connect_timeout": 0}, "connect_timeout=0: a number above 0"),
    ({"connect_timeout": "5"}, "connect_timeout='5': a number above 0"),
    ({"connect_timeout": 45_000}, "for milliseconds say 45$"),
    ({"ack_timeout": 0}, "seconds"),
    ({"ack_timeout": float("inf")}, "seconds"),
    ({"ack_timeout": "5"}, "seconds"),
    ({"cleanup_empty_child_namespaces": "no"}, "True or False"),
    ({"recovery": True}, r"recovery=True: Recovery\(...\)"),
    ({"data": 5}, "data=5: a class or a function"),
    ({"lifespan": 5}, "lifespan=5: a function"),
    ({"cluster": 5}, "cluster=5: a name"),
    ({"cluster": ""}, "cluster='': a name"),
    ({"serve_client": 5}, "serve_client=5"),
    ({"parser": 5}, "parser=5"),
    ({"connectionStateRecovery": {}}, "here it is recovery"),
    ({"connectTimeout": 5}, "here it is connect_timeout"),
    ({"client_manager": None}, r"a call, io.adapter\(...\)"),
]


@pytest.mark.parametrize(("options", "words"), OF_SERVER, ids=lambda value: str(value)[:40])
def test_a_wrong_option_of_socket_io_says_what_is_wanted(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words) as error:
        Server(**options)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["window", "packets", "bytes"])
@pytest.mark.parametrize("value", [0, "5", True, None, float("nan")])
def test_each_bound_of_recovery_is_a_number_above_zero(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=name):
        Recovery(**{name: value})


@pytest.mark.parametrize("name", [item.name for item in fields(Limits)])
@pytest.mark.parametrize("value", [0, -1, True, "1", None])
def test_each_limit_is_a_number_above_zero(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=name):
        Limits(**{name: value})
    assert getattr(Limits(**{name: 7}), name) == 7


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_no_limit_is_without_end(value: Any) -> None:
    for item in fields(Limits):
        with pytest.raises(ConfigError, match=item.name):
            Limits(**{item.name: value})


@pytest.mark.parametrize("drain", ["5", None, -1, float("nan"), float("inf")])
def test_the_time_to_drain_is_a_number_of_seconds(drain: Any) -> None:
    with pytest.raises(ConfigError, match="seconds, at least 0"):
        Server().run(port=0, drain=drain)


def test_what_is_right_is_taken() -> None:
    options = Server(
        path="/live/", cookie="sid", cors_origins=["https://a.example", "*"], transports=["websocket"],
    )._engine.options  # fmt: skip
    assert options.path == "/live"
    assert options.cookie == Cookie(name="sid")
    assert options.cors_origins == "*"
    assert options.transports == ("websocket",)
    for make in (Server, EngineServer):
        assert make(compression_threshold=5)._engine.options.compression_threshold == 5
    assert Server(cookie=True)._engine.options.cookie == Cookie()
    assert Server(cookie={"name": "sid", "max_age": 60})._engine.options.cookie == Cookie(name="sid", max_age=60)
    assert Server(cookie=False)._engine.options.cookie is None
    for origins in (None, "null", "http://localhost:3000", ["https://a.example"], re.compile("x"), lambda origin: True):
        assert Server(cors_origins=origins)._engine.options.cors_origins == origins
    assert Server(cors_origins="https://A.Example")._engine.options.cors_origins == "https://a.example"
    assert Server(cors_origins=["HTTPS://A.example"])._engine.options.cors_origins == ["https://a.example"]
