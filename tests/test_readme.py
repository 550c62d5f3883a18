"""Every command and every program of the README, run as a reader would run them."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.support.documents import Document
from tests.support.programs import ROOT, Program, flocket, free_port, running
from tests.support.venv import environment

from flocket.cli import main

README = Document(ROOT / "README.md")
PACKAGES = Path(os.environ.get("FLOCKET_NODE_MODULES") or ROOT / "tests" / "node" / "node_modules")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A reader's folder: the first program as app.py, and npm's packages."""
    (tmp_path / "app.py").write_text(README.program("python"))
    (tmp_path / "node_modules").symlink_to(PACKAGES)
    return tmp_path


def talk(port: int, folder: Path) -> None:
    """Run the README's client against what serves its program."""
    (folder / "client.mjs").write_text(README.program("js").replace("3000", str(port)) + "\nsocket.close();\n")
    said = subprocess.run(["node", "client.mjs"], cwd=folder, capture_output=True, text=True, timeout=30, check=False)
    assert (said.stdout, said.stderr) == ("told the others\n", "")


@contextlib.contextmanager
def served(command: list[str], port: int, folder: Path) -> Iterator[Program]:
    """Run a server, and end it as an operator would."""
    with running(command, port, folder) as program:
        yield program
        assert program.end()[0] == 0, program.printed()
        assert "Traceback" not in program.printed()


def test_the_two_commands_are_make_run_and_make_test() -> None:
    assert README.commands[:2] == ["make run", "make test"]
    # It is `make test` that runs this, so here it is only read: that it would lint, check types, and test.
    planned = subprocess.run(["make", "-n", "test"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "tools/test.sh" in planned
    steps = (ROOT / "tools" / "test.sh").read_text()
    assert all(step in steps for step in ("ruff", "mypy", "pytest"))


@pytest.mark.parametrize(
    ("command", "number", "status"),
    [
        (["sh", "tools/run.sh"], signal.SIGINT, 0),
        (["sh", "tools/run.sh"], signal.SIGTERM, 0),
        # make passes the signal on, waits, and then ends by it, as make always does; it reports no failure.
        (["make", "run"], signal.SIGTERM, -signal.SIGTERM),
    ],
)
def test_make_run_serves_the_chat_until_a_signal(
    command: list[str], number: signal.Signals, status: int, tmp_path: Path
) -> None:
    port = free_port()
    with running(command, port, PORT=str(port), VENV=str(environment(tmp_path))) as program:
        assert b"flocket chat" in urllib.request.urlopen(program.url, timeout=10).read()
        assert f"http://127.0.0.1:{port}/" in program.printed()
        ended, seconds = program.end(number)
        assert (ended, seconds < 2) == (status, True), program.printed()
        assert "***" not in program.printed()
        assert "Traceback" not in program.printed()


def test_ctrl_c_ends_make_run_as_the_readme_says(tmp_path: Path) -> None:
    port = free_port()
    # A terminal's Ctrl-C goes to all that runs in it: here to a group of processes that make leads. (It would be
    # ignored if these tests run in a shell's background.)
    make = (
        "import os, signal; os.setsid(); signal.signal(signal.SIGINT, signal.SIG_DFL); "
        "os.execvp('make', ['make', 'run'])"
    )
    command = [sys.executable, "-c", make]
    with running(command, port, PORT=str(port), VENV=str(environment(tmp_path))) as program:
        os.killpg(program.process.pid, signal.SIGINT)
        assert program.process.wait(10) == -signal.SIGINT  # 128 + 2, as a shell shows it
        assert f"status {128 + signal.SIGINT}" in README.text
        assert "***" not in program.printed()
        assert "Traceback" not in program.printed()


def run_flocket_run(folder: Path, words: list[str]) -> None:
    port = free_port()
    command = [word if word != "3000" else str(port) for word in words]
    command += [] if "--port" in command else ["--port", str(port)]
    with served(flocket(*command[1:]), port, folder):
        talk(port, folder)


def run_uvicorn(folder: Path, words: list[str]) -> None:
    port = free_port()
    command = [sys.executable, "-m", *(word if word != "3000" else str(port) for word in words)]
    with running(command, port, folder) as program:
        talk(port, folder)
        program.end()


def run_config(folder: Path, words: list[str]) -> None:
    assert words[-2:] == [">", "nginx.conf"]
    assert main(words[1:-2]) == 0  # tests/cli/test_config.py runs what is printed


def run_pip(folder: Path, words: list[str]) -> None:
    assert words == ["pip", "install", "."]
    built = subprocess.run([sys.executable, "-m", "pip", "install", "--dry-run", "--no-deps", "-q", str(ROOT)],
                           cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    assert built.returncode == 0, built.stderr


HOW: dict[str, Callable[[Path, list[str]], None]] = {
    "flocket run": run_flocket_run,
    "flocket config": run_config,
    "uvicorn app:io": run_uvicorn,
    "pip install": run_pip,
}


@pytest.mark.parametrize("command", README.commands[2:])
def test_each_other_command_does_what_it_says(command: str, folder: Path) -> None:
    words = shlex.split(command)
    HOW[" ".join(words[:2])](folder, words)


def test_the_first_program_has_at_most_ten_lines_of_code() -> None:
    lines = [line for line in README.program("python").splitlines() if line.strip() and not line.startswith("#")]
    assert 5 < len(lines) <= 10


def test_what_the_readme_links_to_is_there() -> None:
    assert README.links
    for document in (README, *map(Document, (ROOT / "docs").glob("*.md"))):
        for link in document.links:
            assert (document.file.parent / link).exists(), (document.file, link)


def test_what_the_architecture_names_is_there() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    drawing = text[text.index("```text") : text.index("```", text.index("```text") + 3)]
    here = {file.name for file in (ROOT / "src" / "flocket").rglob("*.py")}
    named = set(re.findall(r"\b(\w+\.py)\b", drawing))
    assert len(named) > 50
    assert named <= here
    folders = re.findall(r"^\d (\w+)/", drawing, re.MULTILINE)
    assert folders == ["codec", "engine", "sockets", "adapters", "cluster", "serving"]
