from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flocket.sockets.rooms import Rooms
from flocket.sockets.target import Target

NAMES = st.sampled_from("abc")
IDS = st.sampled_from(["s1", "s2", "s3", "s4"])


def made() -> tuple[Rooms, list[tuple[str, ...]]]:
    told: list[tuple[str, ...]] = []
    return Rooms(lambda *event: told.append(event)), told


def test_a_room_exists_while_somebody_is_in_it_and_each_change_is_told_in_order() -> None:
    rooms, told = made()
    rooms.add("s1", ["a"])
    rooms.add("s2", ["a", "b"])
    rooms.add("s2", ["a"])
    rooms.remove("s1", "a")
    rooms.remove("s1", "a")
    rooms.remove("nobody", "a")
    rooms.remove_all("s2")
    rooms.remove_all("s2")
    assert rooms.rooms == {}
    assert "s2" not in rooms.sids
    assert told[:5] == [
        ("create_room", "a"), ("join_room", "a", "s1"), ("join_room", "a", "s2"), ("create_room", "b"),
        ("join_room", "b", "s2"),
    ]  # fmt: skip
    assert told[5] == ("leave_room", "a", "s1")
    assert sorted(told[6:]) == [
        ("delete_room", "a"), ("delete_room", "b"), ("leave_room", "a", "s2"), ("leave_room", "b", "s2"),
    ]  # fmt: skip


@given(st.lists(st.tuples(st.sampled_from(["add", "remove", "gone"]), IDS, NAMES)))
def test_both_ways_agree_whatever_happens(steps: list[tuple[str, str, str]]) -> None:
    rooms, _ = made()
    for step, sid, room in steps:
        if step == "add":
            rooms.add(sid, [room])
        elif step == "remove":
            rooms.remove(sid, room)
        else:
            rooms.remove_all(sid)
        assert {(sid, room) for sid, mine in rooms.sids.items() for room in mine} == {
            (sid, room) for room, members in rooms.rooms.items() for sid in members
        }
        assert all(rooms.rooms.values()), "an empty room does not exist"


@given(
    st.dictionaries(IDS, st.sets(NAMES), min_size=1),
    st.none() | st.lists(NAMES, unique=True),
    st.lists(NAMES, unique=True),
)
def test_a_target_means_each_member_of_any_room_once_but_none_of_those_left_out(
    members: dict[str, set[str]], wanted: list[str] | None, left_out: list[str]
) -> None:
    rooms, _ = made()
    for sid, mine in members.items():
        rooms.add(sid, mine)
    target = Target(rooms=None if wanted is None else tuple(wanted), except_rooms=tuple(left_out))
    found = list(rooms.resolve(target))
    expected = {
        sid for sid, mine in members.items()
        if (wanted is None or mine & set(wanted)) and not mine & set(left_out)
    }  # fmt: skip
    assert len(found) == len(set(found))
    assert set(found) == expected


def test_a_listener_may_change_rooms_while_it_is_told() -> None:
    told: list[tuple[str, ...]] = []

    def tell(*event: str) -> None:
        told.append(event)
        if event == ("leave_room", "a", "s1"):
            rooms.remove("s2", "a")

    rooms = Rooms(tell)
    rooms.add("s1", ["a"])
    rooms.add("s2", ["a"])
    rooms.remove("s1", "a")
    assert rooms.rooms == {}
    assert told.count(("delete_room", "a")) == 1
