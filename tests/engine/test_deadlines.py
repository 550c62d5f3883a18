from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.fakes import Clock

from flocket.engine.deadlines import GRAIN, STALL, Deadline, Deadlines


def wheel() -> tuple[Clock, Deadlines]:
    clock = Clock()
    deadlines = Deadlines(clock)
    clock.due = deadlines.run
    return clock, deadlines


def test_an_appointment_is_kept_within_one_grain() -> None:
    clock, deadlines = wheel()
    calls: list[float] = []
    deadlines.after(5.0, lambda: calls.append(clock.now()))
    clock.advance(4.99)
    assert calls == []
    clock.advance(10)
    assert len(calls) == 1
    assert 1005.0 <= calls[0] <= 1005.0 + GRAIN + 1e-9


@given(st.lists(st.floats(0.001, 100), min_size=1, max_size=30))
def test_all_are_called_in_the_order_of_their_time_and_none_early(seconds: list[float]) -> None:
    clock, deadlines = wheel()
    calls: list[tuple[float, float]] = []
    for delay in seconds:
        deadlines.after(delay, lambda delay=delay: calls.append((delay, clock.now() - 1000.0)))  # type: ignore[misc]
    clock.advance(101)
    assert sorted(delay for delay, _ in calls) == sorted(seconds)
    assert all(delay - 1e-6 <= at <= delay + GRAIN + 1e-6 for delay, at in calls)


def test_what_is_cancelled_is_not_called_even_by_its_neighbour_in_the_same_moment() -> None:
    clock, deadlines = wheel()
    calls: list[str] = []
    pair: list[Deadline] = []
    pair.append(deadlines.after(1.0, lambda: (calls.append("one"), deadlines.cancel(pair[1]))))  # type: ignore[arg-type, func-returns-value]
    pair.append(deadlines.after(1.0, lambda: (calls.append("two"), deadlines.cancel(pair[0]))))  # type: ignore[arg-type, func-returns-value]
    clock.advance(2)
    assert len(calls) == 1


def test_cancelling_twice_or_too_late_or_nothing_changes_nothing() -> None:
    clock, deadlines = wheel()
    calls: list[int] = []
    deadline = deadlines.after(1.0, lambda: calls.append(1))
    clock.advance(2)
    deadlines.cancel(deadline)
    deadlines.cancel(deadline)
    deadlines.cancel(None)
    assert calls == [1]


def test_an_earlier_appointment_moves_the_waking_forward() -> None:
    clock, deadlines = wheel()
    calls: list[str] = []
    deadlines.after(60.0, lambda: calls.append("late"))
    deadlines.after(1.0, lambda: calls.append("early"))
    clock.advance(2)
    assert calls == ["early"]


def test_a_callback_may_make_the_next_appointment() -> None:
    clock, deadlines = wheel()
    calls: list[float] = []

    def again() -> None:
        calls.append(clock.now())
        deadlines.after(1.0, again)

    deadlines.after(1.0, again)
    clock.advance(10.5)
    assert len(calls) == 10


def test_a_callback_that_fails_takes_no_other_with_it() -> None:
    clock, deadlines = wheel()
    calls: list[str] = []

    def fail() -> None:
        raise ZeroDivisionError

    deadlines.after(1.0, fail)
    for number in range(5):
        deadlines.after(1.0, lambda number=number: calls.append(f"same {number}"))  # type: ignore[misc]
    deadlines.after(2.0, lambda: calls.append("later"))
    with pytest.raises(ZeroDivisionError):
        clock.advance(1.5)
    clock.advance(5)
    assert sorted(calls) == ["later", *(f"same {number}" for number in range(5))]
    deadlines.after(1.0, lambda: calls.append("new"))
    clock.advance(2)
    assert calls[-1] == "new"


def test_what_is_due_while_the_process_sleeps_moves_by_as_much() -> None:
    clock, deadlines = wheel()
    calls: list[str] = []
    deadlines.after(10.0, lambda: calls.append("first"))
    deadlines.after(20.0, lambda: calls.append("second"))
    clock.sleep(3600.0)
    clock.advance(1.0)
    assert calls == ["first"]  # woken late, and the rest was not served at once
    clock.advance(8.0)
    assert calls == ["first"]
    clock.advance(2.0)
    assert calls == ["first", "second"]


def test_what_we_owe_is_done_as_soon_as_the_process_goes_on_whatever_it_was_to_do_first() -> None:
    clock, deadlines = wheel()
    calls: list[tuple[str, float]] = []
    deadlines.cancel(deadlines.after(5.0, lambda: None))  # nobody waits for it, and yet it is when we would wake
    deadlines.after(20.0, lambda: calls.append(("peer", clock.now())))
    for seconds in (25.0, 40.0):
        deadlines.after(seconds, lambda: calls.append(("ours", clock.now())), ours=True)
    clock.sleep(30.0)
    clock.advance(0.5)
    assert [who for who, _ in calls] == ["ours"]  # at 30, not at 50
    clock.advance(11.0)
    assert [who for who, _ in calls] == ["ours", "ours"]
    assert calls[1][1] == pytest.approx(1040.0, abs=0.1)
    clock.advance(10.0)
    assert calls[2][0] == "peer"
    assert calls[2][1] == pytest.approx(1045.0, abs=0.1)  # 25 s of the stall were after we would have woken


def test_an_appointment_made_right_after_a_stall_is_not_late() -> None:
    clock, deadlines = wheel()
    calls: list[str] = []
    deadlines.after(10.0, lambda: None)
    clock.sleep(3600.0)
    deadlines.after(5.0, lambda: calls.append("in time"))  # before the wheel itself was woken
    clock.advance(5.1)
    assert calls == ["in time"]


def test_a_wait_without_appointments_is_no_stall() -> None:
    clock, deadlines = wheel()
    calls: list[str] = []
    deadlines.after(100.0, lambda: calls.append("x"))
    clock.advance(50.0)
    deadlines.after(50.0 - STALL, lambda: calls.append("y"))
    clock.advance(51.0)
    assert calls == ["y", "x"]
