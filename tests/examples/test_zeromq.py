"""The example of a bus of one's own passes the suite that flocket's passes."""

from __future__ import annotations

import importlib.util
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.support.programs import ROOT, free_port

from flocket import ClusterAdapter
from flocket.testing import AdapterConformance

SOURCE = Path(ROOT) / "examples/zeromq/bus.py"


def load() -> Any:
    spec = importlib.util.spec_from_file_location("zeromq_bus", SOURCE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class TestZeroMQBus(AdapterConformance):
    @asynccontextmanager
    async def adapters(self, count: int) -> AsyncIterator[list[Any]]:
        addresses = [f"tcp://127.0.0.1:{free_port()}" for _ in range(count)]
        bus = load().ZeroMQBus
        yield [
            ClusterAdapter(
                bus(address, [other for other in addresses if other != address]),
                heartbeat_interval=0.1,
                heartbeat_timeout=1.0,
            )
            for address in addresses
        ]


def test_the_example_is_short() -> None:
    assert len(SOURCE.read_text().splitlines()) < 120
