from __future__ import annotations

import copy
from typing import Any

import pytest

from flocket.codec import attachments, json
from flocket.codec.errors import DecodeError
from flocket.errors import EncodeError


def hole(number: Any) -> dict[str, Any]:
    return {"_placeholder": True, "num": number}


def test_bytes_become_numbered_placeholders_and_come_back() -> None:
    value = ["a", b"1", {"b": [bytearray(b"2"), {"c": memoryview(b"3")}], "d": None}]
    text, buffers = attachments.encode(value)
    assert json.loads(text) == ["a", hole(0), {"b": [hole(1), {"c": hole(2)}], "d": None}]
    assert b'{"_placeholder":true,"num":0}' in text
    assert buffers == [b"1", b"2", b"3"]
    assert all(type(buffer) is bytes for buffer in buffers)
    restored = attachments.restore(json.loads(text), buffers)
    assert restored == ["a", b"1", {"b": [b"2", {"c": b"3"}], "d": None}]


def test_a_value_without_bytes_has_no_attachments() -> None:
    assert attachments.encode({"a": [1, "_placeholder"]}) == (b'{"a":[1,"_placeholder"]}', [])


def test_later_changes_to_a_bytearray_do_not_reach_the_attachment() -> None:
    data = bytearray(b"before")
    _, buffers = attachments.encode([data])
    data[:] = b"after!"
    assert buffers == [b"before"]


def test_the_same_bytes_twice_are_two_attachments_as_in_javascript() -> None:
    data = b"x"
    text, buffers = attachments.encode([data, data])
    assert buffers == [data, data]
    assert attachments.restore(json.loads(text), buffers) == [data, data]


def test_values_are_restored_in_place_and_in_any_order() -> None:
    value: Any = {"a": [hole(1)], "b": {"c": hole(0)}}
    inner = value["a"]
    assert attachments.restore(value, [b"0", b"1"]) is value
    assert value == {"a": [b"1"], "b": {"c": b"0"}}
    assert value["a"] is inner
    assert attachments.restore(hole(0), [b"0"]) == b"0"


@pytest.mark.parametrize("number", [-1, 1, 0.5, 0.0, "0", True, False, None, 1e9, [], {}, 2**70])
def test_a_placeholder_whose_number_names_no_attachment_is_refused(number: Any) -> None:
    with pytest.raises(DecodeError, match="illegal attachments"):
        attachments.restore(["a", hole(number)], [b"x"])
    with pytest.raises(DecodeError, match="illegal attachments"):
        attachments.restore(["a", {"_placeholder": True}], [b"x"])


def test_each_attachment_has_exactly_one_placeholder() -> None:
    with pytest.raises(DecodeError, match="two placeholders"):
        attachments.restore([hole(0), hole(0)], [b"x"])
    with pytest.raises(DecodeError, match="without placeholder"):
        attachments.restore([hole(0)], [b"x", b"y"])
    with pytest.raises(DecodeError, match="without placeholder"):
        attachments.restore([], [b""])


def test_only_the_value_true_makes_a_placeholder() -> None:
    value = [{"_placeholder": 1, "num": 0}, {"_placeholder": "true"}, {"num": 0}]
    assert attachments.restore(copy.deepcopy(value), []) == value


def test_what_cannot_be_sent_beside_bytes_is_named() -> None:
    with pytest.raises(EncodeError, match=r"^\$\[1\]\.x: an object of type set"):
        attachments.encode([b"x", {"x": set()}])
