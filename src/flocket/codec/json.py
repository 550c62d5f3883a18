"""JSON as JavaScript reads it, both ways: one pass in C, and the exact rules where C is too lax.

Knows values and text; does not know packets, nor what becomes of bytes (the caller's `lift` says).

orjson does the pass, both ways. It is as fast as msgspec with small packets (0.1 us; the standard library
takes 2) and faster with large ones (writing 100 rows: 11 us, msgspec 17, the standard library 150; reading
them: 35, 34, 83), has a hook for what JSON lacks, and can be told to refuse integers that a double cannot
hold; `bench/json_codec.py` prints the figures. What it refuses (lone surrogates, keys that are integers,
integers above 2**53) takes the slow way below, which either finds the standard library's answer or names
the place of the fault.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any, NoReturn

import msgspec
import orjson

from flocket.codec.errors import DecodeError
from flocket.codec.plain import NotPlain, iso, plain, shallow

__all__ = ["dumps", "dumps_common", "loads"]

Lift = Callable[[bytes], Any]

_OPTIONS = (
    orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_STRICT_INTEGER
)
# A double of msgpack whose exponent is all ones: NaN or infinity, whatever its sign and payload.
_NOT_FINITE = re.compile(rb"\xcb[\x7f\xff][\xf0-\xff]")


def dumps(value: Any, lift: Lift | None = None) -> bytes:
    """The JSON text of `value`; each bytes-like object in it is replaced by what `lift` makes of its bytes.

    Raises EncodeError, naming the path, for what JavaScript could not read back as the same value. Bytes
    without `lift` are such.
    """
    text = dumps_common(value)
    return _dumps_lifting(value, lift) if text is None else text


def dumps_common(value: Any) -> bytes | None:
    """As `dumps`, for values without bytes or rarities, which are nearly all; None if `value` is another."""
    try:
        text = orjson.dumps(value, _default, _OPTIONS)
    except TypeError:
        return None
    if text.find(b"null") >= 0:  # half the time of `in`, which tries bytes as a number first
        _refuse_nan(value)
    return text


def _default(item: Any) -> Any:
    return iso(item) if isinstance(item, datetime) else shallow(item)


def _dumps_lifting(value: Any, lift: Lift | None) -> bytes:
    lifted: list[Any] = []

    def default(item: Any) -> Any:
        if lift is not None and isinstance(item, bytes | bytearray | memoryview):
            lifted.append(lift(bytes(item)))
            return lifted[-1]
        return _default(item)

    try:
        text = orjson.dumps(value, default, _OPTIONS)
    except TypeError:
        text = None
    if text is None:  # not within `except`: what is wrong with the value is said once
        return _dumps_slowly(value, lift, lifted)
    if b"null" in text:
        _refuse_nan(value)
    return text


def _refuse_nan(value: Any) -> None:
    # orjson writes null for what is no number. Packing again in C and searching those bytes costs a fifth
    # of a walk in Python, and misses nothing.
    try:
        if not _NOT_FINITE.search(_packer.encode(value)):
            return
    except Exception:  # whatever msgpack cannot say, the walk can
        pass
    _copy(value, lambda _: None)


def _dumps_slowly(value: Any, lift: Lift | None, lifted: list[Any]) -> bytes:
    # Both passes meet the bytes in the same order: reuse what the first one lifted, or it is sent twice.
    again = iter(lifted)

    def place(data: bytes) -> Any:
        for known in again:
            return known
        if lift is None:
            raise NotPlain("bytes")
        return lift(data)

    copy = _copy(value, place)
    return json.dumps(copy, separators=(",", ":"), allow_nan=False).encode()


def _copy(value: Any, place: Lift) -> Any:
    def leaf(item: Any) -> Any:
        return iso(item) if isinstance(item, datetime) else place(bytes(item))

    return plain(value, leaf)


_packer = msgspec.msgpack.Encoder(enc_hook=shallow)


def loads(text: str | bytes | memoryview, depth: int = 128) -> Any:
    """The value of a JSON text, at most `depth` arrays and objects deep. Raises DecodeError, nothing else.

    As JSON.parse, but for numbers beyond a double's range, which are refused rather than made infinite.
    Integers beyond 64 bits come as floats, as they do in JavaScript.
    """
    if len(text) > 2 * depth and _too_deep(text, depth):  # each level takes two characters at least
        raise DecodeError("JSON nested too deep")
    try:
        return _loads(text)
    except ValueError as error:
        return _loads_slowly(text, error)


_loads = orjson.loads

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def _loads_slowly(text: str | bytes | memoryview, error: ValueError) -> Any:
    # JavaScript sends a lone surrogate as an escape, which only the standard library takes. All else that
    # orjson refuses is wrong: nobody gets a second parse of rubbish.
    try:
        string = text if isinstance(text, str) else str(text, "utf-8")
        if not _SURROGATE.search(string):
            raise DecodeError("invalid JSON") from error
        return json.loads(string, parse_constant=_refuse, parse_float=_finite, parse_int=_integer)
    except DecodeError:
        raise
    except (ValueError, RecursionError) as second:
        raise DecodeError("invalid JSON") from second


def _refuse(constant: str) -> NoReturn:
    raise DecodeError(f"invalid JSON: {constant}")


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise DecodeError("invalid JSON: number out of range")
    return number


def _integer(digits: str) -> int | float:
    if len(digits) < 21:  # the longest of 64 bits have 20 characters
        number = int(digits)
        if -(2**63) <= number < 2**64:
            return number
    return _finite(digits)


# Brackets of both kinds become parentheses: which kind closes which is the parser's business.
_PARENTHESES = bytes.maketrans(b"[{]}", b"(())")
_OTHERS = bytes(set(range(256)) - set(b'[{]}"'))


def _too_deep(text: str | bytes | memoryview, depth: int) -> bool:
    # All in C: 100 rows take 10 us, where a loop over their brackets takes 100; a megabyte, milliseconds.
    if isinstance(text, str):
        if len(text) < 2_000 and text.count("[") + text.count("{") <= depth:
            return False  # sooner than the table of `translate` is set up
        data = text.encode("utf-8", "replace")
    else:
        data = bytes(text)
    marks = data.translate(_PARENTHESES, _OTHERS)
    if marks.count(b"(") <= depth:
        return False
    if b"\\" in data:  # take off what is escaped, or its quotes would end a string
        marks = data.replace(b"\\\\", b"").replace(b'\\"', b"").translate(_PARENTHESES, _OTHERS)
    marks = marks.replace(b'""', b"")  # strings without brackets
    if b'"' in marks:
        marks = b"".join(marks.split(b'"')[::2])
    run = b"(" * (depth + 1)
    for _ in range(depth):  # each `replace` takes off the innermost level
        if run in marks:
            return True
        smaller = marks.replace(b"()", b"")
        if len(smaller) == len(marks):
            return False  # all gone; or not balanced, which the parser will say within its own bound
        marks = smaller
    return bool(marks)
