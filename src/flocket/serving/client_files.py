"""The browser's client, served beside the protocol as Node's server does: socket.io.js and its siblings.

Knows where npm puts these files and which of them the official CDN has; does not know who asks: a request's
head goes in, a whole answer comes out, and the caller adds what CORS needs.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

from flocket.engine.compression import accepted_encoding, compress
from flocket.engine.contracts import Headers
from flocket.engine.request import Request
from flocket.errors import ConfigError

__all__ = ["CDN", "ClientFiles"]

CDN = "https://cdn.socket.io/4.8.3/"  # the newest release that the official CDN is known to carry

NAMES = frozenset(
    name + suffix
    for name in ("socket.io.js", "socket.io.min.js", "socket.io.esm.min.js", "socket.io.msgpack.min.js")
    for suffix in ("", ".map")
)
DIST = Path("node_modules/socket.io-client/dist")
PLACES = (DIST, ".build/client" / DIST)  # the second is where `make run` fetches it to
BANNER = re.compile(rb"Socket\.IO v([0-9][0-9A-Za-z.+-]*)")  # the first comment of each built file

Answer = tuple[int, Headers, bytes]


class ClientFiles:
    """Answers requests for the client's files, and only for those eight names.

    `source` is the folder that has them; True looks for npm's package from the working directory upward, and
    sends the browser to the official CDN if there is none; False serves nothing.
    """

    def __init__(self, source: bool | str | Path) -> None:
        self._source = source
        self._folder: Path | None = None
        self._searched = not source
        self._files: dict[str, _File | None] = {}
        if not isinstance(source, bool | str | Path):
            raise ConfigError(f"serve_client={source!r:.80}: True, False, or the folder that has the files")
        if not isinstance(source, bool):
            self._folder, self._searched = Path(source), True
            if not self._folder.is_dir():
                raise ConfigError(f"serve_client={str(source)!r}: no such folder (True looks for npm's)")

    @property
    def folder(self) -> Path | None:
        """Where the files are; None: nowhere on this machine."""
        if not self._searched:
            self._folder, self._searched = find(Path.cwd()), True
        return self._folder

    def is_file(self, name: str) -> bool:
        """Whether the name is one of the client's files, and they are served."""
        return name in NAMES and self._source is not False

    def serve(self, name: str, request: Request) -> Answer | None:
        """Status, headers and body; None if the name is not one of the client's files."""
        if not self.is_file(name):
            return None
        if name not in self._files:
            self._files[name] = _load(self.folder, name)
        file = self._files[name]
        if file is None:
            return 302, [("Location", CDN + name), ("Cache-Control", "public, max-age=0")], b""
        headers = [("Cache-Control", "public, max-age=0"), ("ETag", file.etag), ("Vary", "Accept-Encoding")]
        if _matches(request.header(b"if-none-match"), file.etag):
            return 304, headers, b""
        headers.append(("Content-Type", file.content_type))
        encoding = accepted_encoding(request.header(b"accept-encoding"))
        if encoding is not None:
            headers.append(("Content-Encoding", encoding))
        return 200, headers, file.body(encoding)


def find(start: Path) -> Path | None:
    """The folder of npm's built client, looked for in `start` and in every folder above it."""
    for folder in (start, *start.parents):
        for place in PLACES:
            if (folder / place / "socket.io.js").is_file():
                return folder / place
    return None


class _File:
    """One file in memory, with each of its encodings made when first asked for, and kept."""

    def __init__(self, name: str, content: bytes, version: str) -> None:
        kind = "json" if name.endswith(".map") else "javascript"
        self.content_type = f"application/{kind}; charset=utf-8"
        self.etag = f'"{version}"'  # one for all encodings, as Node's: what is compared is the release
        self._bodies: dict[str | None, bytes] = {None: content}

    def body(self, encoding: str | None) -> bytes:
        if encoding is not None and encoding not in self._bodies:
            self._bodies[encoding] = compress(self._bodies[None], encoding)
        return self._bodies[encoding]


def _load(folder: Path | None, name: str) -> _File | None:
    if folder is None:
        return None
    try:
        content = (folder / name).read_bytes()
    except FileNotFoundError:
        return None
    return _File(name, content, _version(folder, content))


def _version(folder: Path, content: bytes) -> str:
    """The release: from npm's package.json, else from the file's banner, else (a bare map) from its bytes."""
    package = folder.parent / "package.json"
    if package.is_file():
        facts = json.loads(package.read_bytes())
        if facts.get("name") == "socket.io-client":
            return str(facts["version"])
    banner = BANNER.search(content[:200])
    return banner[1].decode() if banner else hashlib.sha256(content).hexdigest()[:16]


def _matches(condition: str | None, etag: str) -> bool:
    """Whether If-None-Match names this ETag; compared weakly (RFC 9110, 13.1.2)."""
    if condition is None:
        return False
    tags = [tag.strip().removeprefix("W/") for tag in condition.split(",")]
    return etag in tags or tags == ["*"]
