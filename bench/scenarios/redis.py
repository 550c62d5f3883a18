"""Two nodes and one Redis: what a broadcast costs both nodes together, and how late it reaches the other one.

The clients are spread over both nodes; the one that emits is at the first. Redis runs beside the load; its
own CPU is not counted.
"""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from bench import load
from bench.contestants import Contestant
from bench.process import (
    LOAD_CORE,
    Failed,
    Running,
    free_port,
    pin_and_unbind,
    serve,
    stop,
    wait_until_it_accepts,
)
from bench.scenarios import Effort, Measurement, Scenario
from bench.scenarios.traffic import as_measurement


@contextmanager
def redis_server() -> Iterator[str]:
    """The URL of an empty Redis that keeps nothing."""
    if not shutil.which("redis-server"):
        raise Failed("redis-server is not installed")
    port = free_port()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    with subprocess.Popen(
        ["redis-server", *options], stdout=subprocess.DEVNULL, preexec_fn=lambda: pin_and_unbind(LOAD_CORE)
    ) as process:
        try:
            wait_until_it_accepts(process, port)
            yield f"redis://127.0.0.1:{port}"
        finally:
            stop(process)


@contextmanager
def two_nodes(contestant: Contestant) -> Iterator[list[Running]]:
    with ExitStack() as stack:
        url = stack.enter_context(redis_server())
        yield [stack.enter_context(serve(contestant, REDIS_URL=url)) for _ in range(2)]


@dataclass(frozen=True)
class Crossing:
    name: str
    title: str
    clients: int
    unit: str = "CPU µs per event"
    once: bool = False
    without: tuple[str, ...] = ("bun",)

    def measure(self, contestant: Contestant, effort: Effort) -> Measurement:
        with two_nodes(contestant) as nodes:
            options = {"clients": self.clients, "inflight": 4}
            times = {"warmup": effort.warmup, "seconds": effort.seconds}
            return as_measurement(load.measure("broadcast", *nodes, **options, **times))


@dataclass(frozen=True)
class Lateness:
    """At one rate for all, less than half of what Node can do; python-socketio could not keep up."""

    name: str = "redis-p99"
    title: str = "Two nodes and Redis, p99 at the other node, 40 clients, 300 broadcasts a second"
    unit: str = "µs"
    clients: int = 40
    rate: int = 300
    once: bool = False
    without: tuple[str, ...] = ("bun", "python-socketio")

    def measure(self, contestant: Contestant, effort: Effort) -> Measurement:
        times = {"warmup": effort.warmup, "seconds": 2 * effort.seconds}
        options = {"clients": self.clients, "rate": self.rate, "crossing": True}
        with two_nodes(contestant) as nodes:
            figures = load.measure("broadcast", *nodes, **options, **times)
        return Measurement(figures["p99_us"], errors=figures["errors"], notes={"p50 µs": figures["p50_us"]})


@dataclass(frozen=True)
class Astray:
    """Every request comes to the node that does not have its session, as behind a balancer that takes turns between
    machines. The two share nothing but Redis, so they are two machines to each other."""

    name: str = "redis-relay"
    title: str = "Two machines, echo over long-polling through the other one by Redis, 100 clients"
    unit: str = "times the CPU without"
    clients: int = 100
    once: bool = False
    without: tuple[str, ...] = ("node", "bun", "python-socketio")  # none of them can

    def measure(self, contestant: Contestant, effort: Effort) -> Measurement:
        options = {"clients": self.clients, "warmup": effort.warmup, "seconds": effort.seconds}
        with two_nodes(contestant) as nodes:
            straight = load.measure("polling", *nodes, **options)
            astray = load.measure("polling", *nodes, astray=True, **options)
        if not straight["events"] or not astray["events"]:
            raise Failed("no event was delivered")
        plain, cost = (figures["server_cpu_us"] / figures["events"] for figures in (straight, astray))
        return Measurement(cost / plain, errors=straight["errors"] + astray["errors"], notes={"CPU µs per event": cost})


SCENARIOS: list[Scenario] = [
    Crossing("redis-200", "Two nodes and Redis, broadcast to 200 clients, 4 in flight", 200),
    Crossing("redis-20", "Two nodes and Redis, broadcast to 20 clients, 4 in flight", 20),
    Lateness(),
    Astray(),
]
