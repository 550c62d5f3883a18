from __future__ import annotations

from datetime import UTC, datetime

from tests.support.fakes import request

from flocket.sockets.handshake import Handshake

ISSUED = 1_767_323_045_678  # 2026-01-02T03:04:05.678Z


def test_it_shows_the_request_and_the_time() -> None:
    headers = [("Origin", "https://a.example"), ("Cookie", "a=b"), ("User-Agent", "x")]
    found = Handshake(request("EIO=4&token=%C3%A9", headers=headers), {"user": "ada"}, ISSUED)
    assert found.auth == {"user": "ada"}
    assert found.headers["user-agent"] == "x"
    assert found.cookies == {"a": "b"}
    assert found.query["token"] == "é"
    assert found.address == "192.0.2.1"
    assert found.xdomain
    assert not found.secure
    assert found.url == "/engine.io/?EIO=4&token=%C3%A9"
    assert found.time == datetime(2026, 1, 2, 3, 4, 5, 678_000, UTC)
    assert found.issued == ISSUED


def test_other_nodes_are_told_as_node_tells_them() -> None:
    assert Handshake(request("a=1", headers=[("X", "y")]), {}, ISSUED).to_wire() == {
        "headers": {"x": "y"}, "time": "Fri, 02 Jan 2026 03:04:05 GMT", "address": "192.0.2.1", "xdomain": False,
        "secure": False, "issued": ISSUED, "url": "/engine.io/?a=1", "query": {"a": "1"}, "auth": {},
    }  # fmt: skip
