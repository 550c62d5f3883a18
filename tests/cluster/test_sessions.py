"""Sessions on many workers, with the official clients: every way to stick, every transport, every fault."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from pathlib import Path

import pytest
from tests.cluster.crowd import Crowd, pids, serving
from tests.cluster.tools import wait_until
from tests.support.programs import Program

from flocket.cluster.address_hash import slot_of

WAYS = ["session", "address", "passing", "none"]
ADDRESSES = [f"127.0.{n}.1" for n in range(1, 13)]


@pytest.mark.parametrize("sticky", WAYS)
def test_every_transport_works_on_every_worker(sticky: str) -> None:
    with serving(4, sticky) as program, Crowd(program.url) as crowd:
        crowd.connect(16, "polling")
        crowd.connect(16, "websocket")
        crowd.connect(16)
        crowd.check(48)
        where = set(crowd.where())
        if sticky == "session":
            assert where == {0, 1, 2, 3}
        elif sticky != "none":
            assert where == {slot_of("127.0.0.1", 4)}
        assert crowd.do("transports") == ["polling"] * 16 + ["websocket"] * 32
        crowd.undisturbed()


@pytest.mark.parametrize("sticky", ["address", "passing"])
def test_each_address_has_its_worker_by_every_transport(sticky: str) -> None:
    with serving(4, sticky) as program, Crowd(program.url) as crowd:
        ways: list[list[str]] = [["polling"], ["websocket"], []]
        for way in ways:
            for address in ADDRESSES:
                crowd.connect(1, *way, **{"from": address})
        crowd.check(36)
        slots = [slot_of(address, 4) for address in ADDRESSES]
        assert set(slots) == {0, 1, 2, 3}
        assert crowd.where() == slots * 3
        crowd.undisturbed()


@pytest.mark.parametrize("sticky", WAYS)
def test_jsonp_of_the_older_client_works_on_every_worker(sticky: str) -> None:
    with serving(4, sticky, allow_eio3=True) as program, Crowd(program.url, "jsonp") as crowd:
        crowd.connect(16, "polling")
        crowd.check(16)
        where = set(crowd.where())
        if sticky == "session":
            assert len(where) > 1
        elif sticky != "none":  # which may wake the same worker each time
            assert where == {slot_of("127.0.0.1", 4)}
        assert crowd.do("transports") == ["jsonp"] * 16
        crowd.undisturbed()


def connect_on_each(crowd: Crowd, workers: int, *transports: str, first: int = 12) -> int:
    """Connect clients, mostly the `first`, until these are on every worker; how many it took."""
    before = len(crowd.where())
    crowd.connect(first, *transports)
    while len(set(crowd.where()[before:])) < workers:
        assert len(crowd.where()) < before + 48
        crowd.connect(4, *transports)
    return len(crowd.where()) - before


def test_a_thousand_clients_poll_four_workers_without_stickiness_and_without_an_error() -> None:
    with serving(4, "none") as program, Crowd(program.url) as crowd:
        crowd.connect(1_000, "polling")
        assert crowd.do("echo", times=1) == 0
        assert crowd.do("count") == [1_000, 1_000]
        crowd.undisturbed()


def test_the_kill_of_a_worker_disturbs_its_own_clients_only_and_they_come_back() -> None:
    with serving(3) as program, Crowd(program.url) as crowd:
        crowd.connect(15, "polling", reconnectionDelay=3_000, reconnectionDelayMax=3_000)
        crowd.connect(15, "websocket", reconnectionDelay=3_000, reconnectionDelayMax=3_000)
        before = crowd.where()
        time.sleep(0.5)  # the polls that follow the answers reach their owners: one in the dead worker's hands is lost
        lost = [worker == 1 for worker in before]
        os.kill(pids(program)[1], signal.SIGKILL)
        killed = time.monotonic()
        assert 0 < sum(lost) < 30
        wait_until(lambda: len(crowd.state()["disconnects"]) == sum(lost), 1)
        wait_until(lambda: crowd.do("count") == [30 - sum(lost)] * 2, 1)  # nobody counts its ghosts
        wait_until(lambda: "starting another" in program.printed(), 1)
        assert program.printed().count(" is gone") == 2  # each of the others says it once
        assert crowd.do("connected", ms=10_000)
        assert time.monotonic() - killed < 10
        assert [disconnects for _, disconnects in crowd.state()["each"]] == [int(one) for one in lost]
        crowd.check(30)


def test_a_worker_that_is_stopped_for_30_seconds_loses_no_client_and_nothing_that_was_said() -> None:
    with (
        serving(3, allow_eio3=True) as program,
        Crowd(program.url) as crowd,
        Crowd(program.url, "jsonp") as older,
        Crowd(program.url) as late,
    ):
        polling = connect_on_each(crowd, 3, "polling")
        upgraded = connect_on_each(crowd, 3, "websocket") + connect_on_each(crowd, 3)
        crowd.settles_on(["polling"] * polling + ["websocket"] * upgraded)
        # Last: clients 2.x ask by themselves, 25 s after they came, and wait 20 s, which must not end before the stop.
        # And many at once: they even out what is there first, and those behind come on the connections of these.
        size = connect_on_each(older, 3, "polling", first=36)
        where, by_script = crowd.where(), older.where()
        pid = pids(program)[1]
        os.kill(pid, signal.SIGSTOP)
        stopped = time.monotonic()
        try:
            # All speak, also those of the worker that hangs: each post comes to one that does not.
            crowd.say({"do": "shout", "times": 3, "ms": 60_000})
            older.say({"do": "echo", "times": 1, "ms": 60_000})
            late.connect(12, "polling")  # newcomers find the others
            assert late.do("echo", times=1) == 0
            assert 1 not in late.where()
            time.sleep(stopped + 30 - time.monotonic())
            late.undisturbed()
            assert program.printed().count(" does not answer") == 2
        finally:
            os.kill(pid, signal.SIGCONT)
        assert crowd.line(30) == 0  # each heard all, once and in order
        assert older.line(30) == 0
        time.sleep(stopped + 60 - time.monotonic())  # past the heartbeats that the stop delayed: 25 and 20 s
        crowd.check(size + polling + upgraded + 12)
        assert older.do("echo", times=1) == 0
        for those in (crowd, older, late):
            those.undisturbed()
        assert (crowd.where(), older.where()) == (where, by_script)


@pytest.mark.parametrize("sticky", WAYS)
def test_a_rolling_reload_moves_each_client_at_most_once_per_worker_and_loses_none(sticky: str) -> None:
    # Without stickiness half of them come through a worker that is not theirs, and leaves first or last.
    with serving(2, sticky) as program, Crowd(program.url) as crowd:
        crowd.connect(10, "polling")
        crowd.connect(10, "websocket")
        crowd.connect(10)
        old = set(pids(program).values())
        program.process.send_signal(signal.SIGHUP)
        end = time.monotonic() + 20
        while program.printed().count("has ended") < 2:
            assert time.monotonic() < end
            crowd.do("echo", times=1, ms=1_000)  # who is on his way has no answer, and asks the next time
        assert not old & set(pids(program).values())
        wait_until(lambda: all(disconnects for _, disconnects in crowd.state()["each"]), 10)  # all have noticed
        assert crowd.do("connected", ms=10_000)
        crowd.check(30)
        state = crowd.state()
        assert {disconnects for _, disconnects in state["each"]} <= {1, 2}
        assert state["errors"] == []


def test_garbage_on_the_unix_bus_is_counted_and_disturbs_nobody() -> None:
    with serving(2) as program, Crowd(program.url) as crowd:
        crowd.connect(6, "polling")
        crowd.connect(6, "websocket")
        for place in (path for folder in runtime_of(program).iterdir() for path in folder.iterdir()):
            for garbage in (b"GET / HTTP/1.1\r\n\r\n", os.urandom(5_000), b"\0\0\0\5\0hello", b"\xff" * 5):
                with socket.socket(socket.AF_UNIX) as stranger:
                    stranger.connect(str(place))
                    stranger.sendall(garbage)
                    with contextlib.suppress(ConnectionResetError):
                        assert stranger.recv(1) == b""
        assert all(stats["adapter_garbage"] == 4 for stats in crowd.do("stats"))
        assert all(stats["adapter_peers"] == 1 for stats in crowd.do("stats"))
        crowd.check(12)
        crowd.undisturbed()


def test_when_descriptors_are_out_clients_wait_and_none_is_dropped() -> None:
    with serving(2, descriptors=256) as program, Crowd(program.url) as first, Crowd(program.url) as second:
        first.connect(300, "websocket")
        second.say({"do": "connect", "count": 300, "transports": ["websocket"]})  # more than there is room for
        time.sleep(1.5)
        used = [_cpu(pid) for pid in pids(program).values()]
        time.sleep(1.0)
        assert all(_cpu(pid) - before < 0.1 for pid, before in zip(pids(program).values(), used, strict=True))
        assert first.do("echo", times=1) == 0  # those who are there notice nothing
        assert first.do("close")
        assert second.line(20) is True
        first.undisturbed_but_for_leaving()
        second.undisturbed()
        assert "Traceback" not in program.printed()


def test_at_the_end_clients_are_told_and_the_status_is_0() -> None:
    with serving(2) as program, Crowd(program.url) as crowd:
        crowd.connect(10, "polling", reconnection=False)
        crowd.connect(10, "websocket", reconnection=False)
        status, seconds = program.end()
        assert status == 0
        assert seconds < 3
        wait_until(lambda: len(crowd.state()["disconnects"]) == 20)
        assert set(crowd.state()["disconnects"]) == {"transport close"}
        assert " node " not in program.printed()  # who ends in order is no news to its siblings


def test_when_the_supervisor_is_killed_clients_are_told_and_the_port_is_free() -> None:
    with serving(2) as program:
        with Crowd(program.url) as crowd:
            crowd.connect(6, "polling", reconnection=False)
            crowd.connect(6, "websocket", reconnection=False)
            program.process.kill()
            wait_until(lambda: len(crowd.state()["disconnects"]) == 12)
        wait_until(lambda: not any(_alive(pid) for pid in pids(program).values()))


def runtime_of(program: Program) -> Path:
    environ = Path(f"/proc/{program.process.pid}/environ").read_text()
    return Path(environ.partition("FLOCKET_RUNTIME=")[2].partition("\0")[0])


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
