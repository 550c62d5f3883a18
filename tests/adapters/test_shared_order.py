"""Tellers that follow one another, each on a way of its own: one order comes of it, and nobody waits in vain."""

from __future__ import annotations

from collections import deque

from hypothesis import given, settings
from hypothesis import strategies as st

from flocket.adapters.shared_order import HELD_LIMIT, Order

UIDS = "abcd"


class Heard(Order):
    """What it delivers, in `got`."""

    def __init__(self) -> None:
        self.got: list[str] = []
        super().__init__(lambda channel, data: self.got.append(channel))

    def tell(self, uid: str, *channels: str) -> None:
        for channel in channels:
            self.told(uid, channel, b"")


@st.composite
def turns(draw: st.DrawFn) -> list[tuple[str, int]]:
    """Who tells how many; nobody follows itself."""
    found: list[tuple[str, int]] = [("a", draw(st.integers(1, 3)))]
    for _ in range(draw(st.integers(0, 8))):
        uid = draw(st.sampled_from([uid for uid in UIDS if uid != found[-1][0]]))
        found.append((uid, draw(st.integers(0, 3))))
    return found


def ways(plan: list[tuple[str, int]]) -> tuple[dict[str, deque[str]], list[str]]:
    """What each tells, in its order, where an end is "!" and who follows; and what all tell."""
    by_teller: dict[str, deque[str]] = {uid: deque() for uid in UIDS}
    everything = []
    for place, (uid, count) in enumerate(plan):
        messages = [f"{place}.{number}" for number in range(count)]
        by_teller[uid] += messages
        everything += messages
        if place + 1 < len(plan):
            by_teller[uid].append("!" + plan[place + 1][0])
    return by_teller, everything


def arrives(order: Heard, uid: str, item: str) -> None:
    if item.startswith("!"):
        order.ended(uid, item[1:])
    else:
        order.tell(uid, item)


@settings(max_examples=300, deadline=None)
@given(turns(), st.data())
def test_however_their_words_arrive_they_are_heard_in_one_order(
    plan: list[tuple[str, int]], data: st.DataObject
) -> None:
    by_teller, everything = ways(plan)
    order = Heard()
    arrives(order, "a", by_teller["a"].popleft())  # who was heard before is known
    while any(by_teller.values()):
        uid = data.draw(st.sampled_from([uid for uid in UIDS if by_teller[uid]]))
        arrives(order, uid, by_teller[uid].popleft())
    assert order.got == everything
    assert not order.waiting


@settings(max_examples=300, deadline=None)
@given(turns(), st.data())
def test_whoever_hangs_or_is_waited_for_too_long_loses_and_doubles_nothing(
    plan: list[tuple[str, int]], data: st.DataObject
) -> None:
    by_teller, everything = ways(plan)
    told = {uid: [item for item in way if not item.startswith("!")] for uid, way in by_teller.items()}
    order = Heard()
    while any(by_teller.values()):
        uid = data.draw(st.sampled_from([uid for uid in UIDS if by_teller[uid]]))
        match data.draw(st.sampled_from(["word", "word", "word", "hang", "patience"])):
            case "word":
                arrives(order, uid, by_teller[uid].popleft())
            case "hang":
                order.hung(uid)
            case "patience":
                order.give_up()
    while order.waiting:
        order.give_up()
    assert sorted(order.got) == sorted(everything)
    for uid, items in told.items():
        assert [item for item in order.got if item in items] == items, uid


def test_the_words_of_the_new_one_wait_for_the_end_of_the_old_one() -> None:
    order = Heard()
    order.tell("a", "1")
    order.tell("b", "3", "4")
    assert (order.got, order.waiting) == (["1"], True)
    order.tell("a", "2")
    order.ended("a", "b")
    assert (order.got, order.waiting) == (["1", "2", "3", "4"], False)


def test_nobody_waits_for_one_that_is_gone() -> None:
    order = Heard()
    order.tell("a", "1")
    order.tell("b", "2")
    order.gone("a")
    assert order.got == ["1", "2"]
    order.tell("b", "3")
    assert order.got == ["1", "2", "3"]


def test_what_a_stopped_one_tells_when_it_comes_back_is_late_and_does_not_wait() -> None:
    order = Heard()
    order.tell("a", "1")
    order.hung("a")
    order.tell("b", "3")
    order.tell("a", "2")
    order.ended("a", "b")
    order.tell("b", "4")
    assert order.got == ["1", "3", "2", "4"]
    order.tell("a", "6")  # its next turn begins behind the end of the other's
    assert order.got[4:] == []
    order.tell("b", "5")
    order.ended("b", "a")
    assert order.got[4:] == ["5", "6"]


def test_no_more_is_held_back_than_a_queue_takes() -> None:
    order = Heard()
    order.tell("a", "1")
    for number in range(3):
        order.told("b", str(number), bytes(HELD_LIMIT // 2))
    assert order.got == ["1", "0", "1", "2"]
    assert not order.waiting
