"""The vectors are what Engine.IO's own parser of protocol 3 (and that of the 2.x client) writes."""

from __future__ import annotations

import pytest

from flocket.codec import engineio3
from flocket.codec.engineio import MESSAGE, NOOP, PING, packet
from flocket.codec.errors import DecodeError

TEXT = "a€😀\n"
BINARY = b"\x00\x01\xff"
PACKETS = [(MESSAGE, TEXT), (PING, "probe"), (MESSAGE, BINARY), (NOOP, "")]
FRAMES = [packet(MESSAGE, TEXT), packet(PING, "probe"), engineio3.message(BINARY), packet(NOOP)]

BINARY_PAYLOAD = bytes.fromhex(
    "000100ff3461e282acf09f98800a0006ff3270726f62650104ff040001ff0001ff36"
)
BASE64_PAYLOAD = "6:4a€😀\n6:2probe6:b4AAH/1:6".encode()
TEXT_PAYLOAD = "6:4a€😀\n6:2probe1:6".encode()


def test_payloads_are_written_as_the_reference_writes_them() -> None:
    assert engineio3.encode_payload(FRAMES, True) == (BINARY_PAYLOAD, True)
    assert engineio3.encode_payload(FRAMES, False) == (BASE64_PAYLOAD, False)
    text_only = [frame for frame in FRAMES if not frame.binary]
    assert engineio3.encode_payload(text_only, True) == (TEXT_PAYLOAD, False)
    assert engineio3.encode_payload([], True) == (b"0:", False)


def test_payloads_of_the_reference_are_read() -> None:
    assert engineio3.decode_payload(BINARY_PAYLOAD, True, 4) == PACKETS
    assert engineio3.decode_payload(BASE64_PAYLOAD, False, 4) == PACKETS
    assert engineio3.decode_payload(b"0:", False, 4) == []


def test_a_text_packet_within_a_binary_payload_may_be_base64() -> None:
    assert engineio3.decode_payload(b"\x00\x06\xffb4AAH/", True, 1) == [(MESSAGE, BINARY)]


def test_a_binary_frame_begins_with_its_type() -> None:
    assert engineio3.decode(b"\x04\x00\x01\xff") == (MESSAGE, BINARY)
    assert engineio3.message(BINARY).payload == b"\x04\x00\x01\xff"
    assert engineio3.message(BINARY, supports_binary=False).payload == b"b4AAH/"
    assert not engineio3.message(BINARY, supports_binary=False).binary
    assert engineio3.decode("b4AAH/") == (MESSAGE, BINARY)
    assert engineio3.decode("4x") == (MESSAGE, "x")
    assert engineio3.message("x").payload == b"4x"


@pytest.mark.parametrize("frame", ["", "7", "b", "b2AAAA", "b4AA", "b4!", b"", b"4x", b"\x02", b"\x07x"])
def test_any_other_frame_is_refused(frame: str | bytes) -> None:
    with pytest.raises(DecodeError):
        engineio3.decode(frame)


BROKEN_TEXT = [
    b"", b"4", b":", b":4", b"1:", b"2:4", b"x:4", b"-1:4", b"1:4x", b"1:7", b"1.5:4x", b"1e1:4123456789",
    b" 1:4", b"01234567890123:4", b"1" * 5000 + b":4", "٢:4x".encode(), "\u0131:4".encode(), b"1:\xff",
    b"\xff", b"2:4" + "😀".encode(), b"1:41:", b"6:b4AA==1", b"1:4,1:4",
]  # fmt: skip
BROKEN_BINARY = [
    b"", b"\x00", b"\x00\x01", b"\x00\xff", b"\x00\x01\xff", b"\x02\x01\xff4", b"\x00\x0a\xff4123456789",
    b"\x0011\xff4", b"\x00\x02\xff4", b"\x00\x01\xff7", b"\x00\x02\xff4\xff", b"\x01\x01\xff4",
    b"\x00\x00\xff", b"\x01\x00\xff", b"1:4", b"\x00" + b"\x01" * 5000 + b"\xff4", b"\x00\x01\xff4\x00",
]  # fmt: skip


@pytest.mark.parametrize(
    ("binary", "body"), [(False, body) for body in BROKEN_TEXT] + [(True, body) for body in BROKEN_BINARY]
)
def test_a_broken_payload_is_refused(binary: bool, body: bytes) -> None:
    with pytest.raises(DecodeError):
        engineio3.decode_payload(body, binary, 10)


@pytest.mark.parametrize(("binary", "body"), [(False, b"1:6"), (False, b"0:"), (True, b"\x00\x01\xff6")])
def test_more_packets_than_the_limit_are_refused(binary: bool, body: bytes) -> None:
    engineio3.decode_payload(body * 10, binary, 10)
    with pytest.raises(DecodeError, match="too many"):
        engineio3.decode_payload(body * 11, binary, 10)
