"""Four nodes on one Redis behind nginx, as everybody runs them: every client of every transport, each event once.

The nodes have nothing in common but Redis: each has a runtime folder of its own, as on a machine of its own.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from tests.cluster.crowd import PYTHONPATH, Crowd
from tests.cluster.tools import runtime_folder
from tests.support.balancers import balancing
from tests.support.polling import wait_for
from tests.support.programs import ROOT, Program, flocket, free_port, running
from tests.support.redis import RedisServer
from tests.support.script_client import ScriptClient

from flocket import Emitter

# nginx's ip_hash takes the first three numbers of an address: these are four clients to it.
ADDRESSES = [f"127.0.{number}.1" for number in (1, 2, 3, 4)]


@contextmanager
def four_nodes(redis: RedisServer) -> Iterator[list[Program]]:
    with ExitStack() as stack:
        nodes = []
        for _ in range(4):
            port = free_port()
            folder = stack.enter_context(runtime_folder())
            command = [sys.executable, str(ROOT / "tests/interop/multiple_nodes.py"), str(port), str(redis.port)]
            started = running(command, port, PYTHONPATH=PYTHONPATH, FLOCKET_RUNTIME=str(folder))
            nodes.append(stack.enter_context(started))
        wait_for(lambda: redis.command("PUBSUB", "NUMSUB", "socket.io-request#/#").endswith("4"))
        yield nodes


@pytest.mark.parametrize("sticky", ["address", "none"])
def test_every_event_reaches_every_client_of_four_nodes_once(sticky: str, tmp_path: Path) -> None:
    with RedisServer() as redis, four_nodes(redis) as nodes:
        addresses = [f"127.0.0.1:{node.port}" for node in nodes]
        with balancing("nginx", sticky, addresses, tmp_path) as front, Crowd(front.url) as crowd:
            for address in ADDRESSES:
                crowd.connect(3, "polling", **{"from": address})
                crowd.connect(3, "websocket", **{"from": address})
                crowd.connect(3, **{"from": address})
            crowd.check(36)
            script = ScriptClient(front.port, ADDRESSES[0])
            emit_from_outside(redis, crowd, 36)
            assert script.events(2) == ['42["heard","outside",0]', '42["heard","outside",1]']
            script.close()
            crowd.undisturbed()
        for node in nodes:
            assert "Traceback" not in node.printed()


def emit_from_outside(redis: RedisServer, crowd: Crowd, size: int) -> None:
    """A process that is no server, and the command line, reach every client of every node."""
    with Emitter(redis.url) as emitter:
        emitter.emit("heard", "outside", 0)
    subprocess.run(
        [*flocket("emit", redis.url, "heard", "outside", "--json", "1", "--room", "everyone")],
        env={"PYTHONPATH": PYTHONPATH},
        check=True,
        timeout=30,
    )
    crowd.say({"do": "heard", "from": "outside", "times": 2})
    assert crowd.line() == [[0, 1]] * size
