"""Values that a hostile or broken peer may put where another is expected."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

__all__ = ["FIELDS"]

_ODD: list[Any] = [
    None,
    True,
    -1,
    0,
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    8,
    9,
    10,
    11,
    12,
    13,
    99,
    2**63,
    1.5,
    float("nan"),
    "",
    "e",
    "__proto__",
]
_ODD_THINGS: list[Any] = [
    *_ODD,
    b"",
    b"\xff",
    [],
    ["e"],
    [[]],
    [None],
    {},
    {"rooms": 1},
    {"rooms": [{}]},
    {"flags": []},
    {"type": 2},
]
_KEYS = [
    *[
        "uid",
        "nsp",
        "type",
        "requestId",
        "opts",
        "rooms",
        "data",
        "packet",
        "sockets",
        "clientCount",
        "sid",
        "room",
    ],
    *["except", "flags", "close"],
]
_VALUES = st.sampled_from(_ODD_THINGS)
_OBJECTS = st.dictionaries(st.sampled_from(_KEYS), _VALUES, max_size=6)
FIELDS = st.dictionaries(st.sampled_from(_KEYS), _VALUES | _OBJECTS, max_size=8)
