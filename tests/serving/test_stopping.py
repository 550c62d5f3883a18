"""How a server ends: soon, with clients connected and polls pending; after its handlers; and with which exit status.

Real processes and real signals.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from tests.serving.hosts import hosted
from tests.support.node_process import NodeProcess
from tests.support.peer import Peer
from tests.support.polling import wait_for
from tests.support.programs import ROOT, Program, flocket, free_port, running

from flocket import ConfigError, Server

SOON = 2.0  # seconds
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT / "src")}

# Not hypercorn: its worker hears no signal, and cuts what is under way after 3 s of its own.
ENDING = ("flocket run (fast)", "uvicorn (fast)", "uvicorn", "uvicorn h11 wsproto", "granian")

HANDLERS = """
import asyncio, sys, time
from flocket import Server

async def lifespan(io):
    print("begin", flush=True)
    yield
    print("end", flush=True)

import contextlib
io = Server(lifespan=contextlib.asynccontextmanager(lifespan))

@io.on("work")
async def work(socket, seconds):
    print("working", flush=True)
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        print("cancelled", flush=True)
        raise
    print("worked", flush=True)
    return "done"

@io.on("block", thread=True)
def block(socket, seconds):
    print("blocking", flush=True)
    time.sleep(seconds)

@io.on("disconnect")
async def disconnect(socket, reason):
    await asyncio.sleep(0.1)
    print("left:", reason, flush=True)

if __name__ == "__main__":
    io.run(port=int(sys.argv[1]), drain=float(sys.argv[2]), workers=int(sys.argv[3]), sticky="none")
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("host", ENDING)
def test_a_signal_ends_it_soon_with_clients_connected_and_polls_pending(host: str, number: signal.Signals) -> None:
    ends(host, number)


def test_gunicorn_ends_its_workers_in_order() -> None:
    ends("gunicorn", signal.SIGTERM)  # by SIGINT its workers for uvicorn do not end, whatever they serve


def ends(host: str, number: signal.Signals) -> None:
    with hosted(host) as program, NodeProcess("leavers.js", program.url) as clients:
        assert clients.line() == "connected"
        status, took = program.end(number)
        assert [clients.line()["reason"] for _ in range(6)] == ["transport close"] * 6
        assert took < SOON, program.printed()
        if host == "flocket run (fast)":
            assert status == 0
        assert "Traceback" not in program.printed()


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "handlers.py"
    path.write_text(HANDLERS)
    return path


def start(script: Path, drain: float, workers: int = 1) -> AbstractContextManager[Program]:
    port = free_port()
    return running([sys.executable, str(script), str(port), str(drain), str(workers)], port)


def test_handlers_that_run_may_end_and_answer_before_clients_are_told(script: Path) -> None:
    with start(script, 10) as program, Peer(program.port) as peer:
        peer.websocket.text('427["work",0.5]')
        wait_for(lambda: "working" in program.printed())
        program.process.send_signal(signal.SIGTERM)
        assert peer.receive() == '437["done"]'
        assert program.process.wait(5) == 0
        lines = program.printed().splitlines()
        assert lines[-4:] == ["working", "worked", "left: server shutting down", "end"]


