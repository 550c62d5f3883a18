"""The fragments of one message, without frames: what is whole, too many, too small, and no text."""

from __future__ import annotations

import pytest

from flocket.serving.fragments import Fragments
from flocket.serving.rfc6455 import BINARY, INVALID_DATA, POLICY, RSV1, TEXT

MOST = 1_000


def test_text_may_be_cut_within_a_character() -> None:
    text = "aä€😀"
    payload = text.encode()
    for at in range(len(payload) + 1):
        message = Fragments(TEXT)
        assert message.add(payload[:at], False, MOST) == 0
        assert message.add(payload[at:], True, MOST) == 0
        assert (message.text, message.size) == (text, len(payload))


def test_binary_is_joined_as_it_is() -> None:
    message = Fragments(BINARY)
    assert [message.add(part, False, MOST) for part in (b"\xff", b"", b"\x00")] == [0, 0, 0]
    assert (message.text, message.data) == (None, b"\xff\x00")


def test_wrong_text_is_known_at_once_and_half_a_character_at_the_end() -> None:
    assert Fragments(TEXT).add(b"\xff", False, MOST) == INVALID_DATA
    message = Fragments(TEXT)
    assert message.add(b"\xc3", False, MOST) == 0
    assert message.add(b"", True, MOST) == INVALID_DATA


def test_what_is_compressed_is_no_text_yet() -> None:
    message = Fragments(TEXT | RSV1)
    assert message.add(b"\xff", True, MOST) == 0
    assert (message.deflated, message.opcode, message.text, message.data) == (True, TEXT, None, b"\xff")


@pytest.mark.parametrize(("size", "taken"), [(15, 256), (16, 300)])
def test_many_small_fragments_are_too_many_before_the_limit(size: int, taken: int) -> None:
    message = Fragments(BINARY)
    answers = [message.add(b"x" * size, False, 300) for _ in range(301)]
    assert answers[:taken] == [0] * taken
    assert answers[taken] == POLICY
