"""What a socket knows of how its client came: the request, the auth, the time. Read-only, made when first asked for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

from flocket.engine.request import Request

__all__ = ["Handshake"]


class Handshake:
    """`auth` is what the client gave in CONNECT (a dict; for clients 2.x the query of the namespace)."""

    __slots__ = ("_request", "auth", "issued")

    def __init__(self, request: Request, auth: dict[str, Any], issued: int) -> None:
        self._request = request
        self.auth = auth
        self.issued = issued  # milliseconds since 1970, as Node's

    @property
    def headers(self) -> Mapping[str, str]:
        """Lower-case names to values."""
        return self._request.headers

    @property
    def cookies(self) -> Mapping[str, str]:
        return self._request.cookies

    @property
    def query(self) -> Mapping[str, str]:
        return self._request.query

    @property
    def address(self) -> str:
        """The client's address: of the connection, or what a trusted proxy says."""
        return self._request.address

    @property
    def secure(self) -> bool:
        """Whether the client came by TLS, here or at a trusted proxy."""
        return self._request.secure

    @property
    def xdomain(self) -> bool:
        """Whether the request had an Origin."""
        return self._request.header(b"origin") is not None

    @property
    def url(self) -> str:
        return self._request.url

    @property
    def time(self) -> datetime:
        """When the socket connected, with timezone."""
        return datetime.fromtimestamp(self.issued / 1000, UTC)

    def to_wire(self) -> dict[str, Any]:
        """As Node's nodes tell it to each other: JSON values only."""
        return {
            "headers": dict(self.headers),
            "time": format_datetime(self.time, usegmt=True),
            "address": self.address,
            "xdomain": self.xdomain,
            "secure": self.secure,
            "issued": self.issued,
            "url": self.url,
            "query": dict(self.query),
            "auth": self.auth,
        }
