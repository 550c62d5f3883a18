"""`flocket config`: each program takes what is printed for it, and what is printed passes requests on."""

from __future__ import annotations

import socket
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from tests.support.balancers import INSTALLED, STICKY, balancing, command

from flocket.cli import main
from flocket.cli.config import BALANCERS, NODES, configuration
from flocket.errors import ConfigError

EACH = [(name, sticky) for name, kinds in STICKY.items() for sticky in kinds]


@pytest.mark.parametrize(("name", "sticky"), INSTALLED)
def test_the_program_takes_what_is_printed(tmp_path: Path, name: str, sticky: str) -> None:
    for path in ("/", "/socket.io/"):
        file = tmp_path / BALANCERS[name]
        file.write_text(configuration(name, [*NODES, "[::1]:6001"], sticky=sticky, path=path))
        checked = subprocess.run(command(name, file, check=True), capture_output=True, text=True, timeout=60)
        assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize(("name", "sticky"), [pair for pair in EACH if pair[0] in ("traefik", "kubernetes")])
def test_the_yaml_says_where_the_nodes_are(name: str, sticky: str) -> None:
    documents = list(yaml.safe_load_all(configuration(name, list(NODES), sticky=sticky)))
    if name == "traefik":
        balancer = documents[0]["http"]["services"]["io_nodes"]["loadBalancer"]
        assert [server["url"] for server in balancer["servers"]] == [f"http://{node}" for node in NODES]
        assert ("sticky" in balancer) == (sticky == "session")
        return
    deployment, service, ingress = documents
    assert deployment["spec"]["replicas"] == len(NODES)
    assert service["spec"]["ports"][0]["targetPort"] == 6001
    assert ("sessionAffinity" in service["spec"]) == (sticky == "address")
    annotations = ingress["metadata"]["annotations"]
    assert ("nginx.ingress.kubernetes.io/affinity" in annotations) == (sticky == "session")


UPGRADE = b"GET /socket.io/ HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: test\r\n\r\n"


class Node(BaseHTTPRequestHandler):
    """Says which node it is and what it was told, and takes an upgrade."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        names = ("Host", "X-Forwarded-For", "X-Forwarded-Proto")
        node = str(self.connection.getsockname()[1])
        told = " ".join([node, *(self.headers.get(name, "-") for name in names)]).encode()
        if self.headers["Upgrade"]:
            self.send_response(101)
            self.send_header("Connection", "Upgrade")
            self.send_header("Upgrade", self.headers["Upgrade"])
            self.end_headers()
            self.wfile.write(b"upgraded:" + self.rfile.read(4))
            self.close_connection = True
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def nodes() -> Iterator[list[str]]:
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), Node) for _ in range(3)]
    for server in servers:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield [f"127.0.0.1:{server.server_port}" for server in servers]
    for server in servers:
        server.shutdown()
        server.server_close()


def get(port: int, cookie: str = "") -> tuple[list[str], str]:
    request = urllib.request.Request(f"http://127.0.0.1:{port}/socket.io/", headers={"Cookie": cookie})
    with urllib.request.urlopen(request, timeout=5) as answer:
        return answer.read().decode().split(), (answer.headers["Set-Cookie"] or "").partition(";")[0]


@pytest.mark.parametrize(("name", "sticky"), INSTALLED)
def test_what_is_printed_passes_requests_on(tmp_path: Path, nodes: list[str], name: str, sticky: str) -> None:
    with balancing(name, sticky, nodes, tmp_path) as front:
        port = front.port
        (node, host, forwarded, scheme), cookie = get(port)
        assert f"127.0.0.1:{node}" in nodes
        assert (host, forwarded, scheme) == (f"127.0.0.1:{port}", "127.0.0.1", "http")
        assert bool(cookie) == (sticky == "session")
        reached = {get(port, cookie)[0][0] for _ in range(12)}
        assert len(reached) == (3 if sticky == "none" else 1)
        with socket.create_connection(("127.0.0.1", port), 5) as client:
            client.sendall(UPGRADE)
            head = client.recv(4096)
            assert head.startswith(b"HTTP/1.1 101 ")
            client.sendall(b"ping")
            while b"upgraded:ping" not in head:
                more = client.recv(4096)
                assert more, head
                head += more


@pytest.mark.parametrize(
    "node",
    ["", "6001", "host", "host:", "h:0", "h:65536", "h:٣", "a b:1", "a;b:1", "[::1:1", "[x]:1", "::1:1"],
)
def test_a_node_that_is_none_is_refused(node: str) -> None:
    with pytest.raises(ConfigError, match="--nodes"):
        configuration("nginx", [node])


@pytest.mark.parametrize("listen", [-1, 0, 65_536])
def test_a_port_in_front_that_is_none_is_refused(listen: int) -> None:
    with pytest.raises(ConfigError, match=f"--listen {listen}: a port"):
        configuration("nginx", ["127.0.0.1:6001"], listen=listen)


def test_what_a_program_cannot_do_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "nginx", "--sticky", "session"]) == 2
    assert capsys.readouterr().err == "flocket: nginx cannot do --sticky session; it can: address, none\n"
    assert main(["config", "haproxy", "--path", "/x; y"]) == 2


@pytest.mark.parametrize("name", BALANCERS)
def test_the_command_prints_a_whole_configuration(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", name, "--nodes", "10.0.0.1:7000", "10.0.0.2:7000", "--listen", "8080"]) == 0
    printed = capsys.readouterr().out
    assert "@" not in printed
    assert "?" not in printed
    assert ("10.0.0.2:7000" in printed) or name == "kubernetes"
    assert STICKY[name][0] in ("session", "address")
