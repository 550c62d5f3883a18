"""A question to other nodes: when it is answered, and who is missing."""

from __future__ import annotations

from flocket.adapters.questions import UNNAMED, Question


def test_a_question_to_nobody_is_answered_at_once() -> None:
    known, counted = Question("q"), Question("q")
    known.expect_nodes([])
    counted.expect_count(0)
    assert known.done.is_set()
    assert counted.done.is_set()


def test_nothing_is_done_before_it_is_known_whom_to_expect() -> None:
    question = Question("q")
    question.answer("a", [1])
    assert not question.done.is_set()
    question.expect_count(1)
    assert question.done.is_set()
    assert question.answers == [1]


def test_each_node_answers_once() -> None:
    question = Question("q")
    question.expect_nodes(["a", "b"])
    question.answer("a", [1])
    question.answer("a", [1])
    assert not question.done.is_set()
    question.answer("b", [2, 3])
    assert question.done.is_set()
    assert (question.answers, question.answers.missing) == ([1, 2, 3], [])


def test_nodes_without_uid_are_counted_by_their_answers() -> None:
    question = Question("q")
    question.expect_count(2)
    question.answer("", [1])
    assert not question.done.is_set()
    question.answer("", [1])
    assert question.done.is_set()
    assert question.answers == [1, 1]


def test_a_node_that_is_lost_is_named_and_not_waited_for() -> None:
    question = Question("q")
    question.expect_nodes(["a", "b"])
    question.answer("a", [1])
    question.lost("stranger")
    question.lost("a")
    assert not question.done.is_set()
    question.lost("b")
    assert question.done.is_set()
    assert (question.answers, question.answers.missing) == ([1], ["b"])


def test_a_smaller_count_means_that_a_node_is_gone_and_a_greater_one_nothing() -> None:
    question = Question("q")
    question.expect_count(2)
    question.expect_count(3)
    question.answer("", [1])
    assert not question.done.is_set()
    question.expect_count(1)
    assert question.done.is_set()
    assert question.answers.missing == [UNNAMED]


def test_clients_are_waited_for_behind_their_nodes_in_whichever_order_they_come() -> None:
    question = Question("q")
    question.count_own(1)
    question.expect_nodes(["a"])
    question.client_answer("a", "early")
    question.count("a", 2)
    question.client_answer("a", "late")
    assert not question.done.is_set()
    question.client_answer("", "own")
    assert question.done.is_set()
    assert question.answers == ["early", "late", "own"]


def test_a_node_that_is_lost_with_clients_that_owe_an_answer_is_missing() -> None:
    question = Question("q")
    question.expect_count(1)
    question.count("a", 2)
    question.client_answer("a", 1)
    assert question.owing == ["a"]
    question.expect_count(0)
    assert not question.done.is_set()
    question.lost("a")
    assert question.done.is_set()
    assert question.answers.missing == ["a"]


def test_a_client_that_is_gone_is_not_waited_for() -> None:
    question = Question("q")
    question.expect_nodes(["a"])
    question.count("a", 1)
    assert not question.done.is_set()
    question.client_gone("a")
    assert question.done.is_set()


def test_its_state_is_told_in_words() -> None:
    question = Question("q")
    assert question.state == "0 of ? other nodes answered"
    question.expect_nodes(["a", "b"])
    question.count("a", 3)
    assert question.state == "1 of 2 other nodes answered, and 3 clients have still to"


def test_a_question_that_cannot_be_asked_fails() -> None:
    question = Question("q")
    question.fail(ConnectionError("away"))
    assert question.done.is_set()
    assert isinstance(question.error, ConnectionError)
