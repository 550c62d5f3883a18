"""Two nodes of one machine beside the same work on nodes that need no other: what it costs them to be one.

The nodes share the server's core, the load is on the other. Each figure compares two measurements that follow
each other; it does not know how nodes reach one another.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count
from statistics import median
from typing import Any

from bench import load
from bench.contestants import Contestant
from bench.process import Failed, Running, serve
from bench.scenarios import Effort, Measurement, Scenario

OTHERS = ("node", "bun", "python-socketio")  # this is about our own workers

TURNS = 3

_names = count(1)


@contextmanager
def two_nodes(contestant: Contestant, **env: str) -> Iterator[list[Running]]:
    name = f"bench-{os.getpid()}-{next(_names)}"
    with ExitStack() as stack:
        yield [stack.enter_context(serve(contestant, CLUSTER=name, **env)) for _ in range(2)]


def _times(effort: Effort) -> dict[str, object]:
    return {"warmup": effort.warmup, "seconds": effort.seconds}


def _per_event(figures: dict[str, Any]) -> float:
    if not figures["events"]:
        raise Failed("no event was delivered")
    return float(figures["server_cpu_us"] / figures["events"])


@dataclass(frozen=True)
class Broadcast:
    """Half of the clients are on each node, and one client emits; before, on nodes that know nothing of each other,
    one client of each does. So two processes share a core both times: that alone makes each dearer."""

    name: str = "cluster-broadcast"
    title: str = "Two nodes, broadcast to 200 clients: a node's CPU for its 100 deliveries"
    unit: str = "times a lone node's"
    clients: int = 200
    once: bool = False
    without: tuple[str, ...] = OTHERS

    def measure(self, contestant: Contestant, effort: Effort) -> Measurement:
        with serve(contestant) as one, serve(contestant) as other:
            alone = load.measure("broadcast", one, other, clients=self.clients, everywhere=True, **_times(effort))
        with two_nodes(contestant) as nodes:
            together = load.measure("broadcast", *nodes, clients=self.clients, **_times(effort))
        _per_event(together)
        dearest = max(together["server_cpus_us"]) / (together["events"] / 2)
        ratio = dearest / _per_event(alone)
        return Measurement(ratio, errors=alone["errors"] + together["errors"], notes={"CPU µs per event": dearest})


@dataclass(frozen=True)
class Passing:
    """A visit's second connection comes to the node that has its session, or to the other, which passes it on."""

    name: str = "cluster-pass"
    title: str = "Two nodes, CPU for passing a connection to the other one"
    unit: str = "µs"
    clients: int = 20
    once: bool = True  # it has rounds of its own
    without: tuple[str, ...] = OTHERS

    def measure(self, contestant: Contestant, effort: Effort) -> Measurement:
        straight, passed = [], []
        with two_nodes(contestant) as nodes:
            # In turns: the difference is small beside what two measurements of the same differ by.
            for _ in range(TURNS):
                straight.append(load.measure("visit", *nodes, clients=self.clients, **_times(effort)))
                passed.append(load.measure("visit", *nodes, clients=self.clients, astray=True, **_times(effort)))
        plain = median(map(_per_event, straight))
        cost = median(map(_per_event, passed)) - plain
        errors = sum(figures["errors"] for figures in straight + passed)
        return Measurement(cost, errors=errors, notes={"CPU µs per visit without": plain})


@dataclass(frozen=True)
class Relayed:
    """Every request comes to the node that does not have its session, and stays there (`sticky="none"`)."""

    name: str = "cluster-relay"
    title: str = "Two nodes, echo over long-polling through the other one, 100 clients"
    unit: str = "times the CPU without"
    clients: int = 100
    once: bool = False
    without: tuple[str, ...] = OTHERS

    def measure(self, contestant: Contestant, effort: Effort) -> Measurement:
        with two_nodes(contestant, STICKY="none") as nodes:
            straight = load.measure("polling", *nodes, clients=self.clients, **_times(effort))
            relayed = load.measure("polling", *nodes, clients=self.clients, astray=True, **_times(effort))
        ratio = _per_event(relayed) / _per_event(straight)
        notes = {"CPU µs per event": _per_event(relayed)}
        return Measurement(ratio, errors=straight["errors"] + relayed["errors"], notes=notes)


SCENARIOS: list[Scenario] = [Broadcast(), Passing(), Relayed()]
