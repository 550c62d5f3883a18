"""The scenarios that watch the server's resident memory: idle clients, and those that do not read."""

import time
from dataclasses import dataclass

from bench import load
from bench.contestants import Contestant
from bench.process import Failed, Running, serve
from bench.scenarios import Effort, Measurement, Scenario

LARGE_BYTES = 900_000  # below every server's default limit of a million
PINGS_BYTES = 100_000_000
ROOM, SLOW, SLOW_PAYLOAD = 100, 10, 10_000


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
            _warm(server)
            time.sleep(effort.settle)
            before = server.resident_kib()
            server.forget_peak()
            with load.holding("pings", server, bytes=PINGS_BYTES) as figures:
                growth = (server.peak_kib() - before) * 1024 / 1e6
            return Measurement(growth, notes={"MB of pings that it took": round(figures["sent"] / 1e6)})


@dataclass(frozen=True)
class Slow:
    """A room in which some never read, after the same room in which all do."""

    name: str = "slow"
    title: str = f"{SLOW} of {ROOM} in a room never read"
    unit: str = "MB for each of them"
    once: bool = True
    without: tuple[str, ...] = ()

    def measure(self, contestant: Contestant, effort: Effort) -> Measurement:
        seconds = 2 * effort.seconds
        common = {"bytes": SLOW_PAYLOAD, "inflight": 4, "warmup": effort.warmup, "seconds": seconds}
        with serve(contestant) as server:
            alone = load.measure("broadcast", server, clients=ROOM - SLOW, **common)
            time.sleep(effort.settle)
            before = server.resident_kib()
            server.forget_peak()
            beside = load.measure("broadcast", server, clients=ROOM, slow=SLOW, **common)
            growth = (server.peak_kib() - before) * 1024 / 1e6
        if not alone["events"]:
            raise Failed("no event was delivered")
        pace = beside["events"] / beside["seconds"] * alone["seconds"] / alone["events"]
        notes = {"pace of the others, 1 without the slow": pace}
        return Measurement(growth / SLOW, errors=beside["errors"], notes=notes)


SCENARIOS: list[Scenario] = [
    Idle("idle", "Idle clients", large=False),
    Idle("idle-large", "Idle clients that each sent 900 kB once", large=True),
    Pings(),
    Slow(),
]
