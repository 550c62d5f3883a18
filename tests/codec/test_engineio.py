from __future__ import annotations

import pytest

from flocket.codec import engineio
from flocket.codec.errors import DecodeError


@pytest.mark.parametrize(
    ("frame", "packet"),
    [
        ("0{}", (engineio.OPEN, "{}")),
        ("1", (engineio.CLOSE, "")),
        ("2probe", (engineio.PING, "probe")),
        ("3", (engineio.PONG, "")),
        ("4", (engineio.MESSAGE, "")),
        ("4é\n4", (engineio.MESSAGE, "é\n4")),
        ("5", (engineio.UPGRADE, "")),
        ("6", (engineio.NOOP, "")),
        (b"", (engineio.MESSAGE, b"")),
        (b"4\x00\xff", (engineio.MESSAGE, b"4\x00\xff")),
    ],
)
def test_a_frame_is_a_packet(frame: str | bytes, packet: tuple[str, str | bytes]) -> None:
    assert engineio.decode(frame) == packet


@pytest.mark.parametrize("frame", ["", "7", "b4AA==", "٤x", "²", " 4", "\x004", "-1", "\ud800"])
def test_any_other_text_is_refused(frame: str) -> None:
    with pytest.raises(DecodeError):
        engineio.decode(frame)


def test_packets_become_frames_that_decode_to_themselves() -> None:
    assert engineio.packet(engineio.PONG, "probe").payload == b"3probe"
    for data in ("", "é\x1e", b"", b"\x1e\xff"):
        frame = engineio.message(data, compress=False)
        assert frame.binary == isinstance(data, bytes)
        assert not frame.compress
        read: str | bytes = frame.payload if frame.binary else frame.payload.decode()
        assert engineio.decode(read) == (engineio.MESSAGE, data)


def test_a_lone_surrogate_leaves_as_the_replacement_character() -> None:
    assert engineio.message("\ud800x😀").payload == "4\ufffdx😀".encode()
    assert engineio.packet(engineio.PING, "\udfff").payload == "2\ufffd".encode()
