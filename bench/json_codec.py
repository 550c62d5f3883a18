"""How long one value takes through each codec of JSON that could stand under `flocket.codec.json`.

Prints a table of microseconds, the best of several rounds, so that other load on the machine does not count.
Run it as `python bench/json_codec.py`.
"""

from __future__ import annotations

import json
import platform
import timeit
from collections.abc import Callable
from typing import Any

import msgspec
import orjson

from flocket.codec import json as ours
from flocket.codec import msgpack, socketio
from flocket.codec.socketio import Packet, PacketType

ROWS = [
    {"id": i, "name": f"user {i}", "score": i * 1.5, "tags": ["a", "b"], "active": True, "about": "x" * 40}
    for i in range(100)
]
VALUES: dict[str, Any] = {
    "small": ["echo", "hi"],
    "medium": ["chat message", {"room": "lobby", "from": "ada", "text": "hello there, " * 6, "at": 1.7e9}],
    "100 rows": ["rows", ROWS],
    "100 rows, nulls": ["rows", [{**row, "about": None} for row in ROWS]],
    "20 deep": ["tree", *([[[[[[[[{"a": [i]}]]]]]]]] for i in range(20))],
}

# What our rules need of a codec: a hook for bytes and dates, and strict integers.
_OPTIONS = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_STRICT_INTEGER


def microseconds(call: Callable[[], Any]) -> float:
    timer = timeit.Timer(call)
    number, _ = timer.autorange()
    number = max(1, number // 10)  # rounds of about 20 ms: short enough to fall between others' turns
    return min(timer.repeat(30, number)) / number * 1e6


def writers(value: Any) -> dict[str, Callable[[], Any]]:
    packet = Packet(PacketType.EVENT, data=value)
    return {
        "stdlib": lambda: json.dumps(value, separators=(",", ":")),
        "msgspec": lambda: msgspec.json.encode(value),
        "orjson": lambda: orjson.dumps(value, None, _OPTIONS),
        "orjson, any key": lambda: orjson.dumps(value, None, orjson.OPT_NON_STR_KEYS),
        "flocket": lambda: ours.dumps(value),
        "flocket packet": lambda: socketio.encode(packet),
        "flocket msgpack": lambda: msgpack.encode(packet),
    }


def readers(value: Any) -> dict[str, Callable[[], Any]]:
    text = ours.dumps(value).decode()
    packet = "2" + text
    [message] = msgpack.encode(Packet(PacketType.EVENT, data=value))[1]
    return {
        "stdlib": lambda: json.loads(text),
        "msgspec": lambda: msgspec.json.decode(text),
        "orjson": lambda: orjson.loads(text),
        "flocket": lambda: ours.loads(text),
        "flocket packet": lambda: socketio.decode(packet),
        "flocket msgpack": lambda: msgpack.decode(message),
    }


def table(title: str, make: Callable[[Any], dict[str, Callable[[], Any]]]) -> None:
    figures = {
        name: {codec: microseconds(call) for codec, call in make(value).items()}
        for name, value in VALUES.items()
    }
    print(f"{title + ', microseconds':24}" + "".join(f"{name:>17}" for name in VALUES))
    for codec in next(iter(figures.values())):
        print(f"{codec:24}" + "".join(f"{figures[name][codec]:17.2f}" for name in VALUES))
    print()


def main() -> None:
    print(f"Python {platform.python_version()}, orjson {orjson.__version__}, msgspec {msgspec.__version__}\n")
    table("write", writers)
    table("read", readers)


if __name__ == "__main__":
    main()
