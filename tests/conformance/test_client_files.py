"""The browser's client, served beside the protocol: names, kinds, ETag, compression, and nothing else than that."""

from __future__ import annotations

import gzip

import pytest
from tests.support.node import node_modules
from tests.support.raw import http
from tests.support.servers import Pool, Running

NAMES = ["socket.io.js", "socket.io.min.js", "socket.io.esm.min.js", "socket.io.msgpack.min.js"]


def serving(servers: Pool) -> Running:
    return servers.start(serve_client=str(node_modules() / "socket.io-client" / "dist"))


@pytest.mark.parametrize("name", [*NAMES, *(f"{name}.map" for name in NAMES)])
def test_each_file_is_served(servers: Pool, name: str) -> None:
    answer = http(serving(servers).port, "GET", f"/socket.io/{name}")
    assert answer.status == 200
    assert (answer.header("content-type") or "").split(";")[
        0
    ] == f"application/{'json' if name.endswith('.map') else 'javascript'}"
    assert answer.body == (node_modules() / "socket.io-client" / "dist" / name).read_bytes()


def test_a_query_changes_nothing(servers: Pool) -> None:
    assert http(serving(servers).port, "GET", "/socket.io/socket.io.js?v=1").status == 200


@pytest.mark.parametrize("weak", ["", "W/"])
def test_who_has_it_already_is_told_so(servers: Pool, weak: str) -> None:
    server = serving(servers)
    first = http(server.port, "GET", "/socket.io/socket.io.min.js")
    etag = first.header("etag")
    assert etag
    assert first.header("cache-control") == "public, max-age=0"
    again = http(server.port, "GET", "/socket.io/socket.io.min.js", {"If-None-Match": weak + etag})
    assert (again.status, again.body) == (304, b"")
    assert http(server.port, "GET", "/socket.io/socket.io.min.js", {"If-None-Match": '"other"'}).status == 200


def test_it_is_compressed_for_whoever_accepts_that(servers: Pool) -> None:
    server = serving(servers)
    plain = http(server.port, "GET", "/socket.io/socket.io.js").body
    answer = http(server.port, "GET", "/socket.io/socket.io.js", {"Accept-Encoding": "gzip"})
    assert answer.header("content-encoding") == "gzip"
    assert gzip.decompress(answer.body) == plain


@pytest.mark.parametrize(
    "name", ["evil.js", "socket.io.js.bak", "../package.json", "%2e%2e/package.json", "socket.io.js/", "package.json"]
)
def test_nothing_else_is_served(servers: Pool, name: str) -> None:
    assert http(serving(servers).port, "GET", f"/socket.io/{name}").status in (400, 404)


def test_it_may_be_switched_off(servers: Pool) -> None:
    answer = http(servers.start(serve_client=False).port, "GET", "/socket.io/socket.io.js")
    assert answer.status in (400, 404)
