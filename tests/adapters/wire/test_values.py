"""msgpack and JSON as they travel, against the encoders and decoders of the npm packages."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.adapters.wire import golden
from tests.support.node_process import run_node

from flocket.adapters.wire.values import from_json, has_binary, pack, to_json, unpack
from flocket.codec.errors import DecodeError

WHEN = datetime(2023, 11, 14, 22, 13, 20, 123000, tzinfo=UTC)
VALUES: list[Any] = [
    *[None, True, False, "", "a" * 31, "a" * 32, "ä€😀", "x" * 256, "x" * 65536, [], {}, [None, [True]]],
    *[0, 1, 127, 128, 255, 256, 65535, 65536, 2**31, 2**32 - 1, 2**32, 2**53 - 1],
    *[-1, -32, -33, -128, -129, -32768, -32769, -(2**31), -(2**31) - 1, -(2**53) + 1, 1.5, -0.25, 1e-300],
    *[
        {"a": {"b": [1, {"c": None}]}},
        ["event", {"k" * 40: 1}],
        list(range(20)),
        {str(n): n for n in range(20)},
    ],
    *[b"", b"\x01\x02\xff", b"\x00" * 300, b"\x00" * 70000, WHEN, [WHEN.replace(microsecond=0)]],
    *[datetime(1969, 7, 20, 20, 17, tzinfo=UTC), datetime(2300, 1, 1, tzinfo=UTC)],
]


def _to_node(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"$bytes": value.hex()}
    if isinstance(value, datetime):
        return {"$date": round(value.timestamp() * 1000)}
    if isinstance(value, list):
        return [_to_node(item) for item in value]
    if isinstance(value, dict):
        return {key: _to_node(item) for key, item in value.items()}
    return value


def test_node_reads_what_we_pack_and_we_read_what_node_packs() -> None:
    sent = [_to_node(value) for value in VALUES]
    node = run_node("msgpack.js", {"encode": sent, "decode": [pack(value).hex() for value in VALUES]})
    assert node["fromNotepack"] == sent
    assert node["fromMsgpack"] == sent
    assert [unpack(bytes.fromhex(text)) for text in node["notepack"]] == VALUES
    assert [unpack(bytes.fromhex(text)) for text in node["msgpack"]] == VALUES


def test_our_bytes_are_nodes_bytes() -> None:
    # An integer beyond 32 bits is the one that the two packages and we write differently, and all read alike.
    same = [value for value in VALUES if not (isinstance(value, int) and abs(value) > 2**31)]
    node = run_node("msgpack.js", {"encode": [_to_node(value) for value in same]})
    assert [pack(value).hex() for value in same] == node["notepack"]
    assert [pack(value).hex() for value in same] == node["msgpack"]


def test_the_golden_numbers_and_date_have_their_bytes() -> None:
    assert pack(WHEN).hex() == golden.DATE
    assert pack([1.5, 2**32, -1, -33, -32769, 2**31]).hex() == golden.NUMBERS
    assert unpack(bytes.fromhex(golden.DATE)) == WHEN


def test_an_array_buffer_in_notepacks_old_notation_is_bytes() -> None:
    assert unpack(b"\xc7\x03\x00\x01\x02\x03") == b"\x01\x02\x03"


def test_a_lone_surrogate_arrives_in_json() -> None:
    assert from_json(b'{"a":"\\ud800"}') == {"a": "\ud800"}
    assert to_json({"a": "\ud800"}) == b'{"a":"\\ud800"}'


@pytest.mark.parametrize(
    "text", [b"NaN", b"[Infinity]", b"-Infinity", b"", b"{", b"\xff", b"[" * 100_000, b"{}x"]
)
def test_what_javascript_cannot_parse_is_refused(text: bytes) -> None:
    with pytest.raises(DecodeError):
        from_json(text)


@pytest.mark.parametrize(
    "payload", [b"", b"\xc1", b"\x92\x01", b"\x01\x01", b"\x91" * 100_000, b"\xdf\xff\xff\xff\xff"]
)
def test_what_is_no_msgpack_is_refused(payload: bytes) -> None:
    with pytest.raises(DecodeError):
        unpack(payload)


def test_bytes_are_found_at_any_depth() -> None:
    assert has_binary({"a": [1, (2, {"b": bytearray(1)})]})
    assert not has_binary({"a": [1, (2, {"b": "x"})], "c": math.pi})
