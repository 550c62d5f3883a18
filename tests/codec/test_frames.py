from __future__ import annotations

import pytest

from flocket.codec.frames import Frame, websocket_header


@pytest.mark.parametrize(
    ("size", "header"),
    [
        (0, "8100"),
        (125, "817d"),
        (126, "817e007e"),
        (65535, "817effff"),
        (65536, "817f0000000000010000"),
    ],
)
def test_the_header_takes_the_shortest_form_of_the_length(size: int, header: str) -> None:
    assert websocket_header(1, size).hex() == header
    assert Frame.of(b"x" * size).wire == bytes.fromhex(header) + b"x" * size


def test_a_binary_frame_has_opcode_2() -> None:
    frame = Frame.of(b"ab", True, compress=False)
    assert (frame.wire, frame.payload, frame.raw, frame.compress) == (b"\x82\x02ab", b"ab", b"ab", False)
    assert repr(frame) == "Frame(b'ab', binary=True)"


def test_binary_of_protocol_3_has_its_type_in_the_frame_but_not_in_raw() -> None:
    frame = Frame.binary3(b"ab")
    assert (frame.wire, frame.payload, frame.raw) == (b"\x82\x03\x04ab", b"\x04ab", b"ab")
