"""Who is alive, and in which order a node's messages come."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flocket.adapters.peers import Order, Peers


def test_a_node_is_known_from_its_first_word_until_it_has_been_silent_for_too_long() -> None:
    peers = Peers(timeout=10)
    assert peers.heard("a", 0)
    assert peers.heard("b", 1)
    assert not peers.heard("a", 5)
    assert peers.sweep(11) == []
    assert peers.sweep(11.5) == ["b"]
    assert list(peers.uids) == ["a"]
    assert peers.sweep(100) == ["a"]
    assert peers.heard("a", 101)


def test_a_node_that_leaves_is_forgotten_once() -> None:
    peers = Peers()
    peers.heard("a", 0)
    assert peers.left("a")
    assert not peers.left("a")


def test_numbers_are_next_late_or_double() -> None:
    order = Order()
    assert [order.arrived(1, seq) for seq in (5, 6, 9, 8, 8, 7, 9, 10)] == [
        *["next", "next", "next", "late", "double", "late", "double", "next"]
    ]
    assert order.holes == 0


def test_what_does_not_come_is_a_hole_and_what_comes_too_late_is_refused() -> None:
    order = Order()
    order.arrived(1, 1)
    assert order.arrived(1, 101) == "next"
    assert order.holes == 99
    assert order.arrived(1, 2) == "double"
    assert order.arrived(1, 90) == "late"
    assert order.holes == 98


def test_a_later_life_begins_anew_and_an_earlier_one_is_over() -> None:
    order = Order()
    order.arrived(1, 100)
    assert order.arrived(2, 1) == "next"
    assert order.arrived(1, 101) == "double"
    assert order.arrived(2, 2) == "next"
    assert order.holes == 0


@given(st.lists(st.integers(1, 40), max_size=80))
def test_no_number_is_ever_taken_twice(numbers: list[int]) -> None:
    order = Order()
    taken = [number for number in numbers if order.arrived(1, number) != "double"]
    assert len(taken) == len(set(taken))
    assert set(taken) >= {number for number in numbers if number >= (numbers or [0])[0]}
