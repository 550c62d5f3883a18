"""`--reload`: a program that is changed while it runs."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import urllib.request
from collections.abc import Callable
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


OK = b"HTTP/1.1 200 OK"
SLOW = """
import asyncio
from contextlib import asynccontextmanager
from flocket import Server

@asynccontextmanager
async def lifespan(io):
    await asyncio.sleep(1)
    yield

io = Server(lifespan=lifespan)
"""


def test_nobody_who_connects_is_refused_while_workers_that_start_slowly_replace_others(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(SLOW)
    port = free_port()

    async def connect() -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = await reader.read()
        writer.close()
        return answer.partition(b"\r\n")[0]

    async def keep_connecting() -> bytes:
        """As a proxy does, on a connection that it keeps as long as it is let."""
        kept: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        answers = set()
        for _ in range(10):
            reader, writer = kept = kept or await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\n\r\n")
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):  # closed while it was idle
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = next(line for line in head.splitlines() if line.startswith(b"content-length"))
                await reader.readexactly(int(length.partition(b":")[2]))
                answers.add(head.partition(b"\r\n")[0].upper())
                if b"connection: close" not in head:
                    await asyncio.sleep(0.05)
                    continue
            writer.close()
            kept = None
        if kept is not None:
            kept[1].close()
        return b", ".join(sorted(answers))

    async def connect_until(over: Callable[[], bool]) -> set[bytes]:
        connecting: list[asyncio.Task[bytes]] = []
        async with asyncio.timeout(30):
            while not over():
                connecting += [asyncio.create_task(connect()), asyncio.create_task(keep_connecting())]
                await asyncio.sleep(0.02)
            return set(await asyncio.gather(*connecting))

    command = flocket("run", "program:io", "--port", str(port), "--workers", "2")
    with (
        runtime_folder() as folder,
        running(command, port, tmp_path, PYTHONPATH=PYTHONPATH, FLOCKET_RUNTIME=str(folder)) as program,
    ):
        wait_until(lambda: program.printed().count("is ready") == 2, 20)
        program.process.send_signal(signal.SIGHUP)
        answers = asyncio.run(connect_until(lambda: program.printed().count("has ended") == 2))
        assert answers == {OK}
