"""Every command of docs/deploy.md, and its systemd unit, run as an operator would."""

from __future__ import annotations

import configparser
import contextlib
import re
import shlex
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from tests.support.balancers import nginx
from tests.support.documents import Document
from tests.support.polling import wait_for
from tests.support.programs import ROOT, Program, flocket, free_port, running
from tests.support.redis import RedisServer
from tests.test_readme import README, folder, talk

from flocket.options import Limits

__all__ = ["folder"]  # a fixture: the first program as app.py, and npm's packages

DEPLOY = Document(ROOT / "docs" / "deploy.md")
KILLS = [command for command in DEPLOY.commands if command.startswith("kill ")]


def ready(program: Program) -> list[str]:
    """The process ids of the workers that have been ready, in that order."""
    return re.findall(r"worker \d+ \(pid (\d+)\) is ready", program.printed())


@contextlib.contextmanager
def service(words: list[str], port: int, folder: Path) -> Iterator[Program]:
    """A command that serves, on a port of the test's, once all its workers are there; ended by SIGTERM."""
    words = [word if word not in ("3000", "6001") else str(port) for word in words]
    command = [sys.executable, "-m", *words] if words[0] == "uvicorn" else flocket(*words[1:])
    with running(command, port, folder) as program:
        if words[0] == "flocket" and "--workers" in words:
            wait_for(lambda: len(ready(program)) == int(words[words.index("--workers") + 1]), 20)
        yield program
        status, _ = program.end()
        assert status == 0 or words[0] == "uvicorn", program.printed()
        assert "Traceback" not in program.printed()


def serves_the_first_program(folder: Path, words: list[str]) -> None:
    port = free_port()
    with service(words, port, folder):
        talk(port, folder)


def serves_the_first_program_with_redis(folder: Path, words: list[str]) -> None:
    port = free_port()
    with RedisServer() as redis:
        words = [word if not word.startswith("redis://") else redis.url for word in words]
        with service(words, port, folder):
            talk(port, folder)
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=10) as answer:
                assert b'"adapter"' in answer.read()


def demo_is_behind_nginx(folder: Path, words: list[str]) -> None:
    front, port = free_port(), free_port()
    printed = subprocess.run(flocket("config", "nginx", "--nodes", f"127.0.0.1:{port}", "--listen", str(front)),
                             cwd=ROOT / "src", capture_output=True, text=True, check=True).stdout
    with service(words, port, folder), nginx(printed, front, folder) as program:
        assert b"flocket chat" in urllib.request.urlopen(program.url, timeout=10).read()


def prints_a_configuration(folder: Path, words: list[str]) -> None:
    (file,) = words[words.index(">") + 1 :]
    printed = subprocess.run(flocket(*words[1 : words.index(">")]), cwd=ROOT / "src", capture_output=True, text=True,
                             check=True).stdout
    if file.endswith(".yml"):
        assert next(yaml.safe_load_all(printed))["spec"]["replicas"] == 3
    else:
        assert all(f"127.0.0.1:{port};" in printed for port in range(6001, 6005))


def reaches_the_room(folder: Path, words: list[str]) -> None:
    with RedisServer() as redis:  # test_emitter.py has nodes there, and clients
        words = [word if not word.startswith("redis://") else redis.url for word in words]
        subprocess.run(flocket(*words[1:]), cwd=ROOT / "src", check=True, timeout=30)


def installs_the_extra(folder: Path, words: list[str]) -> None:
    assert words == ["pip", "install", ".[redis]"]
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--no-deps", "-q", f"{ROOT}[redis]"]
    built = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    assert (built.returncode, built.stderr) == (0, "")


def is_answered(folder: Path, words: list[str]) -> None:
    port = free_port()
    with service(["flocket", "run", "app:io", "--port", "3000"], port, folder):
        words = [word.replace(":3000/", f":{port}/") for word in words]
        asked = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
        assert asked.returncode == 0
        assert '"alive": true' in asked.stdout or '"ready": true' in asked.stdout


