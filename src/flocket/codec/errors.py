"""What a codec raises when a peer sent rubbish; it never leaves the engine, which closes that peer's session."""

from __future__ import annotations


class DecodeError(ValueError):
    """The bytes are not what the protocol allows; the message is short and safe to show to the peer."""
