"""A program of a user, strictly typed, passes mypy strict; one with mistakes does not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent

MISTAKES = """
from flocket import Server, Socket

io = Server()
io.emit(5)  # names are strings
Server("positional")
io.to(["a", "b"])

@io.on("x")
async def x(socket: Socket) -> None:
    socket.data.name = 1
    socket.nonsense

Server(pingInterval=5)
"""


def mypy(program: Path) -> list[str]:
    """What it says of the program, where flocket is a library of which only the types are read."""
    environment = {**os.environ, "MYPYPATH": str(ROOT / "src")}
    cache = ROOT / ".mypy_cache"
    command = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "--no-error-summary"]
    command += ["--config-file=", f"--cache-dir={cache}", "--ignore-missing-imports", str(program)]
    done = subprocess.run(command, env=environment, cwd=program.parent, capture_output=True, text=True, timeout=300)
    assert not done.stderr, done.stderr
    return done.stdout.splitlines()


def test_the_documented_program_is_typed_through_and_through() -> None:
    assert mypy(Path(__file__).parent / "program.py") == []


def test_mistakes_are_found(tmp_path: Path) -> None:
    program = tmp_path / "mistakes.py"
    program.write_text(MISTAKES)
    said = "\n".join(mypy(program))
    for line in (5, 6, 7, 11, 12, 14):
        assert f"mistakes.py:{line}: error" in said, said


def test_the_package_says_that_it_is_typed() -> None:
    assert (ROOT / "src" / "flocket" / "py.typed").is_file()
