"""Two nodes on two machines, one Redis, nginx in front that takes turns: whatever lands on the wrong one is relayed.

The machines are network namespaces: nodes of one machine cannot reach those of the other but by Redis.
"""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.cluster.crowd import PYTHONPATH, Crowd
from tests.cluster.tools import runtime_folder, wait_until
from tests.support.balancers import nginx
from tests.support.netns import inside, machines
from tests.support.programs import ROOT, Program, running
from tests.support.redis import RedisServer
from tests.support.script_client import ScriptClient

PORT = 6001  # nobody else is on these machines
TURNS = """
worker_processes 1;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    upstream nodes {{
        {nodes}
        {keepalive}
    }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://nodes;
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $wanted;
            proxy_buffering off;
            {retry}
        }}
    }}
    map $http_upgrade $wanted {{
        default upgrade;
        '' '';
    }}
}}
"""


@dataclass
class Machines:
    """A front with nginx, and the nodes behind it."""

    front: Program
    nodes: list[Program]
    redis: RedisServer


@contextmanager
def two_machines(
    adapter: str,
    folder: Path,
    *,
    keepalive: bool = False,
    workers: int = 1,
    leaving: bool = False,
    options: str = "{}",
) -> Iterator[Machines]:
    """The machines; inside, this thread is on the first one, where Redis, nginx and the clients are.

    If not even one is `leaving`, nginx may hide no error by asking the other one.
    """
    with ExitStack() as stack:
        first, others = stack.enter_context(machines(2))
        stack.enter_context(inside(first))
        addresses = [seen for _, _, seen in others]
        open_to_all = ["--bind", "127.0.0.1", *addresses, "--protected-mode", "no"]
        redis = stack.enter_context(RedisServer(*open_to_all))
        nodes = []
        for name, _, seen in others:
            url = f"{adapter}://{seen}:{redis.port}"
            command = [sys.executable, str(ROOT / "tests/cluster/far_node.py"), str(PORT), url, str(workers)]
            runtime = stack.enter_context(runtime_folder())
            with inside(name):
                environment = {"PYTHONPATH": PYTHONPATH, "FLOCKET_RUNTIME": str(runtime), "SERVER_OPTIONS": options}
                started = running(command, PORT, ROOT, **environment)
                nodes.append(stack.enter_context(started))
        for node in nodes:
            wait_until(lambda node=node: workers == 1 or node.printed().count("is ready") == workers, 20)  # type: ignore[misc]  # bound early
        text = TURNS.format(
            nodes=" ".join(f"server {address}:{PORT}{'' if leaving else ' max_fails=0'};" for _, address, _ in others),
            keepalive="keepalive 16;" if keepalive else "",
            retry="" if leaving else "proxy_next_upstream off;",
            port=PORT,
        )
        front = stack.enter_context(nginx(text, PORT, folder))
        yield Machines(front, nodes, redis)
        for node in nodes:
            assert "Traceback" not in node.printed()


def check_every_transport(front: Program, each: int) -> None:
    """Clients of all kinds, through turns: not one error, each event once and in order."""
    with Crowd(front.url) as crowd:
        for transports in (["polling"], ["websocket"], []):
            crowd.connect(each, *transports)
        script = ScriptClient(front.port)
        assert crowd.do("echo", times=2) == 0, crowd.state()
        assert crowd.do("shout", times=5) == 0, crowd.state()
        assert crowd.do("count") == [3 * each + 1, 3 * each + 1]
        for number in range(5):
            script.post(f'42["shout",{number}]')
        crowd.undisturbed()
        heard = script.events(3 * each * 5 + 5)
        script.close()
    heard_of: dict[str, list[int]] = {}
    for event in heard:
        _, speaker, number = json.loads(event[2:])
        heard_of.setdefault(speaker, []).append(number)
    assert list(heard_of.values()) == [[0, 1, 2, 3, 4]] * (3 * each + 1)


@pytest.mark.parametrize("keepalive", [False, True], ids=["each anew", "keepalive"])
@pytest.mark.parametrize("adapter", ["redis", "redis+sharded", "redis+streams", "bus+redis"])
def test_a_balancer_may_take_turns_between_machines(adapter: str, keepalive: bool, tmp_path: Path) -> None:
    with two_machines(adapter, tmp_path, keepalive=keepalive) as there:
        check_every_transport(there.front, 4)


def test_machines_with_workers_of_their_own_are_one_service(tmp_path: Path) -> None:
    with two_machines("redis", tmp_path, keepalive=True, workers=2) as there:
        check_every_transport(there.front, 6)


def test_a_machine_that_leaves_takes_only_its_own_clients_along(tmp_path: Path) -> None:
    with two_machines("redis", tmp_path, leaving=True) as there, Crowd(there.front.url) as crowd:
        for transports in (["polling"], ["websocket"], []):
            crowd.connect(4, *transports)
        assert crowd.do("echo", times=1) == 0, crowd.state()
        status, _ = there.nodes[1].end(signal.SIGTERM)
        assert (status, "Traceback" in there.nodes[1].printed()) == (0, False)
        assert crowd.do("connected", ms=20_000), crowd.state()
        assert crowd.do("echo", times=1) == 0, crowd.state()
        assert crowd.do("count") == [12, 12]


def test_a_machine_that_dies_leaves_nobody_waiting_for_it(tmp_path: Path) -> None:
    with two_machines("redis", tmp_path, leaving=True) as there, Crowd(there.front.url) as crowd:
        for transports in (["polling"], ["websocket"], []):
            crowd.connect(4, *transports)
        assert crowd.do("echo", times=1) == 0, crowd.state()
        there.nodes[1].process.kill()
        # Those whose requests the other machine has relayed learn it from its silence.
        wait_until(lambda: crowd.do("count") == [12, 12] and crowd.do("echo", times=1) == 0, 40)


def test_no_client_waits_for_what_a_broken_connection_to_redis_lost(tmp_path: Path) -> None:
    # A client that comes back anew leaves its old session behind until its heartbeat is missed: not for 45 s here.
    options = '{"ping_interval": 5.0, "ping_timeout": 5.0}'
    with two_machines("redis", tmp_path, options=options) as there, Crowd(there.front.url) as crowd:
        for transports in (["polling"], ["websocket"], []):
            crowd.connect(4, *transports)
        for _ in range(3):
            crowd.say({"do": "echo", "times": 30})
            there.redis.command("CLIENT", "KILL", "TYPE", "pubsub")
            there.redis.command("CLIENT", "KILL", "TYPE", "normal")
            crowd.line(60)  # some of these are lost with their connections
            wait_until(lambda: crowd.do("count") == [12, 12] and crowd.do("echo", times=1) == 0, 30)
        crowd.check(12)
