from __future__ import annotations

import pytest

from flocket.codec.base64 import decode_base64
from flocket.codec.errors import DecodeError


def test_base64_is_read_from_text_and_bytes() -> None:
    assert decode_base64("AQIDBA==") == decode_base64(b"AQIDBA==") == b"\x01\x02\x03\x04"
    assert decode_base64("") == b""


@pytest.mark.parametrize(
    "text",
    ["A", "AA", "AAA", "=", "AA=", "AA==AA==", "AA==x", " AA==", "AA==\n", "A-_=", "AA!=", "é", "éééé",
     "=AAA", "====", "A===", "AAAA=", "AAAA====", "AA=A", "AAA=AAA="],
)  # fmt: skip
def test_anything_but_whole_base64_is_refused(text: str) -> None:
    with pytest.raises(DecodeError):
        decode_base64(text)
    with pytest.raises(DecodeError):
        decode_base64(text.encode())
