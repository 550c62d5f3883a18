"""A value of Python as the plain values that JSON and msgpack share, or the path of what cannot be sent.

Knows which types are sent, and as what; does not know how they are written.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from typing import Any
from uuid import UUID

import msgspec

from flocket.errors import EncodeError

__all__ = ["MAX_DEPTH", "NotPlain", "iso", "plain", "shallow", "well_formed"]

MAX_DEPTH = 254  # orjson's own bound


class NotPlain(TypeError):
    """This one object cannot be sent; `plain` adds where it is."""


def iso(when: datetime) -> str:
    """A moment as JavaScript's Date prints it in JSON: UTC, milliseconds, `Z` (ECMA-262, 21.4.4.36)."""
    if when.tzinfo is None or when.utcoffset() is None:
        raise NotPlain("a datetime without a timezone")
    try:
        return when.astimezone(UTC).isoformat(timespec="milliseconds")[:-6] + "Z"
    except OverflowError:
        raise NotPlain("a datetime beyond the year 9999 or before the year 1 in UTC") from None


def well_formed(text: str) -> str:
    """The text with U+FFFD for each lone surrogate: what UTF-8 can carry, as JavaScript's `toWellFormed`."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def shallow(item: Any) -> Any:
    """An object that JSON does not know, as one that it knows; what it holds stays as it is. Or NotPlain."""
    if isinstance(item, msgspec.Struct):
        return _struct(item)
    kind: type = type(item)
    if dataclasses.is_dataclass(kind):
        return {name: getattr(item, name) for name in _dataclass_names(kind)}
    if isinstance(item, tuple):  # a named tuple
        return list(item)
    if isinstance(item, float):
        return float(item)
    raise NotPlain(f"an object of type {kind.__name__}")


@lru_cache(maxsize=1_000)
def _dataclass_names(kind: type[Any]) -> tuple[str, ...]:
    # Fields only (orjson itself would also send what a cached property left in the object's dict), without
    # those that a leading underscore keeps at home.
    return tuple(field.name for field in dataclasses.fields(kind) if field.name[0] != "_")


_struct_fields = lru_cache(maxsize=1_000)(msgspec.structs.fields)  # it reads all annotations, each time


def _struct(item: msgspec.Struct) -> Any:
    config = item.__struct_config__
    values = [(field, getattr(item, field.name)) for field in _struct_fields(type(item))]
    tag = [] if config.tag is None else [(config.tag_field, config.tag)]
    if config.array_like:
        return [value for _, value in tag] + [value for _, value in values]
    result: dict[str, Any] = {str(key): value for key, value in tag}
    for field, value in values:
        if value is msgspec.UNSET or (config.omit_defaults and _is_default(field, value)):
            continue
        result[field.encode_name] = value
    return result


def _is_default(field: msgspec.structs.FieldInfo, value: Any) -> bool:
    if field.default is not msgspec.NODEFAULT:
        return bool(value is field.default)
    return field.default_factory in (list, dict) and type(value) is field.default_factory and not value


def plain(value: Any, leaf: Callable[[Any], Any]) -> Any:
    """A copy made of dicts with str keys, lists, str, finite floats, exact integers, bool and None.

    `leaf` replaces bytes-like objects and datetimes, or raises NotPlain. Raises EncodeError with the path.
    """
    trail: list[Any] = []
    try:
        return _plain(value, leaf, trail)
    except NotPlain as error:
        reason = f"{error} cannot be sent"
    except RecursionError:
        reason = "nested too deep"
    raise EncodeError(f"{_path(trail)}: {reason}")


def _plain(value: Any, leaf: Callable[[Any], Any], trail: list[Any]) -> Any:
    # `trail` is the way to `value`; after a failure it still points there. One frame for each level.
    if value is None or isinstance(value, bool):
        return value
    while isinstance(value, Enum):
        value = value.value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return _exact(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise NotPlain("NaN" if math.isnan(value) else "infinity")
        return float(value)
    if isinstance(value, bytes | bytearray | memoryview | datetime):
        return leaf(value)
    if isinstance(value, UUID):
        return str(value)
    if len(trail) >= MAX_DEPTH:
        raise NotPlain(f"what is nested more than {MAX_DEPTH} deep")
    if not isinstance(value, dict | list | tuple):
        value = shallow(value)
    if isinstance(value, dict):
        copy = {}
        for key, item in value.items():
            trail.append(key)
            copy[_key(key)] = _plain(item, leaf, trail)
            trail.pop()
        return copy
    items = []
    for index, item in enumerate(value):
        trail.append(_Index(index))
        items.append(_plain(item, leaf, trail))
        trail.pop()
    return items


class _Index(int):
    """A place in a list, which is not a key that is an integer."""


def _exact(value: int) -> int:
    number = int(value)
    if -(2**53) <= number <= 2**53:
        return number
    try:
        double = float(number)
    except OverflowError:
        pass
    else:
        # JavaScript prints a double by the fewest digits that mean it, 2**60 as 1152921504606847000. What
        # comes so must be able to go back: it is read as the very number that was sent.
        if int(double) == number or int(Decimal(repr(double))) == number:
            return number
    raise NotPlain(f"the integer {_shorten(hex(number))}, which a double cannot hold exactly,")


def _key(key: Any) -> str:
    if isinstance(key, Enum):
        key = key.value
    if isinstance(key, str):
        return str.__str__(key)
    if isinstance(key, int) and not isinstance(key, bool):
        return str(_exact(key))  # as JavaScript writes the keys of an object
    raise NotPlain(f"a key of type {type(key).__name__}")


def _path(trail: list[Any]) -> str:
    return _shorten("$" + "".join(map(_step, trail)))


def _step(key: Any) -> str:
    if isinstance(key, str) and key.isidentifier():
        return f".{key}"
    return f"[{int(key)}]" if isinstance(key, _Index) else f"[{_shorten(repr(key))}]"


def _shorten(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:40]}...{text[-30:]}"
