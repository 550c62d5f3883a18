"""The threads of handlers that block: as many as are needed, reused, never in the way of the end."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future

import pytest

from flocket.serving import threads
from flocket.serving.threads import Threads


def named() -> str:
    return threading.current_thread().name


def test_a_result_and_an_error_come_back() -> None:
    pool = Threads()
    assert pool.submit(divmod, 7, 2).result(5) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        pool.submit(divmod, 7, 0).result(5)
    pool.release()


def test_an_idle_thread_is_used_again() -> None:
    pool = Threads()
    names = set()
    for _ in range(20):
        names.add(pool.submit(named).result(5))
        time.sleep(0.002)  # until it says that it is idle
    assert len(names) < 5
    pool.release()


def test_there_are_no_more_than_so_many_and_the_rest_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "MOST", 3)
    pool = Threads()
    gate = threading.Event()

    def work() -> str:
        gate.wait(5)
        return named()

    futures: list[Future[str]] = [pool.submit(work) for _ in range(9)]
    gate.set()
    assert len({future.result(5) for future in futures}) <= 3
    pool.release()


def test_what_is_cancelled_before_its_turn_does_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "MOST", 1)
    pool = Threads()
    gate = threading.Event()
    first, second = pool.submit(gate.wait, 5), pool.submit(named)
    assert second.cancel()
    gate.set()
    assert first.result(5)
    assert pool.submit(named).result(5).startswith("flocket")
    pool.release()


def test_released_threads_end() -> None:
    pool = Threads()
    pool.submit(named).result(5)
    ours = [thread for thread in threading.enumerate() if thread.name.startswith("flocket handler")]
    pool.release()
    for thread in ours:
        thread.join(5)
        assert not thread.is_alive()
    assert pool.submit(named).result(5).startswith("flocket"), "and others begin"
    pool.release()
