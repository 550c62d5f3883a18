"""The chat on four nodes behind each load balancer, as `flocket config` sets it up and as most have it already.

The nodes are joined by `cluster=`: whichever a request reaches, all of the room hear each other.
"""

from __future__ import annotations

import contextlib
import os
import threading
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from tests.demo.test_chat_page import check_talk, use, with_client
from tests.support.balancers import INSTALLED, balancing, nginx
from tests.support.node import run_lines
from tests.support.polling import wait_for
from tests.support.programs import Program, flocket, free_port, running

from flocket.engine.sid import tag_of

ADDRESSES = [f"127.0.{network}.{host}" for network in range(1, 6) for host in (1, 2)]
rooms = (f"room-{number}" for number in count())  # one for each test: the nodes are shared

# As it is in thousands of places, Socket.IO's own documentation among them in other words.
FAMILIAR = """
worker_processes auto;         # as many nginx processes as there are cores
events {
    worker_connections 1024;   # of each: half as many clients, as each takes a second one to its node
}
http {
    upstream io_nodes {
        ip_hash;               # the first three numbers of the client's address choose the node
        %s
    }
    server {
        listen %d;
        location / {
            proxy_pass http://io_nodes;
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection "upgrade";
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header Host $host;
        }
    }
}
"""


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Program]]:
    ports = [free_port() for _ in range(4)]
    name = f"test-{os.getpid()}-{ports[0]}"
    with contextlib.ExitStack() as stack:
        commands = [flocket("demo", "--port", str(port), "--cluster", name) for port in ports]
        folder = with_client(tmp_path_factory.mktemp("nodes"))
        nodes = [stack.enter_context(running(*pair, folder)) for pair in zip(commands, ports, strict=True)]
        yield nodes
        assert [node.end()[0] for node in nodes] == [0, 0, 0, 0]
        assert [node.printed() for node in nodes if "Traceback" in node.printed()] == []


def addresses(nodes: list[Program]) -> list[str]:
    return [f"127.0.0.1:{node.port}" for node in nodes]


def meet(front: Program) -> list[dict[str, Any]]:
    """Clients from several addresses in one room: each hears each other one exactly once."""
    clients: list[dict[str, Any]] = run_lines("addresses.js", front.url, next(rooms), *ADDRESSES)
    names = {client["name"] for client in clients}
    assert len(names) == 2 * len(ADDRESSES)
    for client in clients:
        assert sorted(client["heard"]) == sorted(names - {client["name"]})
        assert client["transport"] == {"polling": "polling", "upgrade": "websocket"}[client["way"]]
    return clients


def nodes_of(clients: list[dict[str, Any]]) -> dict[str, set[str | None]]:
    """By the first three numbers of the address: the nodes that have its sessions."""
    found: defaultdict[str, set[str | None]] = defaultdict(set)
    for client in clients:
        found[client["address"].rpartition(".")[0]].add(tag_of(client["session"]))
    return found


@pytest.mark.parametrize(("name", "sticky"), INSTALLED)
def test_two_pages_talk_through(name: str, sticky: str, nodes: list[Program], tmp_path: Path) -> None:
    with balancing(name, sticky, addresses(nodes), tmp_path) as front:
        check_talk(use(front, "talk", tmp_path, next(rooms)))


def test_two_pages_talk_through_the_configuration_that_most_have(nodes: list[Program], tmp_path: Path) -> None:
    port = free_port()
    servers = "\n        ".join(f"server {address};" for address in addresses(nodes))
    with nginx(FAMILIAR % (servers, port), port, tmp_path) as front:
        check_talk(use(front, "talk", tmp_path, next(rooms)))
        assert len({node for network in nodes_of(meet(front)).values() for node in network}) > 1


def test_ip_hash_keeps_a_network_with_its_node_and_spreads_the_networks(nodes: list[Program], tmp_path: Path) -> None:
    with balancing("nginx", "address", addresses(nodes), tmp_path) as front:
        found = nodes_of(meet(front))
        assert [len(owners) for owners in found.values()] == [1] * 5
        assert len({node for owners in found.values() for node in owners}) > 1


@pytest.mark.parametrize("name", ["nginx", "haproxy"])
def test_without_stickiness_and_with_connections_that_many_share_nobody_loses_a_session(
    name: str, nodes: list[Program], tmp_path: Path
) -> None:
    with balancing(name, "none", addresses(nodes), tmp_path) as front:
        assert len({tag_of(client["session"]) for client in meet(front)}) > 1


class Starting(BaseHTTPRequestHandler):
    """A node that says whether it is ready, and counts who comes all the same."""

    ready = False
    came = 0

    def do_GET(self) -> None:
        node = type(self)
        asked = self.path == "/readyz"
        node.came += not asked
        self.send_response(200 if node.ready or not asked else 503)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_haproxy_sends_nobody_to_a_node_before_it_is_ready(nodes: list[Program], tmp_path: Path) -> None:
    starting = ThreadingHTTPServer(("127.0.0.1", 0), Starting)
    threading.Thread(target=starting.serve_forever, args=(0.05,), daemon=True).start()

    def spared() -> bool:
        """Whether of so many requests in turn the node gets none."""
        before = Starting.came
        for _ in range(10):
            urllib.request.urlopen(front.url, timeout=10).close()
        return Starting.came == before

    five = [*addresses(nodes), f"127.0.0.1:{starting.server_port}"]
    with balancing("haproxy", "none", five, tmp_path) as front:
        wait_for(spared, 20)
        assert spared()
        Starting.ready = True
        wait_for(lambda: not spared(), 20)
    starting.shutdown()
    starting.server_close()
