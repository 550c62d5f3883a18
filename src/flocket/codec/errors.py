"""What a codec raises when a peer sent rubbish; it stays within the engine, which closes that session."""

from __future__ import annotations


class DecodeError(ValueError):
    """The bytes are not what the protocol allows; the message is short and safe to show to the peer."""
