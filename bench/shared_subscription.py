"""What four workers of one machine pay to hear Redis: each with a subscription, or one shared by all.

`python -m bench.shared_subscription`: CPU microseconds a message, of the four workers and of Redis, at several ways of
arriving. A message here ends where it is read, as one for a room without members does.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.scenarios.redis import redis_server

WORKERS = 4
PAYLOAD = b"x" * 200  # an event with a few arguments
KEY = "socket.io"
CHANNEL = f"{KEY}#/#room#"
SECONDS = 4.0
RUNS = 3  # of which the cheapest is told: whatever else the machine does only adds
BURSTS = ((1, 1_000), (1, 4_000), (20, 10_000))  # messages at a time, and a second
TICKS = os.sysconf("SC_CLK_TCK")


async def worker(port: int, folder: Path, number: int, shared: bool) -> None:
    """Hear everything until the input ends; then print the count, and the CPU seconds used."""
    from flocket.adapters.buses.lanes import Lanes
    from flocket.adapters.buses.mesh import Mesh
    from flocket.adapters.buses.redis import PATTERN as BY_PATTERN
    from flocket.adapters.buses.redis import RedisBus
    from flocket.adapters.buses.redis_address import RedisAddress
    from flocket.adapters.counters import AdapterCounters
    from flocket.adapters.shared_subscription import SharedSubscription
    from flocket.cluster.runtime import make_identity

    mesh = Mesh(folder, make_identity(folder), worker=number)
    lanes = Lanes(mesh)
    count = 0

    def heard(*_: object) -> None:
        nonlocal count
        count += 1

    await mesh.start()
    bus = RedisBus(RedisAddress.parse(f"redis://127.0.0.1:{port}"))
    await bus.open()
    one_for_all = SharedSubscription(bus, lanes.lane("bench"), mesh.node, KEY, AdapterCounters())
    if shared:
        one_for_all.listen(f"{KEY}#/#", heard, f"{KEY}-request#/#", heard)
        await one_for_all.start()
    else:
        bus.listen(BY_PATTERN, f"{KEY}#/#*", heard)
        await bus.settled()
    while sum(peer.up for peer in mesh.peers.values()) < WORKERS - 1:  # noqa: ASYNC110  # many objects end it
        await asyncio.sleep(0.01)
    print("ready", flush=True)
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(None, sys.stdin.readline)
    count, begun = 0, time.process_time()
    await loop.run_in_executor(None, sys.stdin.readline)
    print(count, time.process_time() - begun, flush=True)
    if shared:
        await one_for_all.aclose()
    await bus.aclose()
    await lanes.aclose()
    await mesh.aclose()


async def publish(port: int, burst: int, rate: int) -> int:
    """Publish for a while; returns how many."""
    from flocket.adapters.buses.redis import CHANNEL as PLAIN
    from flocket.adapters.buses.redis import RedisBus
    from flocket.adapters.buses.redis_address import RedisAddress

    bus = RedisBus(RedisAddress.parse(f"redis://127.0.0.1:{port}"))
    await bus.open()
    loop = asyncio.get_running_loop()
    begun, sent = loop.time(), 0
    while sent < rate * SECONDS:
        for _ in range(burst):
            bus.say(PLAIN, CHANNEL, PAYLOAD)
        sent += burst
        await asyncio.sleep(max(0.0, begun + sent / rate - loop.time()))
    await asyncio.sleep(1.5)  # the last arrive
    await bus.aclose()
    return sent


def cpu_of(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def measure(shared: bool, burst: int, rate: int) -> tuple[float, float]:
    """CPU microseconds a message: of all workers together, of Redis."""
    with redis_server() as url, tempfile.TemporaryDirectory(prefix="fl-") as folder:
        port = url.rpartition(":")[2]
        command = [sys.executable, "-m", "bench.shared_subscription", "--worker"]
        workers = [
            subprocess.Popen(
                [*command, port, folder, str(number), str(int(shared))],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for number in range(WORKERS)
        ]

        def say_to_all(word: str) -> list[str]:
            for one in workers:
                assert one.stdin is not None
                one.stdin.write(word)
                one.stdin.flush()
            return [one.stdout.readline() for one in workers] if word != "begin\n" else []  # type: ignore[union-attr]  # pipes

        say_to_all("")
        info = subprocess.run(["redis-cli", "-p", port, "INFO", "server"], capture_output=True, text=True, check=True)
        redis = int(next(line for line in info.stdout.splitlines() if line.startswith("process_id")).partition(":")[2])
        say_to_all("begin\n")
        before = cpu_of(redis)
        sent = asyncio.run(publish(int(port), burst, rate))
        of_redis = cpu_of(redis) - before
        told = [line.split() for line in say_to_all("end\n")]
        for one in workers:
            one.communicate(timeout=10)
        assert [int(count) for count, _ in told] == [sent] * WORKERS, told
        return sum(float(used) for _, used in told) / sent * 1e6, of_redis / sent * 1e6


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--worker", nargs=4)
    given = parser.parse_args().worker
    if given:
        import uvloop

        port, folder, number, shared = given
        uvloop.run(worker(int(port), Path(folder), int(number), shared == "1"))
        return
    for burst, rate in BURSTS:
        for shared in (False, True):
            workers, redis = min(measure(shared, burst, rate) for _ in range(RUNS))
            name = "one for all" if shared else "one each"
            print(f"{rate:6} a second, {burst:2} at a time: {name:12} workers {workers:5.1f} us, Redis {redis:5.1f} us")


if __name__ == "__main__":
    main()
