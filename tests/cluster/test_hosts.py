"""Workers whose connections nobody can peek at or pass on: other ASGI servers, proxies, TLS. All is relayed."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from tests.cluster.crowd import PYTHONPATH, Crowd
from tests.cluster.tools import runtime_folder, wait_until
from tests.support.balancers import balancing
from tests.support.programs import ROOT, Program, flocket, free_port, running

from flocket.adapters.buses.mesh import BEAT


@contextmanager
def hosted(*command: str, port: int, siblings: int, run_options: str = "{}") -> Iterator[Program]:
    """A program of somebody else's, once its processes have met."""
    with (
        runtime_folder() as folder,
        running(
            command, port, PYTHONPATH=PYTHONPATH, FLOCKET_RUNTIME=str(folder), RUN_OPTIONS=run_options
        ) as program,
    ):
        wait_until(lambda: sum(len(list(place.iterdir())) for place in folder.iterdir()) == siblings, 20)
        yield program


def exercise(url: str, **options: object) -> None:
    with Crowd(url) as crowd:
        crowd.connect(12, "polling", **options)
        crowd.connect(12, "websocket", **options)
        crowd.connect(12, **options)
        # The processes of somebody else's program begin one by one, and find each other while they serve.
        wait_until(lambda: crowd.do("counts") == [[36, 36]] * 36)
        crowd.check(36)
        crowd.undisturbed()


def test_uvicorn_with_workers() -> None:
    port = free_port()
    target = ["tests.cluster.chat_program:io", "--port", str(port), "--workers", "3", "--log-level", "warning"]
    for more in ([], ["--http", "flocket:HttpProtocol"]):
        with hosted(sys.executable, "-m", "uvicorn", *target, *more, port=port, siblings=3) as program:
            exercise(program.url)
            with Crowd(program.url) as crowd:
                crowd.connect(6, "polling")
                crowd.connect(6)
                # Who is between two transports when the server goes hears nothing of it, by the client's own rules.
                crowd.settles_on(["polling"] * 6 + ["websocket"] * 6)
                _, seconds = program.end()  # without waiting for the polls that wait
                assert seconds < 6
                crowd.hears_of_the_end(12)
                assert "Traceback" not in program.printed()


@pytest.mark.parametrize("preload", [[], ["--preload"]])
def test_gunicorn(preload: list[str]) -> None:
    port = free_port()
    command = [
        sys.executable, "-m", "gunicorn", "tests.cluster.chat_program:io", "-w", "3", "-b", f"127.0.0.1:{port}",
        "-k", "uvicorn_worker.UvicornWorker", "--log-level", "warning", *preload,
    ]  # fmt: skip
    with hosted(*command, port=port, siblings=3) as program:
        exercise(program.url)


def test_two_programs_of_one_parent_do_not_meet() -> None:
    ports = [free_port(), free_port()]
    with ExitStack() as stack:
        folder = stack.enter_context(runtime_folder())
        for port in ports:
            command = [sys.executable, "-m", "uvicorn", "tests.cluster.chat_program:io", "--port", str(port)]
            stack.enter_context(
                running([*command, "--workers", "2"], port, PYTHONPATH=PYTHONPATH, FLOCKET_RUNTIME=str(folder))
            )
        wait_until(lambda: [len(list(place.iterdir())) for place in folder.iterdir()] == [2, 2], 20)
        for port in ports:
            exercise(f"http://127.0.0.1:{port}")


def test_a_mounted_server_beside_fastapi() -> None:
    port = free_port()
    command = flocket("run", "tests.cluster.chat_program:app", "--port", str(port), "--workers", "3")
    with hosted(*command, port=port, siblings=3) as program:
        exercise(program.url, path="/realtime/socket.io")
        every_worker_answers(program, 3)


def test_django_beside_the_server() -> None:
    port = free_port()
    command = flocket("run", "tests.cluster.django_program:app", "--port", str(port), "--workers", "3")
    with hosted(*command, port=port, siblings=3) as program:
        exercise(program.url)
        every_worker_answers(program, 3)
        with pytest.raises(urllib.error.HTTPError, match="404") as refused:
            urllib.request.urlopen(program.url + "/elsewhere", timeout=5)  # Django's own answer
        refused.value.close()
        assert "Traceback" not in program.printed()


def every_worker_answers(program: Program, workers: int) -> None:
    """The other application's view tells its process."""
    pids = set()

    def all_answer() -> bool:
        with urllib.request.urlopen(program.url + "/pid", timeout=5) as answer:
            pids.add(json.load(answer))
        return len(pids) == workers

    wait_until(all_answer, 10)


def test_tls(tmp_path: Path) -> None:
    key, certificate = str(tmp_path / "key.pem"), str(tmp_path / "certificate.pem")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate,
         "-days", "1", "-subj", "/CN=localhost"],
        check=True, capture_output=True,
    )  # fmt: skip
    options = json.dumps({"ssl_certfile": certificate, "ssl_keyfile": key})
    port = free_port()
    command = [sys.executable, str(ROOT / "tests/cluster/chat_program.py"), str(port), "3", "session"]
    with hosted(*command, port=port, siblings=3, run_options=options):
        exercise(f"https://127.0.0.1:{port}", rejectUnauthorized=False)


@contextmanager
def nodes(count: int) -> Iterator[list[str]]:
    """Nodes that were started apart, and share the name of a cluster."""
    with ExitStack() as stack:
        folder = stack.enter_context(runtime_folder())
        ports = [free_port() for _ in range(count)]
        for port in ports:
            stack.enter_context(
                running(
                    [sys.executable, str(ROOT / "tests/cluster/chat_program.py"), str(port), "1", "session"],
                    port,
                    PYTHONPATH=PYTHONPATH,
                    FLOCKET_RUNTIME=str(folder),
                    SERVER_OPTIONS=json.dumps({"cluster": "chat"}),
                )
            )
        wait_until(lambda: [len(list(place.iterdir())) for place in folder.iterdir()] == [count], 20)
        yield [f"127.0.0.1:{port}" for port in ports]


@pytest.mark.parametrize(
    ("balancer", "sticky"), [("nginx", "address"), ("nginx", "none"), ("haproxy", "session"), ("haproxy", "none")]
)
def test_behind_a_balancer_with_its_printed_configuration(balancer: str, sticky: str, tmp_path: Path) -> None:
    with nodes(4) as upstream, balancing(balancer, sticky, upstream, tmp_path) as front:
        exercise(front.url)


def test_a_node_that_joins_late_belongs_to_the_cluster() -> None:
    with nodes(2) as upstream, Crowd(f"http://{upstream[0]}") as crowd:
        crowd.connect(2)
        wait_until(lambda: crowd.do("count") == [2, 2], 2 * BEAT)
        with Crowd(f"http://{upstream[1]}") as other:
            other.connect(3)
            assert crowd.do("count") == other.do("count") == [5, 5]
