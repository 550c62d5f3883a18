"""Every way in which a request is refused: Engine.IO's numbered errors, as a table.

Knows codes, statuses and bodies; does not know when they apply (handshake.py does).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from flocket.codec import json
from flocket.engine.contracts import Headers

__all__ = ["MESSAGES", "Refusal"]

UNKNOWN_TRANSPORT, UNKNOWN_SID, BAD_HANDSHAKE_METHOD, BAD_REQUEST, FORBIDDEN, UNSUPPORTED_PROTOCOL = range(6)

MESSAGES = {  # Engine.IO's server, "Error codes"
    UNKNOWN_TRANSPORT: "Transport unknown",
    UNKNOWN_SID: "Session ID unknown",
    BAD_HANDSHAKE_METHOD: "Bad handshake method",
    BAD_REQUEST: "Bad request",
    FORBIDDEN: "Forbidden",
    UNSUPPORTED_PROTOCOL: "Unsupported protocol version",
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """One refused request: its number, the context for `connection_error`, the message where it is not the number's.

    `status` is set where Node has no number for it: 403 for a foreign Origin also when it upgrades, 503 when full.
    """

    code: int
    context: dict[str, Any] = field(default_factory=dict)
    message: str = ""
    status: int = 0
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def text(self) -> str:
        return self.message or MESSAGES[self.code]

    @property
    def details(self) -> dict[str, Any]:
        """The context that `connection_error` is told; the words of `allow_request` are a part of it, as in Node."""
        return {**self.context, "message": self.message} if self.message else self.context

    @property
    def http_status(self) -> int:
        return self.status or (403 if self.code == FORBIDDEN else 400)

    @property
    def upgrade_status(self) -> int:
        return self.status or 400  # Node answers every refused upgrade with 400

    def body(self, data: Any = None) -> bytes:
        """The answer in JSON. Raises EncodeError if `data`, which a user gave, cannot be sent."""
        answer: dict[str, Any] = {"code": self.code, "message": self.text}
        if data is not None:
            answer["data"] = data
        return json.dumps(answer)

    def http_headers(self) -> Headers:
        return [("Content-Type", "application/json"), *self.headers]

    def upgrade_headers(self) -> Headers:
        return [("Content-Type", "text/html"), *self.headers]
