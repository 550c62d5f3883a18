"""A client that says what a test types, frame by frame, to a Server without a port; and time to let it act."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from tests.support.fakes import FakeTransport, FakeUpgrade, request

from flocket import Server

__all__ = ["Raw", "settle"]


async def settle(turns: int = 8) -> None:
    """Let all that is ready run: no time has to pass for it."""
    for _ in range(turns):
        await asyncio.sleep(0)


class Raw:
    """One WebSocket. `take` gives what came since the last time: text as str, binary as bytes."""

    def __init__(
        self, io: Server[Any], query: str = "EIO=4", headers: Sequence[tuple[str, str]] = ()
    ) -> None:
        upgrade = FakeUpgrade(request(f"{query}&transport=websocket", headers=headers))
        io._engine.upgrade(upgrade)
        self.transport: FakeTransport = upgrade.accepted
        self._seen = 0

    @classmethod
    async def connected(cls, io: Server[Any], namespace: str = "", query: str = "EIO=4") -> Raw:
        """Connected to a namespace, with nothing to take yet."""
        raw = cls(io, query)
        if "EIO=3" not in query or namespace:
            raw.say(f"40{namespace}," if namespace else "40")
        await settle()
        assert any(word.startswith("40") for word in raw.take() if isinstance(word, str)), "not let in"
        return raw

    def say(self, *frames: str | bytes) -> None:
        for frame in frames:
            self.transport.receive(frame)

    async def ask(self, *frames: str | bytes) -> list[str | bytes]:
        """Say it, and what comes back when all has run."""
        self.say(*frames)
        await settle()
        return self.take()

    def take(self) -> list[str | bytes]:
        new = self.transport.frames[self._seen :]
        self._seen = len(self.transport.frames)
        return [frame.payload if frame.binary else frame.payload.decode() for frame in new]

    @property
    def closed(self) -> bool:
        return self.transport.closed is not None
