"""What cannot be served is said in one line, before anything is served, whatever the number of workers."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest
from tests.cluster.tools import wait_until
from tests.support.programs import ROOT, flocket, free_port, running


def refused(folder: Path, *arguments: str) -> str:
    ended = subprocess.run(flocket(*arguments), cwd=folder, capture_output=True, text=True, timeout=30, check=False,
                           env={**os.environ, "PYTHONPATH": str(ROOT / "src")})
    assert ended.returncode == 2
    assert ended.stdout == "", "nothing is served, so nothing is announced"
    assert re.fullmatch(r"flocket: .+\n", ended.stderr)
    return ended.stderr


WORKERS = pytest.mark.parametrize("workers", ["1", "2"])


@WORKERS
def test_a_port_that_is_taken(workers: str, tmp_path: Path) -> None:
    port = free_port()
    with running(flocket("demo", "--port", str(port)), port):
        assert f"port {port} is in use" in refused(tmp_path, "demo", "--port", str(port), "--workers", workers)


@WORKERS
@pytest.mark.parametrize("port", ["-1", "65536", "99999"])
def test_a_port_that_is_none(port: str, workers: str, tmp_path: Path) -> None:
    assert f"port={port}" in refused(tmp_path, "demo", "--port", port, "--workers", workers)


@WORKERS
@pytest.mark.parametrize("host", ["nowhere.invalid", "192.0.2.1"])
def test_an_address_that_is_not_ours(host: str, workers: str, tmp_path: Path) -> None:
    assert host in refused(tmp_path, "demo", "--host", host, "--port", "0", "--workers", workers)


@WORKERS
def test_a_certificate_that_is_none(workers: str, tmp_path: Path) -> None:
    (tmp_path / "mine.pem").write_text("rubbish")
    common = ["demo", "--port", "0", "--workers", workers]
    assert "no such file" in refused(tmp_path, *common, "--ssl-certfile", "nothing.pem")
    assert "no certificate" in refused(tmp_path, *common, "--ssl-certfile", "mine.pem")
    assert "needs ssl_certfile" in refused(tmp_path, *common, "--ssl-keyfile", "mine.pem")


@pytest.mark.parametrize("arguments", [["--workers", "0"], ["--drain", "-1"], ["--adapter", "http://x"]])
def test_an_option_that_makes_no_sense(arguments: list[str], tmp_path: Path) -> None:
    refused(tmp_path, "demo", "--port", "0", *arguments)


def test_a_broker_that_is_not_there(tmp_path: Path) -> None:
    url = f"redis://127.0.0.1:{free_port()}"
    for workers, attempts in (("1", 1), ("2", 3)):
        command = flocket("demo", "--port", "0", "--workers", workers, "--adapter", url)
        ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False,
                               env={**os.environ, "PYTHONPATH": str(ROOT / "src")})
        assert ended.returncode != 0
        lines = [line for line in ended.stderr.splitlines() if "worker 0" not in line]
        assert len(lines) == attempts, ended.stderr
        assert all(line.endswith(f"the server could not start: Redis at {url}: connection refused") for line in lines)


def test_ctrl_c_is_the_supervisors_to_hear_while_a_worker_is_still_importing(tmp_path: Path) -> None:
    begun, imported = tmp_path / "begun", tmp_path / "imported"
    # What flocket imports first: in workers it takes long, elsewhere it is the real one.
    (tmp_path / "msgspec.py").write_text(
        f"import os, pathlib, sys, time\nif 'FLOCKET_LIFELINE' in os.environ:\n"
        f"    pathlib.Path({str(begun)!r}).write_text(str(os.getpid()))\n"
        f"    time.sleep(0.3)\n    pathlib.Path({str(imported)!r}).write_text(str(os.getpid()))\n"
        f"sys.path.remove({str(tmp_path)!r})\ndel sys.modules['msgspec']\nimport msgspec\n"
    )
    path = os.pathsep.join([str(tmp_path), str(ROOT / "src")])
    process = subprocess.Popen(flocket("demo", "--port", "0", "--workers", "2"), cwd=tmp_path, text=True,
                               stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": path},
                               preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    try:
        wait_until(lambda: begun.exists() and begun.read_text(), 20)
        worker = begun.read_text()
        os.kill(int(worker), signal.SIGINT)  # a terminal's goes to each process of the group
        wait_until(imported.exists, 20)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=10)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0
    assert imported.read_text() == worker
    assert "Traceback" not in said
