"""What a program prints: each thing once, in one form, whether it set up logging or not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.serving.test_stopping import ENVIRONMENT
from tests.support.programs import free_port

PROGRAM = """
import asyncio, contextlib, logging, os, signal, sys
from flocket import Server
{setup}

async def app(scope, receive, send):
    raise RuntimeError("the application beside fails")

@contextlib.asynccontextmanager
async def lifespan(io):
    {late}
    yield

io = Server(lifespan=lifespan)

async def talk():
    reader, writer = await asyncio.open_connection("127.0.0.1", int(sys.argv[1]))
    writer.write(b"GET / HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n")
    await reader.read()
    logging.getLogger("flocket").info("a word of ours")
    os.kill(os.getpid(), signal.SIGTERM)

@contextlib.asynccontextmanager
async def talking(io):
    asyncio.get_running_loop().call_later(0.3, lambda: io.create_task(talk()))
    async with lifespan(io):
        yield

io._user_lifespan = talking
io.run(port=int(sys.argv[1]), app=app)
"""


@pytest.mark.parametrize(
    ("setup", "late", "form"),
    [
        ("", "pass", "INFO flocket: "),
        ("logging.basicConfig(level='INFO', format='own %(name)s %(message)s')", "pass", "own flocket "),
        ("", "logging.basicConfig(level='INFO', format='own %(name)s %(message)s')", "own flocket "),
    ],
    ids=["no logging", "logging set up", "logging set up late"],
)
def test_each_thing_is_said_once(tmp_path: Path, setup: str, late: str, form: str) -> None:
    (tmp_path / "program.py").write_text(PROGRAM.format(setup=setup, late=late))
    done = subprocess.run(
        [sys.executable, "program.py", str(free_port())],
        cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, timeout=20, check=True,
    )  # fmt: skip
    assert done.stdout == ""
    assert done.stderr.count(form + "a word of ours") == done.stderr.count("a word of ours") == 1, done.stderr
    assert done.stderr.count("listening on") == 1
    assert done.stderr.count("RuntimeError: the application beside fails") == 1, "not twice, and not never"
