"""What is measured: a list of scenarios, each of which puts one server under one kind of load.

To add one, write a file here and name it in `all_scenarios`. A scenario does not know the other
servers, nor the targets.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from bench.contestants import Contestant


@dataclass(frozen=True)
class Effort:
    """How long and how large; `--quick` uses small ones."""

    rounds: int
    warmup: float
    seconds: float
    idle_clients: int
    large_senders: int
    settle: float  # what a garbage collector gets to come to rest


FULL = Effort(rounds=3, warmup=1.0, seconds=1.5, idle_clients=5000, large_senders=1000, settle=3.0)
QUICK = Effort(rounds=1, warmup=0.5, seconds=0.7, idle_clients=1000, large_senders=200, settle=1.0)


@dataclass(frozen=True)
class Measurement:
    value: float  # in the scenario's unit; less is better
    per_second: float | None = None
    p50_us: float | None = None
    p99_us: float | None = None
    busy: float | None = None  # the server's CPU per second: below 1, something else was the limit
    errors: int = 0
    notes: Mapping[str, float] = field(default_factory=dict)


class Scenario(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def unit(self) -> str: ...
    @property
    def once(self) -> bool:
        """Memory does not vary as time does: one round is enough."""

    @property
    def without(self) -> tuple[str, ...]:
        """The contestants that it is not for."""

    def measure(self, contestant: Contestant, effort: Effort) -> Measurement: ...


def all_scenarios() -> list[Scenario]:
    from bench.scenarios import cluster, memory, redis, traffic  # they import the names above

    return [*traffic.SCENARIOS, *memory.SCENARIOS, *cluster.SCENARIOS, *redis.SCENARIOS]
