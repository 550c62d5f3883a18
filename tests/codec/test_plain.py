from __future__ import annotations

import enum
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest

from flocket.codec.plain import NotPlain, iso, plain, shallow
from flocket.errors import EncodeError


def keep(item: Any) -> Any:
    return item


class Odd(msgspec.Struct, omit_defaults=True):
    a: list[int] = msgspec.field(default_factory=list)
    b: Any = None
    c: float = 1.5
    d: Any = msgspec.field(default_factory=lambda: 5)


def test_a_copy_shares_no_container_with_its_original() -> None:
    original: Any = {"a": [1, {"b": 2}]}
    copy = plain(original, keep)
    assert copy == original
    assert copy is not original
    assert copy["a"] is not original["a"]
    assert copy["a"][1] is not original["a"][1]


def test_what_is_inside_a_shallow_object_is_not_looked_at() -> None:
    inside = object()
    assert shallow(Odd(b=inside)) == {"b": inside, "d": 5}
    with pytest.raises(NotPlain):
        shallow(inside)


def test_a_struct_omits_its_defaults_as_msgspec_itself_does() -> None:
    for value in (Odd(), Odd([]), Odd([1]), Odd(b=0), Odd(c=1.5), Odd(c=2.5), Odd(d=6)):
        assert shallow(value) == msgspec.to_builtins(value)


def test_a_moment_is_printed_in_utc_with_milliseconds() -> None:
    east = timezone(timedelta(hours=5, minutes=45))
    assert iso(datetime(2024, 2, 29, 23, 59, 59, 999_999, UTC)) == "2024-02-29T23:59:59.999Z"
    assert iso(datetime(2024, 1, 1, 1, 0, tzinfo=east)) == "2023-12-31T19:15:00.000Z"
    assert iso(datetime(1, 1, 1, tzinfo=UTC)) == "0001-01-01T00:00:00.000Z"
    with pytest.raises(NotPlain):
        iso(datetime(1, 1, 1, tzinfo=east))


def test_a_leaf_that_refuses_is_named_by_its_path() -> None:
    def refuse(item: Any) -> Any:
        raise NotPlain("this")

    with pytest.raises(EncodeError, match=r"^\$\.a\[1\]: this cannot be sent$"):
        plain({"a": [1, b""]}, refuse)


def test_a_key_may_be_an_enum_of_strings_or_integers() -> None:
    class Key(enum.Enum):
        NAME = "name"
        NUMBER = 7

    assert plain({Key.NAME: 1, Key.NUMBER: 2}, keep) == {"name": 1, "7": 2}


def test_a_long_key_is_shortened_in_the_message() -> None:
    with pytest.raises(EncodeError) as caught:
        plain({"x y" * 1000: {"z" * 1000: {1}}}, keep)
    assert len(str(caught.value)) < 150


@pytest.mark.parametrize("make", [lambda inner: [inner], lambda inner: {"a": inner}, lambda inner: (inner,)])
def test_depth_ends_at_254(make: Callable[[Any], Any]) -> None:
    value: Any = 1
    for _ in range(254):
        value = make(value)
    plain(value, keep)
    with pytest.raises(EncodeError, match="nested more than 254 deep"):
        plain(make(value), keep)
