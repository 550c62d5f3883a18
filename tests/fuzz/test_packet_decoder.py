from __future__ import annotations

import random

import pytest
from tests.fuzz import packet_decoder


def test_two_seconds_of_broken_packets_raise_nothing_but_decode_error() -> None:
    counts = packet_decoder.fuzz(2.0, seed=random.randrange(2**32))
    # It is a fuzzer only if it gets past the first byte: each target accepts some and refuses some.
    for target, _ in packet_decoder.TARGETS[:2]:
        assert counts[f"{target.__name__} accepted"] > 0
        assert counts[f"{target.__name__} refused"] > 0


def test_the_fuzzer_reports_any_other_error_with_its_input(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(data: bytes) -> None:
        raise IndexError

    monkeypatch.setattr(packet_decoder, "TARGETS", [(broken, [b"x"])])
    with pytest.raises(IndexError) as caught:
        packet_decoder.fuzz(1.0, seed=1)
    assert "broken of b" in caught.value.__notes__[0]
