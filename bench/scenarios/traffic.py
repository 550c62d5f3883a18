"""The scenarios that count events: what one costs the server's CPU, how many there are, and how late."""

from dataclasses import dataclass
from typing import Any

from bench import load
from bench.contestants import Contestant
from bench.process import serve
from bench.scenarios import Effort, Measurement, Scenario


@dataclass(frozen=True)
class Traffic:
    name: str
    title: str
    mode: str
    clients: int
    inflight: int = 1
    unit: str = "CPU µs per event"
    once: bool = False
    without: tuple[str, ...] = ()

    def measure(self, contestant: Contestant, effort: Effort) -> Measurement:
        with serve(contestant) as server:
            return as_measurement(
                load.measure(
                    self.mode,
                    server,
                    clients=self.clients,
                    inflight=self.inflight,
                    warmup=effort.warmup,
                    seconds=effort.seconds,
                )
            )


def as_measurement(figures: dict[str, Any]) -> Measurement:
    return Measurement(
        value=figures["server_cpu_us"] / max(1, figures["events"]),
        per_second=figures["events"] / figures["seconds"],
        p50_us=figures["p50_us"],
        p99_us=figures["p99_us"],
        busy=figures["server_cpu_us"] / figures["seconds"] / 1e6,
        errors=figures["errors"],
    )


SCENARIOS: list[Scenario] = [
    Traffic("broadcast-4", "Broadcast to 500 clients, 4 in flight", "broadcast", 500, 4),
    Traffic("broadcast-1", "Broadcast to 500 clients, 1 in flight", "broadcast", 500, 1),
    Traffic("echo-4", "Echo, 100 clients, 4 in flight each", "echo", 100, 4),
    Traffic("echo-1", "Echo, 1,000 clients, 1 in flight each", "echo", 1000, 1),
    Traffic("ack-4", "Acknowledgement, 100 clients, 4 in flight each", "ack", 100, 4),
    Traffic("connect", "Connect with handshake, 20 at a time", "connect", 20, unit="CPU µs per connect"),
    Traffic("polling-echo", "Echo over long-polling, 100 clients", "polling", 100),
]
