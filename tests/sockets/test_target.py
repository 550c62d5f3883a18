from __future__ import annotations

from typing import Any

import pytest

from flocket import ConfigError
from flocket.sockets.target import EVERYONE, Target


def test_a_target_is_a_value_that_each_step_leaves_as_it_was() -> None:
    half = EVERYONE.to("a")
    assert half.to("b", "a").rooms == ("a", "b")
    assert half.excluding("c").excluding("d").except_rooms == ("c", "d")
    assert half.within(2.5).timeout == 2.5
    assert half == Target(rooms=("a",))
    assert Target() == EVERYONE


def test_no_room_at_all_means_nobody_and_not_everybody() -> None:
    assert EVERYONE.to().rooms == ()
    assert EVERYONE.rooms is None
    assert EVERYONE.to().to("a").rooms == ("a",)


@pytest.mark.parametrize("room", [["a", "b"], 1, None, ("a",), b"a"])
def test_a_room_is_a_string(room: Any) -> None:
    with pytest.raises(ConfigError, match="one by one"):
        EVERYONE.to(room)
    with pytest.raises(ConfigError, match="one by one"):
        EVERYONE.excluding("a", room)


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf"), "5"])
def test_a_timeout_is_above_zero(seconds: Any) -> None:
    with pytest.raises(ConfigError):
        EVERYONE.within(seconds)
