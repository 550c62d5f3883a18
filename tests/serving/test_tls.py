"""https and wss, by the fast face itself: the official client over a certificate made for the test."""

from __future__ import annotations

import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.node import run_lines
from tests.support.node_process import NodeProcess
from tests.support.programs import Program, flocket, free_port, running


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tls")
    files = folder / "certificate.pem", folder / "key.pem"
    made = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1"
    subprocess.run(
        [*made.split(), "-out", str(files[0]), "-keyout", str(files[1])], check=True, capture_output=True, timeout=30
    )
    return files


@pytest.fixture
def server(certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[Program]:
    port = free_port()
    options = ("--port", str(port), "--ssl-certfile", str(certificate[0]), "--ssl-keyfile", str(certificate[1]))
    monkeypatch.setenv("NODE_EXTRA_CA_CERTS", str(certificate[0]))
    with running(flocket("run", "tests.interop.hosted:io", *options), port) as program:
        yield program
        assert "Traceback" not in program.printed()


def test_the_official_client_finds_the_same_server_behind_it(server: Program) -> None:
    url = f"https://127.0.0.1:{server.port}"
    for transport in ("polling", "websocket", "upgrade"):
        results = run_lines("run.js", url, "4.8", transport, "json", timeout=120)
        failed = {one["name"]: one["detail"] for one in results if not one["ok"]}
        facts = failed.pop("the handshake's facts are there")  # which expects a connection that is not secure
        assert "true" in facts
        assert (failed, len(results) > 90) == ({}, True)


def test_who_speaks_no_tls_is_let_go(server: Program) -> None:
    with socket.create_connection(("127.0.0.1", server.port), 5) as plain:
        plain.sendall(b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: here\r\n\r\n")
        while plain.recv(1000):
            pass
    assert server.process.poll() is None


def test_it_ends_soon_with_clients_connected(server: Program) -> None:
    with NodeProcess("leavers.js", f"https://127.0.0.1:{server.port}") as clients:
        assert clients.line() == "connected"
        with socket.create_connection(("127.0.0.1", server.port), 5):  # whose handshake never comes
            status, took = server.end(signal.SIGTERM)
        assert (status, took < 2) == (0, True)
        assert [clients.line()["reason"] for _ in range(6)] == ["transport close"] * 6
