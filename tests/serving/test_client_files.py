"""The client's files: as Node serves them, from a folder, from npm's package, or from the official CDN."""

from __future__ import annotations

import gzip
import json
import zlib
from pathlib import Path

import pytest

from flocket.engine.contracts import Headers
from flocket.engine.request import Request
from flocket.errors import ConfigError
from flocket.serving.client_files import CDN, NAMES, ClientFiles, find

SCRIPT = b"/*!\n * Socket.IO v4.9.1\n * (c) somebody\n */\n" + b"console.log('a client');\n" * 100


def request(**headers: str) -> Request:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request("GET", "/", "", raw)


def get(files: ClientFiles, name: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    answer = files.serve(name, request(**headers))
    assert answer is not None
    status, fields, body = answer
    return status, lower(fields), body


def lower(headers: Headers) -> dict[str, str]:
    assert len({name.lower() for name, _ in headers}) == len(headers), "a header is given twice"
    return {name.lower(): value for name, value in headers}


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    """npm's package, as it lies under node_modules."""
    folder = tmp_path / "node_modules" / "socket.io-client" / "dist"
    folder.mkdir(parents=True)
    for name in NAMES:
        (folder / name).write_bytes(b'{"version":3}' if name.endswith(".map") else SCRIPT)
    (folder.parent / "package.json").write_text(json.dumps({"name": "socket.io-client", "version": "4.9.0"}))
    return folder


@pytest.mark.parametrize("name", sorted(NAMES))
def test_each_file_comes_with_the_headers_of_node(dist: Path, name: str) -> None:
    status, headers, body = get(ClientFiles(dist), name)
    kind = "json" if name.endswith(".map") else "javascript"
    assert status == 200
    assert body == (dist / name).read_bytes()
    assert headers["content-type"] == f"application/{kind}; charset=utf-8"
    assert headers["cache-control"] == "public, max-age=0"
    assert headers["etag"] == '"4.9.0"'
    assert "content-encoding" not in headers


@pytest.mark.parametrize("condition", ['"4.9.0"', 'W/"4.9.0"', '"4.8.0", W/"4.9.0"', "*"])
def test_who_has_this_release_already_gets_304(dist: Path, condition: str) -> None:
    status, headers, body = get(ClientFiles(dist), "socket.io.js", if_none_match=condition)
    assert (status, body, headers["etag"]) == (304, b"", '"4.9.0"')


@pytest.mark.parametrize("condition", ['"4.8.0"', "4.9.0", ""])
def test_who_has_another_release_gets_the_file(dist: Path, condition: str) -> None:
    assert get(ClientFiles(dist), "socket.io.js", if_none_match=condition)[0] == 200


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("gzip, deflate, br", "gzip"),
        ("deflate", "deflate"),
        ("gzip;q=0.5, deflate;q=0.8", "deflate"),
        ("*", "gzip"),
        ("GZIP", "gzip"),
        ("gzip;q=0", None),
        ("gzip;q=rubbish", None),
        ("identity, gzip;q=0.5", None),
        ("br", None),
        ("", None),
    ],
)
def test_the_encoding_is_what_the_client_prefers(dist: Path, accepted: str, encoding: str | None) -> None:
    status, headers, body = get(ClientFiles(dist), "socket.io.min.js", accept_encoding=accepted)
    if encoding == "gzip":
        body = gzip.decompress(body)
    elif encoding == "deflate":
        body = zlib.decompress(body)
    assert (status, headers.get("content-encoding"), body) == (200, encoding, SCRIPT)
    assert headers["vary"] == "Accept-Encoding"


def test_a_body_is_compressed_once_and_kept(dist: Path) -> None:
    files = ClientFiles(dist)
    first = get(files, "socket.io.js", accept_encoding="gzip")[2]
    assert get(files, "socket.io.js", accept_encoding="gzip")[2] is first
    assert get(ClientFiles(dist), "socket.io.js", accept_encoding="gzip")[2] == first, "from every worker the same"


@pytest.mark.parametrize(
    "name", ["", "../pyproject.toml", "package.json", "x/socket.io.js", "socket.io.js/", "/socket.io.js", "socket.io"]
)
def test_any_other_name_is_not_answered(dist: Path, name: str) -> None:
    assert ClientFiles(dist).serve(name, request()) is None


def test_false_serves_nothing() -> None:
    assert ClientFiles(False).serve("socket.io.js", request()) is None


def test_without_package_json_the_release_is_read_from_the_file(tmp_path: Path) -> None:
    (tmp_path / "socket.io.js").write_bytes(SCRIPT)
    (tmp_path / "socket.io.js.map").write_bytes(b'{"version":3}')
    files = ClientFiles(str(tmp_path))
    assert get(files, "socket.io.js")[1]["etag"] == '"4.9.1"'
    assert len(get(files, "socket.io.js.map")[1]["etag"]) == 18


def test_a_file_that_the_folder_lacks_is_asked_of_the_cdn(tmp_path: Path) -> None:
    (tmp_path / "socket.io.js").write_bytes(SCRIPT)
    status, headers, body = get(ClientFiles(tmp_path), "socket.io.min.js")
    assert (status, headers["location"], body) == (302, CDN + "socket.io.min.js", b"")


def test_npms_package_is_found_from_a_folder_below(dist: Path, tmp_path: Path,
                                                   monkeypatch: pytest.MonkeyPatch) -> None:
    below = tmp_path / "app" / "web"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert get(ClientFiles(True), "socket.io.js")[:1] == (200,)
    assert find(below) == dist


def test_what_make_run_fetched_is_found(tmp_path: Path) -> None:
    dist = tmp_path / ".build" / "client" / "node_modules" / "socket.io-client" / "dist"
    dist.mkdir(parents=True)
    assert find(tmp_path) is None
    (dist / "socket.io.js").write_bytes(SCRIPT)
    assert find(tmp_path) == dist


def test_with_no_package_anywhere_the_browser_is_sent_to_the_cdn(tmp_path: Path,
                                                                 monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    status, headers, _ = get(ClientFiles(True), "socket.io.esm.min.js")
    assert (status, headers["location"]) == (302, CDN + "socket.io.esm.min.js")


def test_a_folder_that_is_not_there_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such folder"):
        ClientFiles(tmp_path / "nowhere")
