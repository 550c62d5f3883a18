"""A request's query and headers -> what it wants of the engine, or a numbered refusal.

The order of the checks is Node's, so that a request with two faults gets the same answer. Knows no session's
state besides what it is told; starts nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from flocket.engine import refusal
from flocket.engine.cors import Cors, has_invalid_origin
from flocket.engine.refusal import Refusal
from flocket.engine.request import Request
from flocket.options import EngineOptions

__all__ = ["Known", "revision", "verify"]


class Known(Protocol):
    """What the check needs of a session that exists."""

    protocol: int

    @property
    def transport_name(self) -> str: ...


def verify(
    request: Request, sessions: Mapping[str, Known], options: EngineOptions, cors: Cors, upgrade: bool
) -> Refusal | None:
    """Why the request is refused, or None. `upgrade` says that it came as a WebSocket upgrade."""
    query = request.query
    transport = query.get("transport", "")
    if transport not in options.transports:
        return Refusal(refusal.UNKNOWN_TRANSPORT, {"transport": transport})
    if "j" in query and not options.jsonp:
        return Refusal(refusal.BAD_REQUEST, {"name": "JSONP_DISABLED"})
    origin = request.header(b"origin")
    if origin is not None:
        if has_invalid_origin(origin):
            return Refusal(refusal.BAD_REQUEST, {"name": "INVALID_ORIGIN", "origin": origin})
        if not cors.admits(request):
            return Refusal(refusal.FORBIDDEN, {"name": "FOREIGN_ORIGIN", "origin": origin}, status=403)
    sid = query.get("sid")
    if sid:
        return _verify_known(sid, query, sessions, transport, upgrade)
    if request.method != "GET":
        return Refusal(refusal.BAD_HANDSHAKE_METHOD, {"method": request.method})
    if (transport == "websocket") is not upgrade:
        return Refusal(refusal.BAD_REQUEST, {"name": "TRANSPORT_HANDSHAKE_ERROR"})
    return _verify_protocol(query, options)


def revision(query: Mapping[str, str]) -> int:
    """The protocol a client speaks: what does not say 4 is 3, as clients before it said nothing."""
    return 4 if query.get("EIO") == "4" else 3


def _verify_known(
    sid: str, query: Mapping[str, str], sessions: Mapping[str, Known], transport: str, upgrade: bool
) -> Refusal | None:
    session = sessions.get(sid)
    if session is None:
        return Refusal(refusal.UNKNOWN_SID, {"sid": sid})
    previous = session.transport_name
    if (transport == "websocket") is not upgrade or (not upgrade and previous != transport):
        return Refusal(
            refusal.BAD_REQUEST,
            {"name": "TRANSPORT_MISMATCH", "transport": transport, "previousTransport": previous},
        )
    protocol = revision(query)
    if protocol != session.protocol:
        return Refusal(
            refusal.BAD_REQUEST,
            {"name": "PROTOCOL_MISMATCH", "protocol": protocol, "previousProtocol": session.protocol},
        )
    return None


def _verify_protocol(query: Mapping[str, str], options: EngineOptions) -> Refusal | None:
    # Node takes any EIO but 4 for 3; a version that nobody speaks is refused here.
    if query.get("EIO") == "4" or (query.get("EIO") == "3" and options.allow_eio3):
        return None
    return Refusal(refusal.UNSUPPORTED_PROTOCOL, {"protocol": revision(query)})
