"""What the chat remembers: each message once, in order, within bounds."""

from __future__ import annotations

from flocket.demo.allowance import AT_ONCE, EVERY, Allowance
from flocket.demo.history import History, Message


def message(id: str, room: str = "lobby", at: int = 0) -> Message:
    return Message(id=id, room=room, speaker="s", name="ada", text=f"text of {id}", at=at, worker=0)


def ids(messages: list[Message]) -> list[str]:
    return [one["id"] for one in messages]


def test_a_room_keeps_its_last_messages() -> None:
    history = History(per_room=3)
    for number in range(5):
        history.add(message(str(number), at=number))
    assert ids(history.of("lobby")) == ["2", "3", "4"]
    assert history.of("elsewhere") == []


def test_a_message_that_comes_twice_is_kept_once() -> None:
    history = History()
    first = history.add(message("a"))
    assert history.add(message("a")) is first
    assert ids(history.of("lobby")) == ["a"]


def test_messages_of_several_workers_come_in_the_order_of_their_times() -> None:
    history = History()
    for id, at in (("b", 2), ("c", 3), ("a", 1)):
        history.add(message(id, at=at))
    assert ids(history.of("lobby")) == ["a", "b", "c"]


def test_the_room_that_was_quiet_for_longest_is_forgotten() -> None:
    history = History(rooms=2)
    for id, room in (("1", "a"), ("2", "b"), ("3", "a"), ("4", "c")):
        history.add(message(id, room))
    assert [len(history.of(room)) for room in "abc"] == [2, 0, 1]
    assert sorted(ids(history.everything())) == ["1", "3", "4"]


def test_a_burst_is_allowed_and_then_a_steady_pace() -> None:
    allowance = Allowance()
    assert [allowance.spend(100.0) for _ in range(AT_ONCE + 1)] == [True] * AT_ONCE + [False]
    assert not allowance.spend(100.0 + EVERY / 2)
    assert allowance.spend(100.0 + EVERY)
    assert not allowance.spend(100.0 + EVERY)
    assert all(allowance.spend(1e6) for _ in range(AT_ONCE))
    assert not allowance.spend(1e6)