def asked(program: Program, target: str, body: bytes | None = None) -> tuple[int, str]:
    """One request on a connection of its own: status and body."""
    try:
        with urllib.request.urlopen(program.url + target, body, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


@pytest.mark.parametrize("workers", [1, 2])
def test_until_clients_are_told_polls_are_served_and_readyz_says_no(script: Path, workers: int) -> None:
    with start(script, 10, workers) as program:
        wait_for(lambda: program.printed().count("begin") == workers)
        opening = "/socket.io/?EIO=4&transport=polling"
        mine = f"{opening}&sid={json.loads(asked(program, opening)[1][1:])['sid']}"
        assert asked(program, mine, b"40")[0] == 200
        assert asked(program, mine)[1].startswith("40{")
        assert asked(program, mine, b'427["work",2]')[0] == 200
        wait_for(lambda: "working" in program.printed())
        program.process.send_signal(signal.SIGTERM)
        wait_for(lambda: asked(program, "/readyz")[0] == 503)
        wait_for(lambda: asked(program, opening)[0] == 503)  # no new session, once each worker has heard
        while (answer := asked(program, mine)) == (200, "6"):
            pass  # the worker that has nothing to wait for ends first, and the poll may have come through it
        assert answer == (200, '437["done"]')
        assert program.process.wait(5) == 0


@pytest.mark.parametrize("workers", [1, 2])
def test_once_clients_are_told_whoever_connects_is_refused_and_goes_elsewhere(script: Path, workers: int) -> None:
    with start(script, 2, workers) as program, Peer(program.port) as peer:
        peer.websocket.text('427["work",60]')
        wait_for(lambda: "working" in program.printed())
        program.process.send_signal(signal.SIGTERM)
        wait_for(lambda: "left: server shutting down" in program.printed())
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", program.port))
        assert "cancelled" not in program.printed()  # its worker has not ended
        assert program.process.wait(5) == 0


def test_while_a_worker_is_replaced_and_its_handlers_run_the_others_take_who_comes(script: Path) -> None:
    with start(script, 10, 2) as program, Peer(program.port) as peer:
        wait_for(lambda: program.printed().count("is ready") == 2)
        peer.websocket.text('427["work",2]')
        wait_for(lambda: "working" in program.printed())
        program.process.send_signal(signal.SIGHUP)
        wait_for(lambda: program.printed().count("is ready") >= 3)
        while "worked" not in program.printed():
            assert asked(program, "/socket.io/?EIO=4&transport=polling")[0] == 200
            assert asked(program, "/readyz")[0] == 200
        assert peer.receive() == '437["done"]'
        wait_for(lambda: program.printed().count("has ended") == 2)


def test_handlers_that_do_not_end_in_time_are_cancelled(script: Path) -> None:
    with start(script, 2) as program, Peer(program.port) as peer:
        peer.websocket.text('427["work",60]')
        wait_for(lambda: "working" in program.printed())
        status, took = program.end(signal.SIGTERM)
        assert (status, took < 2 + SOON) == (0, True)
        assert program.printed().splitlines()[-3:] == ["left: server shutting down", "cancelled", "end"]
        assert program.printed().count("handlers still run") == 1


def test_a_handler_in_a_thread_is_left_behind_in_the_end(script: Path) -> None:
    with start(script, 1) as program, Peer(program.port) as peer:
        peer.websocket.text('427["block",60]')
        wait_for(lambda: "blocking" in program.printed())
        status, took = program.end(signal.SIGTERM)
        assert (status, took < 1 + SOON) == (0, True)


def test_a_second_interrupt_waits_for_nobody(script: Path) -> None:
    with start(script, 30) as program, Peer(program.port) as peer:
        peer.websocket.text('427["work",60]')
        wait_for(lambda: "working" in program.printed())
        began = time.monotonic()
        program.process.send_signal(signal.SIGINT)
        time.sleep(0.3)  # two interrupts that are pending together are one
        program.process.send_signal(signal.SIGINT)
        assert program.process.wait(5) == 0
        assert time.monotonic() - began < SOON
        assert program.printed().splitlines()[-1] == "end"


def test_a_start_that_hangs_is_ended_by_one_signal(tmp_path: Path) -> None:
    (tmp_path / "hangs.py").write_text(
        "import asyncio, contextlib\n"
        "from flocket import Server\n"
        "@contextlib.asynccontextmanager\n"
        "async def lifespan(io):\n"
        "    print('hanging', flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "    yield\n"
        "io = Server(lifespan=lifespan)\n"
        f"io.run(port={free_port()})\n"
    )
    with (tmp_path / "output").open("w+") as output:
        command = [sys.executable, "hangs.py"]
        process = subprocess.Popen(command, cwd=tmp_path, env=ENVIRONMENT, stdout=output, stderr=output)
        try:
            wait_for(lambda: "hanging" in (tmp_path / "output").read_text())
            process.send_signal(signal.SIGINT)
            assert process.wait(SOON) == 0
        finally:
            process.kill()
            process.wait()
        assert "Traceback" not in (tmp_path / "output").read_text()


def fails(*options: str, folder: Path | None = None) -> tuple[int, str]:
    """Run `flocket run`, which must end by itself: its status, and what it says."""
    command = flocket("run", *options)
    done = subprocess.run(command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=20, check=False)
    return done.returncode, done.stderr


@pytest.fixture
def module(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text("from flocket import Server\nio = Server()\n")
    return tmp_path


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--host", "no.such.host.invalid"), "no.such.host.invalid"),
        (("--host", "192.0.2.1"), "192.0.2.1"),
        (("--port", "70000"), "70000"),
        (("--ssl-certfile", "missing.pem"), "missing.pem"),
        (("--ssl-keyfile", "app.py"), "ssl_certfile"),
        (("--ssl-certfile", "app.py"), "app.py"),
        (("--workers", "0"), "workers"),
        (("--drain", "-1"), "drain"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(module: Path, options: tuple[str, ...], words: str) -> None:
    status, said = fails("app:io", *options, folder=module)
    assert status == 2
    assert len(said.splitlines()) == 1
    assert said.startswith("flocket: ")
    assert words in said


def test_a_port_in_use_is_said_in_one_line(module: Path) -> None:
    with hosted("flocket run (fast)") as program:
        status, said = fails("app:io", "--port", str(program.port), folder=module)
    assert (status, len(said.splitlines())) == (2, 1)
    assert "in use" in said


def test_a_program_of_ones_own_gets_an_exception_that_says_it(module: Path) -> None:
    with hosted("flocket run (fast)") as program:
        code = (
            "from app import io\nfrom flocket import ConfigError\n"
            f"try: io.run(port={program.port})\nexcept ConfigError as e: print(e)"
        )
        command = [sys.executable, "-c", code]
        done = subprocess.run(
            command, cwd=module, env=ENVIRONMENT, capture_output=True, text=True, timeout=20, check=True
        )
    assert "in use" in done.stdout


def test_a_port_in_the_place_of_the_host_is_an_error_that_says_so() -> None:
    with pytest.raises(ConfigError, match=r"host=3000: an address.*port="):
        Server().run(3000)  # type: ignore[arg-type]
