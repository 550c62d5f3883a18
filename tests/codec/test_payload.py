from __future__ import annotations

import time

import pytest

from flocket.codec.engineio import MESSAGE, NOOP, PING, message, packet
from flocket.codec.errors import DecodeError
from flocket.codec.payload import decode_payload, encode_payload


def test_a_payload_is_written_as_the_reference_writes_it() -> None:
    frames = [message("€"), message(b"\x01\x02\x03\x04"), packet(NOOP)]
    body = "4€\x1ebAQIDBA==\x1e6".encode()
    assert encode_payload(frames) == body
    assert list(decode_payload(body, 3)) == [(MESSAGE, "€"), (MESSAGE, b"\x01\x02\x03\x04"), (NOOP, "")]


def test_one_packet_needs_no_separator() -> None:
    assert list(decode_payload(b"2probe", 1)) == [(PING, "probe")]
    assert list(decode_payload(b"b", 1)) == [(MESSAGE, b"")]


@pytest.mark.parametrize(
    ("body", "good"),
    [(b"", 0), (b"\x1e", 0), (b"4\x1e", 1), (b"\x1e4", 0), (b"4\x1e\x1e4", 1), (b"4a\x1e7", 1), (b"4\xff", 0),
     (b"4a\x1e4\xed\xa0\x80", 1), (b"bAA", 0), (b"bAA==\n", 0), (b"4\x1eb!!!!\x1e4", 1)],
)  # fmt: skip
def test_the_first_wrong_packet_ends_a_payload(body: bytes, good: int) -> None:
    packets = decode_payload(body, 10)
    for _ in range(good):
        next(packets)
    with pytest.raises(DecodeError):
        next(packets)


def test_more_packets_than_the_limit_are_refused_after_those_before() -> None:
    body = b"\x1e".join([b"6"] * 5)
    assert len(list(decode_payload(body, 5))) == 5
    packets = decode_payload(body, 4)
    assert [next(packets) for _ in range(4)] == [(NOOP, "")] * 4
    with pytest.raises(DecodeError, match="too many"):
        next(packets)


def test_a_megabyte_of_separators_costs_one_packet() -> None:
    started = time.process_time()
    with pytest.raises(DecodeError, match="empty"):
        next(decode_payload(b"\x1e" * 1_000_000, 10_000))
    assert time.process_time() - started < 0.05  # measured: 20 us
