"""A bus within one process, for tests: it loses, delays, doubles and reorders what it is told to. Knows no
network.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass

from flocket.adapters.bus import Bus, NodeIdentity, OnMessage

__all__ = ["Faults", "MemoryBroker", "MemoryBus"]


@dataclass(slots=True)
class Faults:
    """How often (0 to 1) a message is lost, doubled, or overtakes the one before; how long (seconds) it
    takes.
    """

    loss: float = 0.0
    double: float = 0.0
    reorder: float = 0.0
    delay: float = 0.0


class MemoryBroker:
    """What the buses of one test share. `faults` may be changed at any time; `seed` makes chance repeatable.
    """

    def __init__(self, seed: int = 0) -> None:
        self.faults = Faults()
        self.lost = 0
        self._chance = random.Random(seed)
        self._buses: set[MemoryBus] = set()

    def join(self, bus: MemoryBus) -> None:
        self._buses.add(bus)

    def leave(self, bus: MemoryBus) -> None:
        self._buses.discard(bus)

    def publish(self, sender: MemoryBus, channel: str, data: bytes) -> None:
        for bus in list(self._buses):
            if bus is not sender and bus.subscribed(channel) and not (bus.cut or sender.cut):
                self._send(bus, channel, data)

    def _happens(self, probability: float) -> bool:
        return probability > 0 and self._chance.random() < probability

    def _send(self, bus: MemoryBus, channel: str, data: bytes) -> None:
        if self._happens(self.faults.loss):
            self.lost += 1
            return
        for _ in range(2 if self._happens(self.faults.double) else 1):
            # What comes a little later than its successor was overtaken by it.
            later = 0.001 if self._happens(self.faults.reorder) else 0.0
            bus.arrive(channel, data, self.faults.delay + later)


class MemoryBus(Bus):
    """One node's access to a MemoryBroker. While `cut`, it neither sends nor receives, and does not know it.
    """

    def __init__(self, broker: MemoryBroker) -> None:
        self.cut = False
        self._broker = broker
        self._channels: set[str] = set()
        self._on_message: OnMessage | None = None

    async def start(self, node: NodeIdentity, on_message: OnMessage) -> None:
        self._on_message = on_message
        self._broker.join(self)

    def subscribed(self, channel: str) -> bool:
        return channel in self._channels

    def subscribe(self, channel: str) -> None:
        self._channels.add(channel)

    def unsubscribe(self, channel: str) -> None:
        self._channels.discard(channel)

    def publish(self, channel: str, data: bytes) -> bool:
        if len(data) > self.max_message:
            raise ValueError(f"{len(data)} bytes are too many for one message")
        self._broker.publish(self, channel, data)
        return True

    def arrive(self, channel: str, data: bytes, delay: float) -> None:
        """A message of another node, after `delay` seconds."""
        loop = asyncio.get_running_loop()
        later: Callable[..., object] = loop.call_soon if delay <= 0 else _after(loop, delay)
        later(self._receive, channel, data)

    def _receive(self, channel: str, data: bytes) -> None:
        if self._on_message is not None:
            self._on_message(channel, data)

    async def aclose(self) -> None:
        self._broker.leave(self)
        self._on_message = None


def _after(loop: asyncio.AbstractEventLoop, delay: float) -> Callable[..., object]:
    return lambda *call: loop.call_later(delay, *call)
