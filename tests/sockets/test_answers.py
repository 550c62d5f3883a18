from __future__ import annotations

from typing import Any

import pytest

from flocket.sockets.answers import Acks, Answers, as_value


def test_an_answer_counts_once() -> None:
    acks = Acks()
    heard: list[Any] = []
    acks.expect(1, heard.append)
    assert acks.answer(1, ["a"])
    assert not acks.answer(1, ["b"])
    assert not acks.answer(2, ["c"])
    assert heard == [["a"]]


def test_a_question_that_was_forgotten_has_no_answer() -> None:
    acks = Acks()
    acks.expect(1, lambda values: pytest.fail("heard"))
    acks.forget(1)
    acks.forget(1)
    assert not acks.answer(1, [])


def test_all_who_wait_hear_that_the_client_is_gone() -> None:
    acks = Acks()
    heard: list[Any] = []
    for number in range(3):
        acks.expect(number, heard.append)
    acks.abandon()
    acks.abandon()
    assert heard == [None] * 3
    assert not acks.answer(0, [])


@pytest.mark.parametrize(("values", "value"), [([], None), ([1], 1), ([[1]], [1]), ([1, 2], (1, 2)), ([None], None)])
def test_the_asker_gets_the_value_or_a_tuple(values: list[Any], value: Any) -> None:
    assert as_value(values) == value


def test_answers_are_a_list_that_names_who_is_missing() -> None:
    answers = Answers([1, 2], ["node"])
    assert answers == [1, 2]
    assert answers.missing == ["node"]
    assert Answers().missing == []
