"""Values through JSON, attachments and msgpack: what goes out comes back; rubbish raises only DecodeError."""

from __future__ import annotations

import contextlib
import json as standard
import math
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.property.strategies import (
    binary_values,
    floats,
    json_values,
    msgpack_values,
    plain_scalars,
    quick,
    quicker,
    texts,
    values,
)

from flocket.codec import attachments, json, msgpack
from flocket.codec.errors import DecodeError
from flocket.errors import EncodeError


def same(a: Any, b: Any) -> bool:
    """Equality that tells True from 1 and -0.0 from 0.0, and takes tuples for lists."""
    return repr(a) == repr(b)


@quick
@given(json_values)
def test_json_brings_back_what_it_was_given(value: Any) -> None:
    text = json.dumps(value)
    # Two code points that form a pair arrive as the one character that JavaScript makes of them.
    expected = standard.loads(standard.dumps(value))
    assert same(json.loads(text), expected)
    assert same(json.loads(text.decode()), expected)


@quick
@given(json_values, st.integers(0, 12))
def test_depth_is_measured_exactly(value: Any, limit: int) -> None:
    text = json.dumps(value).decode().ljust(200)  # long enough to be measured at all
    if depth(value) <= limit:
        json.loads(text, limit)
    else:
        with pytest.raises(DecodeError, match="deep"):
            json.loads(text, limit)


def depth(value: Any) -> int:
    if isinstance(value, dict):
        value = list(value.values())
    return 1 + max(map(depth, value), default=0) if isinstance(value, list) else 0


@quick
@given(values(plain_scalars | texts | st.sampled_from([math.nan, math.inf, -math.inf])))
def test_json_refuses_exactly_the_values_that_hold_nan_or_infinity(value: Any) -> None:
    try:
        standard.dumps(value, allow_nan=False)
    except ValueError:
        with pytest.raises(EncodeError, match=r"^\$.*(NaN|infinity)"):
            json.dumps(value)
        with pytest.raises(EncodeError, match=r"^\$.*(NaN|infinity)"):
            msgpack.pack(value)
    else:
        json.dumps(value)
        msgpack.pack(value)


@quick
@given(
    st.integers(-(2**80), 2**80)
    | st.builds(int.__lshift__, st.integers(-9, 9), st.integers(50, 1019))
    | st.integers(-(2**80), 2**80).map(lambda number: int(Decimal(repr(float(number)))))
)
def test_an_integer_is_sent_if_it_is_a_double_or_what_javascript_prints_for_one(number: int) -> None:
    if number in (int(float(number)), int(Decimal(repr(float(number))))):
        assert float(json.loads(json.dumps(number))) == float(number)
        assert float(msgpack.unpack(msgpack.pack(number))) == float(number)
    else:
        with pytest.raises(EncodeError):
            json.dumps(number)
        with pytest.raises(EncodeError):
            msgpack.pack(number)


@quick
@given(floats)
def test_every_finite_float_comes_back_as_itself(number: float) -> None:
    assert same(json.loads(json.dumps(number)), number)
    assert same(msgpack.unpack(msgpack.pack(number)), number)


@quick
@given(binary_values)
@example([{"_placeholder": False, "num": 0}, b""])
def test_bytes_at_any_depth_come_back(value: Any) -> None:
    text, buffers = attachments.encode(value)
    assert same(attachments.restore(json.loads(text), buffers), standard_text(value))


def standard_text(value: Any) -> Any:
    """`value` with its surrogate pairs joined."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
    if isinstance(value, list):
        return [standard_text(item) for item in value]
    if isinstance(value, dict):
        return {standard_text(key): standard_text(item) for key, item in value.items()}
    return value


@quicker
@given(msgpack_values)
def test_msgpack_brings_back_what_it_was_given(value: Any) -> None:
    packed = msgpack.pack(value)
    assert same(msgpack.unpack(packed), value)
    for end in range(len(packed)):
        with pytest.raises(DecodeError):
            msgpack.unpack(packed[:end])
    with pytest.raises(DecodeError):
        msgpack.unpack(packed + b"\xc0")


@quicker
@given(values(plain_scalars | texts).filter(lambda value: isinstance(value, list | dict)))
def test_json_cut_anywhere_is_refused(value: Any) -> None:
    text = json.dumps(value)
    for end in range(len(text)):
        with pytest.raises(DecodeError):
            json.loads(text[:end])
    with pytest.raises(DecodeError):
        json.loads(text + b"]")


@quick
@given(st.binary(max_size=60) | st.text(max_size=60) | st.text('[]{}",:\\ud8001eE+-.NaInfity ', max_size=60))
def test_rubbish_raises_only_decode_error(data: str | bytes) -> None:
    with contextlib.suppress(DecodeError):
        json.loads(data)
    if isinstance(data, bytes):
        with contextlib.suppress(DecodeError):
            msgpack.unpack(data)


placeholders = st.fixed_dictionaries(
    {"_placeholder": st.just(True) | st.booleans(), "num": st.integers(-1, 4) | plain_scalars}
)


@quick
@given(values(plain_scalars | placeholders), st.lists(st.binary(max_size=3), max_size=4))
def test_foreign_placeholders_raise_only_decode_error(value: Any, buffers: list[bytes]) -> None:
    with contextlib.suppress(DecodeError):
        attachments.restore(value, buffers)
