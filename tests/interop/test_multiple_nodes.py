"""Four nodes on one Redis behind nginx, as everybody runs them: every client of every transport, each event once.

The nodes have nothing in common but Redis: each has a runtime folder of its own, as on a machine of its own.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import quote

import pytest
from tests.cluster.crowd import PYTHONPATH, Crowd
from tests.cluster.tools import runtime_folder
from tests.support.balancers import balancing
from tests.support.polling import wait_for
from tests.support.programs import ROOT, Program, flocket, free_port, running
from tests.support.redis import RedisServer

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


class ScriptClient:
    """A client that polls by script elements (JSONP), as browsers without CORS did."""

    def __init__(self, port: int, address: str) -> None:
        self._connection = HTTPConnection("127.0.0.1", port, timeout=10, source_address=(address, 0))
        self._query = "/socket.io/?EIO=4&transport=polling&j=0"
        self.sid = json.loads(self._poll()[1:])["sid"]
        self._query += f"&sid={self.sid}"
        self._post("40")
        assert self._poll().startswith("40")

    def _poll(self) -> str:
        self._connection.request("GET", self._query)
        body = self._connection.getresponse().read().decode()
        script = re.fullmatch(r"___eio\[0\]\((.*)\);", body)
        assert script is not None, body
        text: str = json.loads(script[1])
        return text

    def _post(self, text: str) -> None:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        self._connection.request("POST", self._query, "d=" + quote(text), headers)
        assert self._connection.getresponse().read() == b"ok"

    def events(self, count: int) -> list[str]:
        """The next so many events."""
        packets: list[str] = []
        while len(packets) < count:
            found = self._poll().split("\x1e")
            if "2" in found:
                self._post("3")
            packets += [packet for packet in found if packet.startswith("42")]
        return packets

    def close(self) -> None:
        self._connection.close()


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
