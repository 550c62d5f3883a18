"""Each numbered refusal, as its request earns it, over HTTP and as an upgrade."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.support.fakes import World

NUMBERED = [
    # query, method, code, message, context
    ("", "GET", 0, "Transport unknown", {"transport": ""}),
    ("EIO=4&transport=pigeon", "GET", 0, "Transport unknown", {"transport": "pigeon"}),
    ("EIO=4&transport=constructor", "GET", 0, "Transport unknown", {"transport": "constructor"}),
    ("EIO=4&transport=__proto__", "GET", 0, "Transport unknown", {"transport": "__proto__"}),
    ("EIO=4&transport=webtransport", "GET", 0, "Transport unknown", {"transport": "webtransport"}),
    (
        "EIO=4&transport=polling&transport=polling", "GET", 0, "Transport unknown",
        {"transport": "polling,polling"},
    ),
    ("EIO=4&transport=polling&sid=nobody", "GET", 1, "Session ID unknown", {"sid": "nobody"}),
    ("EIO=4&transport=polling&sid=__proto__", "POST", 1, "Session ID unknown", {"sid": "__proto__"}),
    ("EIO=4&transport=polling", "POST", 2, "Bad handshake method", {"method": "POST"}),
    ("EIO=4&transport=polling", "OPTIONS", 2, "Bad handshake method", {"method": "OPTIONS"}),
    ("EIO=4&transport=websocket", "GET", 3, "Bad request", {"name": "TRANSPORT_HANDSHAKE_ERROR"}),
    ("EIO=3&transport=polling", "GET", 5, "Unsupported protocol version", {"protocol": 3}),
    ("transport=polling", "GET", 5, "Unsupported protocol version", {"protocol": 3}),
    ("EIO=5&transport=polling", "GET", 5, "Unsupported protocol version", {"protocol": 3}),
]  # fmt: skip


@pytest.mark.parametrize(("query", "method", "code", "message", "context"), NUMBERED)
def test_a_request_is_refused_with_its_number(
    query: str, method: str, code: int, message: str, context: dict[str, Any]
) -> None:
    world = World()
    told: list[Any] = []
    world.engine.on("connection_error", lambda *args: told.append(args[1:]))
    answer = world.get(query, method=method).result
    assert answer.status == 400
    assert answer.headers["content-type"] == "application/json"
    assert json.loads(answer.body) == {"code": code, "message": message}
    assert told == [(code, message, context)]


@pytest.mark.parametrize(
    ("query", "body"),
    [
        ("EIO=4&transport=pigeon", b"Transport unknown"),
        ("EIO=4&transport=constructor", b"Transport unknown"),
        ("EIO=4&transport=websocket&sid=nobody", b"Session ID unknown"),
        ("EIO=4&transport=polling", b"Bad request"),
        ("EIO=2&transport=websocket", b"Unsupported protocol version"),
    ],
)
def test_an_upgrade_is_refused_in_plain_words(query: str, body: bytes) -> None:
    refused = World().upgrade(query).refusal
    assert refused is not None
    assert (refused.status, refused.headers["content-type"], refused.body) == (400, "text/html", body)


def test_the_transport_of_a_known_session_must_be_its_own() -> None:
    world = World()
    _, ears = world.socket()
    for method in ("GET", "POST"):
        answer = world.get(f"EIO=4&transport=polling&sid={ears.session.id}", method=method).result
        assert (answer.status, json.loads(answer.body)["code"]) == (400, 3)
    answer = world.get(f"EIO=4&transport=websocket&sid={ears.session.id}").result
    assert answer.status == 400
    assert ears.closed == []


def test_the_protocol_of_a_known_session_must_be_its_own() -> None:
    world = World(allow_eio3=True)
    told: list[Any] = []
    world.engine.on("connection_error", lambda *args: told.append(args[3]))
    ears = world.poller()
    answer = world.poll(ears.session.id, "EIO=3&transport=polling").result
    assert (answer.status, json.loads(answer.body)["code"]) == (400, 3)
    assert told == [{"name": "PROTOCOL_MISMATCH", "protocol": 3, "previousProtocol": 4}]
    assert world.post(ears.session.id, b"4x").result.status == 200


def test_a_foreign_page_is_refused_over_http_and_as_an_upgrade() -> None:
    world = World()
    headers = [("Origin", "https://evil.example"), ("Host", "good.example")]
    answer = world.get(headers=headers).result
    assert (answer.status, json.loads(answer.body)["code"]) == (403, 4)
    assert "access-control-allow-origin" not in answer.headers
    refused = world.upgrade(headers=headers).refusal
    assert refused is not None
    assert refused.status == 403


def test_an_origin_that_no_header_may_carry_is_a_bad_request() -> None:
    world = World(cors_origins="*")
    answer = world.get(headers=[("Origin", "https://a\x01b")]).result
    assert (answer.status, json.loads(answer.body)["code"]) == (400, 3)


def test_a_client_never_chooses_its_session_id() -> None:
    world = World()
    answer = world.get("EIO=4&transport=polling&sid=").result
    assert json.loads(answer.body[1:])["sid"] == "sid00000000000000001"
    assert world.get("EIO=4&transport=polling&sid=mine").result.status == 400


def test_protocol_3_is_spoken_where_it_is_allowed() -> None:
    world = World(allow_eio3=True)
    assert world.get("EIO=3&transport=polling").result.status == 200
    assert world.get("EIO=2&transport=polling").result.status == 400
