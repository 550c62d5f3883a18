"""The chat in a real Chromium: two pages talk, change rooms, lose their connection and come back."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.programs import ROOT, Program, flocket, free_port, running

NODE = ROOT / "tests" / "node"
PACKAGES = Path(os.environ.get("FLOCKET_NODE_MODULES") or NODE / "node_modules")


@pytest.fixture(params=[1, 4], ids=["one process", "four workers"])
def demo(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Program]:
    yield from serving(request.param, tmp_path)


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[Program]:
    yield from serving(4, tmp_path)


def serving(workers: int, tmp_path: Path) -> Iterator[Program]:
    port = free_port()
    folder = with_client(tmp_path)
    with running(flocket("demo", "--port", str(port), "--workers", str(workers)), port, folder) as program:
        yield program
        status, seconds = program.end()
        assert (status, seconds < 2) == (0, True), program.printed()
        assert "Traceback" not in program.printed()


def with_client(folder: Path) -> Path:
    """The client's package is found from the working directory upward, as `make run` leaves it."""
    client = folder / ".build" / "client"
    client.mkdir(parents=True)
    (client / "node_modules").symlink_to(PACKAGES)
    return folder


def use(program: Program, scenario: str, folder: Path, room: str = "lobby") -> Any:
    """What the pages showed; nothing may have been complained about in the browser's console."""
    finished = subprocess.run(["node", str(NODE / "chat_page.js"), program.url, scenario, str(folder), room],
                              env={**os.environ, "NODE_PATH": str(PACKAGES)}, capture_output=True, text=True,
                              timeout=90, check=False)
    assert finished.returncode == 0, finished.stderr
    seen = json.loads(finished.stdout)
    assert seen.pop("complaints") == []
    return seen


def test_two_pages_talk(demo: Program, tmp_path: Path) -> None:
    check_talk(use(demo, "talk", tmp_path))
    for picture in ("desk.png", "phone.png"):
        assert (tmp_path / picture).stat().st_size > 10_000


def check_talk(seen: Any) -> None:
    said = ["hello from a desk", "<b>hello</b> from a phone\nin two lines"]
    assert seen["ada"] == seen["bo"] == said
    assert seen["markup"] == 0
    assert seen["people"] == ["Ada (you)", "Bo<i>"]
    assert seen["left"] == ["Ada (you)"]
    assert "Bo<i> came in" in seen["events"]
    assert seen["width"] == [320, 320], "nothing may be wider than a small phone"
    assert seen["story"][1] == "session opened over polling"
    assert "upgraded to websocket" in seen["story"]


def test_messages_typing_presence_and_history_cross_workers(workers: Program, tmp_path: Path) -> None:
    seen = use(workers, "manyWorkers", tmp_path)
    assert seen["ada"] == seen["late"] == ["from one worker", "from another"]
    first, second = seen["workers"]
    assert first != second, "who speaks, and from which worker"
    assert first.removeprefix("worker ") in seen["facts"]
    assert second == seen["who"][0]
    ada, late = ([who.removesuffix(" (you)") for who in people] for people in seen["people"])
    assert ada == late == ["Ada", *(f"Bo {number}" for number in range(1, seen["names"])), "Late"]
    assert seen["counts"][:2] == [str(len(ada)), "1"]
    assert (tmp_path / "workers.png").stat().st_size > 10_000
    assert workers.printed().count("Socket.IO:") == 1, "the introduction is the first process's"


def test_what_is_said_in_a_room_stays_in_it(demo: Program, tmp_path: Path) -> None:
    seen = use(demo, "rooms", tmp_path)
    assert seen["before"] == [["for python"], ["for the lobby"]]
    assert seen["after"] == ["for python", "welcome"]
    assert seen["address"] == "#python"
    assert seen["rooms"][:3] == ["lobby", "python", "random"]


def test_a_page_that_lost_its_connection_misses_nothing(demo: Program, tmp_path: Path) -> None:
    seen = use(demo, "comeBack", tmp_path)
    assert seen["ada"] == seen["bo"] == ["before", "meanwhile", "after"]
    assert "1 times" in seen["facts"]
    assert seen["story"].count("upgraded to websocket") == 2


def test_who_says_too_much_is_told_and_may_try_again(demo: Program, tmp_path: Path) -> None:
    seen = use(demo, "tooMuch", tmp_path)
    assert seen["failed"] >= 2
    assert seen["kept"][:10] == [f"message {number}" for number in range(1, 11)]
    assert len(seen["kept"]) == 14 - seen["failed"] + 1