HOW: dict[str, Callable[[Path, list[str]], None]] = {
    "flocket run --adapter": serves_the_first_program_with_redis,
    "flocket run": serves_the_first_program,
    "flocket demo": demo_is_behind_nginx,
    "flocket config": prints_a_configuration,
    "flocket emit": reaches_the_room,
    "uvicorn app:io": serves_the_first_program,
    "pip install": installs_the_extra,
    "curl --fail": is_answered,
}


@pytest.mark.parametrize("command", [command for command in DEPLOY.commands if command not in KILLS])
def test_each_command_does_what_it_says(command: str, folder: Path) -> None:
    words = shlex.split(command)
    kind = " ".join(words[:2])
    HOW[f"{kind} --adapter" if "--adapter" in words else kind](folder, words)


def test_the_signals_do_what_the_table_says(folder: Path) -> None:
    port = free_port()
    assert [kill.split()[1] for kill in KILLS] == ["-TTIN", "-TTOU", "-HUP", "-TERM"]
    one_more, one_less, reload, stop = KILLS
    with running(flocket("run", "app:io", "--port", str(port), "--workers", "2"), port, folder) as program:
        def say(kill: str) -> None:
            subprocess.run(["sh", "-c", kill], env={"PID": str(program.process.pid)}, check=True)

        wait_for(lambda: len(ready(program)) == 2, 20)
        say(one_more)
        wait_for(lambda: len(ready(program)) == 3, 20)
        say(one_less)
        wait_for(lambda: "worker 2" in ended(program), 20)
        say(reload)
        wait_for(lambda: len(ready(program)) == 5 and len(ended(program)) == 3, 30)
        assert sorted(ended(program)) == ["worker 0", "worker 1", "worker 2"]
        assert len(set(ready(program))) == 5
        talk(port, folder)
        say(stop)
        assert program.process.wait(10) == 0, program.printed()
        assert "Traceback" not in program.printed()


def ended(program: Program) -> list[str]:
    return re.findall(r"(worker \d+) \(pid \d+\) has ended", program.printed())


def test_the_unit_starts_reloads_and_stops_the_service(folder: Path) -> None:
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]  # systemd's names have capitals
    unit.read_string(DEPLOY.program("ini"))
    service = unit["Service"]
    home, words = service["WorkingDirectory"], shlex.split(service["ExecStart"])
    assert words[0] == f"{home}/.venv/bin/flocket"
    port = free_port()
    arguments = [word if word != "3000" else str(port) for word in words[1:]]
    variable, _, runtime = service["Environment"].partition("=")
    assert runtime == "/run/" + service["RuntimeDirectory"]
    place = folder / "run"
    with running(flocket(*arguments), port, folder, **{variable: str(place)}) as program:
        wait_for(lambda: len(ready(program)) == 4, 20)
        assert len(list(place.iterdir())) == 1, "the workers meet there"
        assert place.stat().st_mode & 0o077 == 0
        reload = service["ExecReload"].replace("$MAINPID", str(program.process.pid))
        subprocess.run(["sh", "-c", reload], check=True)
        wait_for(lambda: len(ready(program)) == 8, 40)
        talk(port, folder)
        assert program.end(signal.SIGTERM, float(service["TimeoutStopSec"]))[0] == 0


def test_the_limits_are_those_that_hold() -> None:
    """Each number of the table that a limit's name stands beside is that limit's default."""
    rows = re.findall(r"^\| [^|]+\| ([^|]+) \((`[^|]+`)\) \|", DEPLOY.text, re.MULTILINE)
    units = {"16 KB": 16_384, "10 s": 10, "5 s": 5, "1 MB": 1_000_000}
    checked = 0
    for said, names in rows:
        numbers = [units.get(part) or int(re.sub(r"\D", "", part)) for part in re.split(r"[,;] ", said)]
        for number, name in zip(numbers, re.findall(r"`(\w+)`", names), strict=True):
            if name != "max_payload":
                assert getattr(Limits(), name) == number, name
                checked += 1
    assert checked == 12


def test_the_readme_leads_here() -> None:
    assert "docs/deploy.md" in README.links
