"""What waits while the way is closed: in order, and within bounds."""

from __future__ import annotations

from flocket.adapters.outbox import Outbox


def test_items_leave_in_the_order_in_which_they_came() -> None:
    outbox: Outbox[int] = Outbox()
    assert all(outbox.put(number, 10) for number in range(5))
    assert (len(outbox), outbox.bytes) == (5, 50)
    assert [outbox.take() for _ in range(5)] == [0, 1, 2, 3, 4]
    assert (len(outbox), outbox.bytes) == (0, 0)


def test_what_is_too_much_fails_and_is_counted() -> None:
    outbox: Outbox[int] = Outbox(max_items=2, max_bytes=100)
    assert [outbox.put(number, 40) for number in range(3)] == [True, True, False]
    outbox.take()
    assert not outbox.put(3, 61)
    assert outbox.put(4, 60)
    assert outbox.dropped == 2
    assert [outbox.take(), outbox.take()] == [1, 4]


def test_the_oldest_make_room_if_so_wished_but_not_for_what_never_fits() -> None:
    outbox: Outbox[int] = Outbox(max_items=3, max_bytes=100, overflow="drop-oldest")
    assert all(outbox.put(number, 40) for number in range(4))
    assert not outbox.put(99, 101)
    assert (len(outbox), outbox.bytes, outbox.dropped) == (2, 80, 3)
    assert [outbox.take(), outbox.take()] == [2, 3]
