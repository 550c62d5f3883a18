"""Annotated arguments: checked and converted by strict rules, before the handler is called."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypedDict
from uuid import UUID

import msgspec
import pydantic
import pytest

from flocket import ConfigError, Socket
from flocket.sockets.arguments import ArgumentError, Signature

if TYPE_CHECKING:
    from nowhere import Unknown  # type: ignore[import-not-found]  # a name that only a type checker knows


@dataclass
class Point:
    x: int
    y: int = 0


class Move(TypedDict):
    to: Point
    fast: bool


class Card(msgspec.Struct):
    suit: str
    rank: int


class Login(pydantic.BaseModel):
    name: str = pydantic.Field(min_length=2)


def fit(function: Callable[..., Any], *args: Any) -> list[Any]:
    return list(Signature(function, given=1).fit(args))


def test_each_kind_of_annotation_converts() -> None:
    def handler(
        socket: Socket, number: int, ratio: float, word: str, point: Point, move: Move, card: Card, login: Login,
        when: datetime, many: list[UUID], maybe: str | None,
    ) -> None: ...  # fmt: skip

    found = fit(
        handler, 1, 2, "x", {"x": 1}, {"to": {"x": 2, "y": 3}, "fast": True}, {"suit": "a", "rank": 5},
        {"name": "ada"}, "2026-01-02T03:04:05.678Z", ["12345678-1234-5678-1234-567812345678"], None,
    )  # fmt: skip
    assert found[:4] == [1, 2.0, "x", Point(1, 0)]
    assert found[4] == {"to": Point(2, 3), "fast": True}
    assert found[5] == Card("a", 5)
    assert found[6] == Login(name="ada")
    assert found[7] == datetime(2026, 1, 2, 3, 4, 5, 678_000, UTC)
    assert found[8] == [UUID("12345678-1234-5678-1234-567812345678")]
    assert found[9] is None


def test_a_datetime_that_came_as_one_stays_one() -> None:
    def handler(socket: Socket, when: datetime) -> None: ...

    moment = datetime(2026, 1, 2, tzinfo=UTC)
    assert fit(handler, moment) == [moment]


def test_bytes_come_from_attachments_only() -> None:
    def handler(socket: Socket, data: bytes) -> None: ...
    def nested(socket: Socket, data: dict[str, bytes]) -> None: ...

    assert fit(handler, b"\x00") == [b"\x00"]
    assert fit(nested, {"a": b"\x00"}) == [{"a": b"\x00"}]
    for wrong in ("AAAA", 1, [0]):
        with pytest.raises(ArgumentError, match="argument 1"):
            fit(handler, wrong)
    with pytest.raises(ArgumentError, match="argument 1"):
        fit(nested, {"a": "AAAA"})


@pytest.mark.parametrize(
    ("annotation", "value"),
    [(int, "1"), (int, 1.5), (int, True), (str, 1), (bool, 1), (float, "1"), (list[int], [1, "2"]), (Point, {"y": 1})],
)
def test_nothing_is_guessed(annotation: Any, value: Any) -> None:
    def handler(socket: Any, given: Any) -> None: ...

    handler.__annotations__["given"] = annotation
    with pytest.raises(ArgumentError, match=r"argument 1 \(given\)"):
        fit(handler, value)


def test_the_message_says_which_argument_and_where_in_it() -> None:
    def handler(socket: Socket, number: int, point: Point, login: Login) -> None: ...

    with pytest.raises(ArgumentError, match=r"argument 2 \(point\): .*\$\.x"):
        fit(handler, 1, {"x": "a"}, {"name": "ada"})
    with pytest.raises(ArgumentError, match=r"argument 3 \(login\): name: ") as refused:
        fit(handler, 1, {"x": 1}, {"name": "a"})
    assert "\n" not in str(refused.value)
    with pytest.raises(ArgumentError, match=r"argument 3 \(login\) is missing"):
        fit(handler, 1, {"x": 1})
    with pytest.raises(ArgumentError, match=r"argument 1 \(number\) is missing"):
        fit(handler)


def test_surplus_is_dropped_and_what_has_a_default_may_be_left_out() -> None:
    def handler(socket: Socket, a: Any, b: Any = 7) -> None: ...

    assert fit(handler, 1, 2, 3, 4) == [1, 2]
    assert fit(handler, 1) == [1]


def test_a_handler_without_annotations_takes_what_comes() -> None:
    assert fit(lambda socket, *args: None, 1, "x", None) == [1, "x", None]
    assert fit(lambda socket, a: None, {1: 2}) == [{1: 2}]
    assert fit(lambda *args: None, 1) == [1]


def test_the_rest_is_checked_too_where_it_is_annotated() -> None:
    def handler(socket: Socket, first: Any, *rooms: str) -> None: ...

    assert fit(handler, 1, "a", "b") == [1, "a", "b"]
    with pytest.raises(ArgumentError, match="argument 3"):
        fit(handler, 1, "a", 2)


def test_what_a_client_cannot_fill_is_an_error_at_registration() -> None:
    def keyword(socket: Any, *, must: int) -> None: ...
    def nothing() -> None: ...
    def life(socket: Any, reason: str, more: str) -> None: ...
    def fine(socket: Any, *, may: int = 1) -> None: ...

    with pytest.raises(ConfigError, match="'must'"):
        Signature(keyword, given=1)
    with pytest.raises(ConfigError, match="the first is the socket"):
        Signature(nothing, given=1)
    with pytest.raises(ConfigError, match="'more'"):
        Signature(life, given=1, most=1)
    Signature(fine, given=1)


def test_an_annotation_that_nothing_can_check_is_an_error_that_names_the_handler() -> None:
    def handler(socket: Any, value: Any) -> None: ...

    handler.__annotations__["value"] = 5
    with pytest.raises(ConfigError, match=r"handler: .*(5|int)"):
        Signature(handler, given=1)


def test_an_annotation_that_cannot_be_resolved_is_an_error_at_registration() -> None:
    def handler(socket: Any, value: Unknown) -> None: ...

    with pytest.raises(ConfigError, match="'value' cannot be resolved: name 'Unknown' is not defined"):
        Signature(handler, given=1)


def test_what_no_client_fills_may_be_annotated_with_anything() -> None:
    def handler(socket: Unknown, value: int) -> Unknown: ...

    assert fit(handler, 1) == [1]
    with pytest.raises(ArgumentError):
        fit(handler, "1")


class Room:
    def method(self, socket: Socket, number: int) -> None: ...

    def __call__(self, socket: Socket, number: int) -> None: ...


def decorated(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any) -> Any:
        return function(*args)

    return wrapper


@pytest.mark.parametrize(
    "handler",
    [Room().method, Room(), functools.partial(Room.method, Room()), decorated(Room().method)],
    ids=["method", "object", "partial", "decorated"],
)
def test_whatever_can_be_called_is_checked(handler: Callable[..., Any]) -> None:
    assert fit(handler, 1, 2) == [1]
    with pytest.raises(ArgumentError):
        fit(handler, "1")
