"""An HTTP request's head, as every face hands it in and as the user's `allow_request` sees it.

Knows how to read a query, cookies and forwarded addresses; does not know what the engine will answer.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from urllib.parse import unquote_plus

__all__ = ["Request", "parse_query"]

FORWARDED = (b"x-forwarded-for", b"x-forwarded-proto")


def parse_query(text: str) -> dict[str, str]:
    """Read a query string; a key that is repeated gets its values joined by commas, as JavaScript prints an array."""
    query: dict[str, str] = {}
    repeated: dict[str, list[str]] = {}
    for pair in text.split("&"):
        if not pair:
            continue
        key, _, value = pair.partition("=")
        if "%" in pair or "+" in pair:
            key, value = unquote_plus(key), unquote_plus(value)
        if key in query:
            repeated.setdefault(key, [query[key]]).append(value)
        else:
            query[key] = value
    for key, values in repeated.items():  # once: to join each to those before it would cost the square of their number
        query[key] = ",".join(values)
    return query


class Request:
    """The head of one request.

    `headers` maps lower-case names to values (repeated ones joined by ", "); `address` is the client's
    originating address, which is `peer` unless a trusted proxy says otherwise.
    """

    __slots__ = (
        "_cookies",
        "_headers",
        "_query",
        "_raw_headers",
        "address",
        "http_version",
        "method",
        "path",
        "peer",
        "peer_port",
        "query_string",
        "secure",
    )

    def __init__(
        self,
        method: str,
        path: str,
        query_string: str,
        raw_headers: Iterable[tuple[bytes, bytes]],
        *,
        peer: str = "",
        peer_port: int = 0,
        secure: bool = False,
        http_version: str = "1.1",
        trusted_proxies: Collection[str] = (),
    ) -> None:
        self.method = method
        self.path = path
        self.query_string = query_string
        self.peer = peer
        self.peer_port = peer_port
        self.http_version = http_version
        self._raw_headers = tuple(raw_headers)
        self._headers: dict[str, str] | None = None
        self._query: dict[str, str] | None = None
        self._cookies: dict[str, str] | None = None
        self.address = peer
        self.secure = secure
        if trusted_proxies and _trusted(peer, trusted_proxies):
            self._believe_proxy(trusted_proxies)

    @property
    def raw_headers(self) -> tuple[tuple[bytes, bytes], ...]:
        """The headers as they came, names in lower case."""
        return self._raw_headers

    @property
    def headers(self) -> Mapping[str, str]:
        """Lower-case names to values; repeated headers are joined by ", " (cookies by "; ")."""
        if self._headers is None:
            headers: dict[str, str] = {}
            repeated: dict[str, list[str]] = {}
            for raw_name, raw_value in self._raw_headers:
                name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
                if name in headers:
                    repeated.setdefault(name, [headers[name]]).append(value)
                else:
                    headers[name] = value
            for name, values in repeated.items():
                headers[name] = ("; " if name == "cookie" else ", ").join(values)
            self._headers = headers
        return self._headers

    def header(self, name: bytes) -> str | None:
        """One header by its lower-case name, without building the whole mapping."""
        for raw_name, value in self._raw_headers:
            if raw_name == name:
                return value.decode("latin-1")
        return None

    @property
    def query(self) -> Mapping[str, str]:
        if self._query is None:
            self._query = parse_query(self.query_string)
        return self._query

    @property
    def cookies(self) -> Mapping[str, str]:
        if self._cookies is None:
            cookies: dict[str, str] = {}
            for part in self.headers.get("cookie", "").split(";"):
                name, separator, value = part.strip().partition("=")
                if separator:
                    cookies.setdefault(name, value.strip('"'))
            self._cookies = cookies
        return self._cookies

    @property
    def url(self) -> str:
        """The target as the client asked for it: path and query."""
        return f"{self.path}?{self.query_string}" if self.query_string else self.path

    def _believe_proxy(self, trusted: Collection[str]) -> None:
        if not [name for name, _ in self._raw_headers if name in FORWARDED]:
            return
        forwarded = self.header(b"x-forwarded-for")
        if forwarded:
            hops = [hop.strip() for hop in forwarded.split(",") if hop.strip()]
            # From the right: each trusted proxy vouches for the hop before it, and no further.
            while len(hops) > 1 and _trusted(hops[-1], trusted):
                hops.pop()
            if hops:
                self.address = hops[-1]
        protocol = self.header(b"x-forwarded-proto")
        if protocol:
            self.secure = protocol.split(",")[0].strip().lower() in ("https", "wss")

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.url[:80]} from {self.address}>"


def _trusted(peer: str, trusted: Collection[str]) -> bool:
    # A unix socket has no address: whoever can open it is this machine's own proxy.
    return not peer or "*" in trusted or peer in trusted
