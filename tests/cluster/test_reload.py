"""`--reload`: a program that is changed while it runs."""

from __future__ import annotations

import json
import os
import urllib.request
from pathlib import Path

from tests.cluster.crowd import PYTHONPATH
from tests.cluster.tools import runtime_folder, wait_until
from tests.support.programs import flocket, free_port, running

PROGRAM = """
from flocket import Server
io = Server()

async def app(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"VERSION"})

both = io.asgi(app)
"""


def test_a_change_is_served_and_a_mistake_shown_while_the_last_good_one_serves(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM.replace("VERSION", "1"))
    port = free_port()

    def answer() -> int:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as response:
                return int(json.load(response))
        except OSError:
            return 0

    def change(text: str, moment: int) -> None:
        program.write_text(text)
        os.utime(program, (moment, moment))

    command = flocket("run", "program:both", "--port", str(port), "--reload", "--drain", "1")
    with (
        runtime_folder() as folder,
        running(command, port, tmp_path, PYTHONPATH=PYTHONPATH, FLOCKET_RUNTIME=str(folder)) as running_program,
    ):
        wait_until(lambda: answer() == 1, 10)
        change(PROGRAM.replace("VERSION", "2"), 1_000)
        wait_until(lambda: answer() == 2, 10)
        change("this is no Python", 2_000)
        wait_until(lambda: "SyntaxError" in running_program.printed(), 10)
        assert answer() == 2
        change(PROGRAM.replace("VERSION", "3"), 3_000)
        wait_until(lambda: answer() == 3, 10)
        status, _ = running_program.end()
        assert status == 0


def test_a_program_whose_workers_cannot_start_is_waited_for(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    failing = "import os\nif 'FLOCKET_WORKER' in os.environ:\n    raise RuntimeError('no database')\n"
    program.write_text(failing + PROGRAM.replace("VERSION", "0"))
    port = free_port()
    command = flocket("run", "program:both", "--port", str(port), "--reload")
    with (
        runtime_folder() as folder,
        running(command, port, tmp_path, PYTHONPATH=PYTHONPATH, FLOCKET_RUNTIME=str(folder)) as running_program,
    ):
        wait_until(lambda: "waiting for the program to change" in running_program.printed(), 20)
        program.write_text(PROGRAM.replace("VERSION", "1"))
        wait_until(lambda: "is ready" in running_program.printed(), 10)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as response:
            assert response.read() == b"1"
