"""The scenarios that watch the server's resident memory: idle clients, and those that do not read."""

import time
from dataclasses import dataclass

from bench import load
from bench.contestants import Contestant
from bench.process import Failed, Running, serve
from bench.scenarios import Effort, Measurement, Scenario

LARGE_BYTES = 900_000  # below every server's default limit of a million
PINGS_BYTES = 100_000_000
FIRST_PINGS_BYTES = 5_000_000  # buffers that any reading needs are there before the hundred
ROOM, SLOW_PAYLOAD = 100, 10_000


def _warm(server: Running, **options: object) -> None:
    """Lets the server load and compile what a connection needs, and leaves it at rest."""
    with load.holding("idle", server, clients=50, **options):
        pass


@dataclass(frozen=True)
class Idle:
    name: str
    title: str
    large: bool
    unit: str = "KiB per client"
    once: bool = True
    without: tuple[str, ...] = ()

    def measure(self, contestant: Contestant, effort: Effort) -> Measurement:
        clients = effort.large_senders if self.large else effort.idle_clients
        options: dict[str, object] = {"big": True, "bytes": LARGE_BYTES} if self.large else {}
        with serve(contestant) as server:
            _warm(server)
            time.sleep(effort.settle)
            before = server.resident_kib()
            with load.holding("idle", server, clients=clients, **options):
                time.sleep(effort.settle)
                return Measurement((server.resident_kib() - before) / clients)


@dataclass(frozen=True)
class Pings:
    """How it ends is the server's choice: all read, no longer read, or closed. Its memory is what counts."""

    name: str = "pings"
    title: str = "100 MB of pings, their answers unread"
    unit: str = "MB at the peak"
    once: bool = True
    without: tuple[str, ...] = ()

    def measure(self, contestant: Contestant, effort: Effort) -> Measurement:
        with serve(contestant) as server:
            with load.holding("pings", server, bytes=FIRST_PINGS_BYTES):
                pass
            time.sleep(effort.settle)
            before = server.resident_kib()
            server.forget_peak()
            with load.holding("pings", server, bytes=PINGS_BYTES) as figures:
                growth = (server.peak_kib() - before) * 1024 / 1e6
            return Measurement(growth, notes={"MB of pings that it took": round(figures["sent"] / 1e6)})


@dataclass(frozen=True)
class Slow:
    """A room of which one member never reads, after the same room in which all do."""

    name: str = "slow"
    title: str = f"One of {ROOM} in a room never reads"
    unit: str = "MB more at the peak than without it"
    once: bool = True
    without: tuple[str, ...] = ()

    def measure(self, contestant: Contestant, effort: Effort) -> Measurement:
        seconds = 2 * effort.seconds
        common = {"bytes": SLOW_PAYLOAD, "inflight": 4, "warmup": effort.warmup, "seconds": seconds}
        with serve(contestant) as server:
            load.measure("broadcast", server, clients=ROOM - 1, **common)  # the heap grows to what such a room needs
            server.forget_peak()
            alone = load.measure("broadcast", server, clients=ROOM - 1, **common)
            without = server.peak_kib()
            time.sleep(effort.settle)
            server.forget_peak()
            beside = load.measure("broadcast", server, clients=ROOM, slow=1, **common)
            growth = (server.peak_kib() - without) * 1024 / 1e6
        if not alone["events"]:
            raise Failed("no event was delivered")
        pace = beside["events"] / beside["seconds"] * alone["seconds"] / alone["events"]
        notes = {"pace of the others, 1 without it": pace}
        return Measurement(growth, errors=beside["errors"], notes=notes)


SCENARIOS: list[Scenario] = [
    Idle("idle", "Idle clients", large=False),
    Idle("idle-large", "Idle clients that each sent 900 kB once", large=True),
    Pings(),
    Slow(),
]
