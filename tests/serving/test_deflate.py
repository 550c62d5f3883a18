"""What is agreed about permessage-deflate, offer by offer (RFC 7692, 7.1)."""

from __future__ import annotations

import pytest

from flocket.codec.frames import Frame
from flocket.serving.deflate import Deflate, negotiate

ANSWER = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"


@pytest.mark.parametrize(
    ("offers", "answer"),
    [
        ("permessage-deflate", ANSWER),
        ("permessage-deflate; client_max_window_bits", ANSWER),
        ("permessage-deflate;client_max_window_bits=10", ANSWER),
        ("permessage-deflate; server_no_context_takeover; client_no_context_takeover", ANSWER),
        ('x-other; a="b", permessage-deflate; server_max_window_bits="10"', ANSWER + "; server_max_window_bits=10"),
        ("permessage-deflate; server_max_window_bits=8, permessage-deflate", ANSWER),
        ("permessage-deflate; server_max_window_bits=15", ANSWER),
        ("permessage-deflate; server_max_window_bits=8", None),
        ("permessage-deflate; server_max_window_bits=16", None),
        ("permessage-deflate; server_max_window_bits=٩", None),
        ("permessage-deflate; server_max_window_bits", None),
        ("permessage-deflate; client_max_window_bits=7", None),
        ("permessage-deflate; client_max_window_bits; client_max_window_bits", None),
        ("permessage-deflate; server_no_context_takeover=1", None),
        ("permessage-deflate; unknown", None),
        ("permessage-bzip2", None),
        ("", None),
        (";,;=,,;", None),
    ],
)
def test_an_offer_is_accepted_or_declined(offers: str, answer: str | None) -> None:
    agreed = negotiate(offers)
    assert (agreed and agreed[1]) == answer


def test_a_frame_is_compressed_once_for_all_receivers() -> None:
    frame = Frame.of(b"flocket " * 1_000)
    assert Deflate(15).wire(frame) is Deflate(15).wire(frame)
    assert Deflate(9).wire(frame) is not Deflate(15).wire(frame)


def test_a_window_that_was_agreed_is_kept() -> None:
    far = bytes(range(256)) * 2 + b"x" * 1_000 + bytes(range(256)) * 2  # repeats what lies 1,500 bytes back
    small, large = Deflate(9).wire(Frame.of(far, True)), Deflate(15).wire(Frame.of(far, True))
    assert len(small) > len(large)


def test_inflating_makes_no_more_than_the_limit() -> None:
    wire = Deflate().wire(Frame.of(b"\0" * 100_000, True))
    assert wire[1] < 126  # so the header has two bytes
    assert Deflate().inflate(wire[2:], 100_000) == b"\0" * 100_000
    assert Deflate().inflate(wire[2:], 99_999) is None
