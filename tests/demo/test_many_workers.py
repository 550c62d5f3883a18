"""The chat's workers come and go: who is here and what was said stay right."""

from __future__ import annotations

import contextlib
import os
import re
import signal
from collections.abc import Iterator

import pytest
from tests.demo.person import Person, person
from tests.support.polling import wait_for
from tests.support.programs import Program, flocket, free_port, running


@pytest.fixture
def chat() -> Iterator[Program]:
    port = free_port()
    with running(flocket("demo", "--port", str(port), "--workers", "2"), port) as program:
        wait_for(lambda: len(ready(program)) == 2, 20)
        yield program
        assert program.end()[0] == 0
        assert "Traceback" not in program.printed()


def ready(program: Program) -> list[tuple[int, int]]:
    """(worker, pid) of each that was ready, in that order."""
    return [(int(worker), int(pid)) for worker, pid in
            re.findall(r"worker (\d+) \(pid (\d+)\) is ready", program.printed())]


def on_each_worker(stack: contextlib.ExitStack, chat: Program, *names: str) -> dict[int, Person]:
    """People come until somebody is on each of the two."""
    found: dict[int, Person] = {}
    for name in names:
        one = stack.enter_context(person(chat, name))
        found.setdefault(one.worker, one)
        if len(found) == 2:
            return found
    raise AssertionError(f"all on one worker: {found}")


def test_a_worker_that_is_killed_takes_its_people_along_and_no_word_that_was_said(chat: Program) -> None:
    with contextlib.ExitStack() as stack:
        here = on_each_worker(stack, chat, "ada", "bo", "cy", "di", "ed")
        here[0].say("from worker 0", "a" * 24)
        here[1].until(lambda: "from worker 0" in str(here[1].seen))  # what two workers say at once has no order
        here[1].say("from worker 1", "b" * 24)
        os.kill(dict(ready(chat))[0], signal.SIGKILL)
        wait_for(lambda: len(ready(chat)) == 3, 20)
        with contextlib.ExitStack() as later:
            both = on_each_worker(later, chat, *(f"new {number}" for number in range(8)))
            for one in both.values():
                assert one.history == ["from worker 0", "from worker 1"]
            left = here[1]
            left.until(lambda: here[0].name not in left.people and both[0].name in left.people)
            assert left.name in left.people


def test_a_reload_forgets_nothing_that_was_said(chat: Program) -> None:
    with person(chat, "ada") as ada:
        ada.say("before", "a" * 24)
    chat.process.send_signal(signal.SIGHUP)
    wait_for(lambda: len(ready(chat)) == 4 and chat.printed().count("has ended") == 2, 30)
    with contextlib.ExitStack() as stack:
        for one in on_each_worker(stack, chat, "ada", "bo", "cy", "di", "ed").values():
            assert one.history == ["before"]
