"""Channels of a Bus beside those on which its nodes talk: for requests that reached the wrong machine.

Knows who may publish there; does not know what is said. The contract is cluster/far.py's.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable

from flocket.adapters.bus import Bus, CountsNodes

__all__ = ["BusLines"]

Hear = Callable[[bytes], None]

_MAC = 32  # bytes of a SHA-256


class BusLines:
    """Channels of any Bus; what is said is signed with `key`, if there is one."""

    def __init__(self, bus: Bus, prefix: str, key: bytes | None) -> None:
        self.prefix = prefix
        self.hearers: dict[str, Hear] = {}
        self._bus = bus
        self._key = key

    def say(self, channel: str, data: bytes) -> bool:
        """Publish and return at once; False if it is lost."""
        if len(data) + _MAC > self._bus.max_message:
            return False
        return self._bus.publish(channel, data if self._key is None else self._sign(channel, data) + data)

    def listen(self, channel: str, hear: Hear) -> None:
        """Hear what others publish there."""
        self.hearers[channel] = hear
        self._bus.subscribe(channel)

    def heard(self, channel: str, data: bytes) -> bool:
        """Take what came on one of these channels; False if its signature is not right."""
        if self._key is not None:
            signature, data = data[:_MAC], data[_MAC:]
            if not hmac.compare_digest(signature, self._sign(channel, data)):
                return False
        self.hearers[channel](data)
        return True

    async def settled(self) -> None:
        """Return once every `listen` so far is in effect."""
        await self._bus.settled()

    async def count(self, channel: str) -> int | None:
        """How many listen there; None if the broker does not say."""
        return await self._bus.count_nodes(channel) if isinstance(self._bus, CountsNodes) else None

    def _sign(self, channel: str, data: bytes) -> bytes:
        # The channel is signed, too, or a frame could be said again to another node.
        assert self._key is not None
        return hmac.digest(self._key, channel.encode() + b"\0" + data, hashlib.sha256)
