"""Our JSON against JavaScript's own, as one table that Node reads and writes in one process."""

from __future__ import annotations

import dataclasses
import enum
import functools
import json as standard
import math
import subprocess
import time
import uuid
from collections import OrderedDict, namedtuple
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest

from flocket.codec import json
from flocket.codec.errors import DecodeError
from flocket.errors import EncodeError


@dataclasses.dataclass
class Point:
    x: int
    when: datetime | None = None
    _secret: int = 7


class Renamed(msgspec.Struct, rename="camel", tag_field="kind", tag="person", omit_defaults=True):
    first_name: str
    pets: list[str] = msgspec.field(default_factory=list)
    maybe: int | msgspec.UnsetType = msgspec.UNSET


class Row(msgspec.Struct, array_like=True):
    a: int
    b: str


class Colour(enum.Enum):
    RED = "red"
    BOTH = ("a", 1)


class Level(enum.IntEnum):
    HIGH = 3


class Text(str):
    pass


class Real(float):
    pass


Pair = namedtuple("Pair", "left right")
NOON = datetime(2024, 1, 2, 3, 4, 5, 678_912, tzinfo=UTC)

# What we send, and the JavaScript expression that the receiver must find equal (by Object.is, at any depth).
SENT: list[tuple[Any, str]] = [
    (None, "null"),
    (True, "true"),
    ([], "[]"),
    ({}, "{}"),
    (-1, "-1"),
    (1.0, "1"),
    (-0.0, "-0"),
    (0.1, "0.1"),
    (1e21, "1e21"),
    (5e-324, "5e-324"),
    (1.7976931348623157e308, "Number.MAX_VALUE"),
    (2**53, "2**53"),
    (-(2**53), "-(2**53)"),
    (2**60, "2**60"),
    (1152921504606847000, "2**60"),  # which JavaScript prints so
    (2**64, "2**64"),
    (2**70, "2**70"),
    (10**22, "1e22"),
    (2**1000, "2**1000"),
    ("", '""'),
    ("é€😀\0\n\"\\/\u2028\x7f", r'"é€😀\u0000\n\"\\/\u2028\u007f"'),
    ("\ud800", r'"\ud800"'),
    ("x\udc00y😀\ud83d\ude00", r'"x\udc00y😀😀"'),
    ({"\udfff": 1}, r'({"\udfff": 1})'),
    ({1: "a", -2: "b", Level.HIGH: "c", Text("t"): "d"}, '({"1": "a", "-2": "b", "3": "c", "t": "d"})'),
    ({1: "first", "1": "last"}, '({"1": "last"})'),
    ({"__proto__": 1}, 'JSON.parse(\'{"__proto__": 1}\')'),
    ((1, (2, [3])), "[1, [2, [3]]]"),
    (Pair(1, "r"), '[1, "r"]'),
    (OrderedDict(b=1, a=2), "({b: 1, a: 2})"),
    ([Text("t"), Level.HIGH, Real(1.5), Colour.RED, Colour.BOTH], '["t", 3, 1.5, "red", ["a", 1]]'),
    (uuid.UUID(int=5), '"00000000-0000-0000-0000-000000000005"'),
    (NOON, 'new Date("2024-01-02T03:04:05.678Z").toJSON()'),
    (NOON.astimezone(timezone(timedelta(hours=-11, minutes=-30))), "new Date(1704164645678).toJSON()"),
    (datetime(99, 1, 1, tzinfo=UTC), '"0099-01-01T00:00:00.000Z"'),
    (Point(1), "({x: 1, when: null})"),
    (Point(2**60, NOON), '({x: 2**60, when: "2024-01-02T03:04:05.678Z"})'),
    (Renamed("ada"), '({kind: "person", firstName: "ada"})'),
    (Renamed("ada", ["cat"], 1), '({kind: "person", firstName: "ada", pets: ["cat"], maybe: 1})'),
    ([Renamed("\ud800")], r'[{kind: "person", firstName: "\ud800"}]'),
    (Row(1, "b"), '[1, "b"]'),
    ("null", '"null"'),
    ([None, "null", 1.5, Real(2.5), {1: None}], '[null, "null", 1.5, 2.5, {"1": null}]'),
]

# What JavaScript sends: the expression, given to JSON.stringify, and the value that a handler gets.
RECEIVED: list[tuple[str, Any]] = [
    ("null", None),
    ("[undefined, () => 1, NaN, Infinity, -Infinity]", [None, None, None, None, None]),
    ("({a: undefined, b: 1})", {"b": 1}),
    ("-0", 0),
    ("1e21", 1e21),
    ("2**53", 2**53),
    ("2**60", 1152921504606847000),  # the shortest digits that mean 2**60 in JavaScript
    ("2**65", float(2**65)),
    ("-(2**63)", float(-(2**63))),
    ("Number.MAX_VALUE", 1.7976931348623157e308),
    ("Number.MIN_VALUE", 5e-324),
    ("new Date(1704164645678)", "2024-01-02T03:04:05.678Z"),
    ("new Uint8Array([1, 2])", {"0": 1, "1": 2}),
    (r'"\ud800"', "\ud800"),
    (r'["\udc00", 36893488147419103232, 1.5, -7, 12345678901234567890, "é"]',
     ["\udc00", float(36893488147419103232), 1.5, -7, 12345678901234567000, "é"]),
    (r'({"\ud83d": "\ud83d\ude00"})', {"\ud83d": "😀"}),
    (r'"\u0000\b\u2028</script>"', "\0\b\u2028</script>"),
    ('({"": {"__proto__": null, toString: 1}})', {"": {"toString": 1}}),
    ("Array(128).fill().reduce((inner) => [inner], 0)", None),
]

# Texts on which both must agree, whether they are JSON at all.
TEXTS = [
    "", " ", "1 ", " 1", "\t\n\r1", "\x0b1", "\xa01", "\ufeff1", "01", "-01", "-", "+1", "1.", ".5",
    "1e", "1E5", "1e+5", "1e-999", "0x1", "1_0", "NaN", "Infinity", "-Infinity", "nul", "null", "nullx",
    "True", "[1,]", "[,1]", "[", "]", "[]]", "[][]", "[1 2]", "{", '{"a":1,}', '{"a":1,"a":2}', "{a:1}",
    "{'a':1}", '{"a"}', '{1:1}', '"', '"\x01"', '"\t"', '"\x7f"', '"\\x41"', '"\\u12"', '"\\ud800"',
    '"\\uD800\\uDC00"', '"\\udc00\\ud800"', '["\\ud800",]', '["\\ud800", NaN]', '["\\ud800", 01]',
    '"\\ud800', '"\\ud800\x01"', "'a'", "/**/1", "1//", '"\\/"', '"\\\'"', "[1,\n2]", "\u0661",
    "\u2028",
]  # fmt: skip

SCRIPT = """
const {sent, received, texts} = JSON.parse(require("fs").readFileSync(0, "utf8"));
const assert = require("assert");
const equal = (text, expression) => {
  try { assert.deepStrictEqual(JSON.parse(text), eval(`(${expression})`)); return null; }
  catch (error) { return String(error.message); }
};
const parses = (text) => { try { JSON.parse(text); return true; } catch { return false; } };
console.log(JSON.stringify({
  sent: sent.map(([text, expression]) => equal(text, expression)),
  received: received.map((expression) => JSON.stringify(eval(`(${expression})`))),
  texts: texts.map(parses),
}));
"""


@pytest.fixture(scope="module")
def node() -> dict[str, list[Any]]:
    table = {
        "sent": [(json.dumps(value).decode(), expression) for value, expression in SENT],
        "received": [expression for expression, _ in RECEIVED],
        "texts": TEXTS,
    }
    answer = subprocess.run(
        ["node", "-e", SCRIPT],
        input=standard.dumps(table).encode(),
        capture_output=True,
        check=True,
        timeout=60,
    )
    result: dict[str, list[Any]] = standard.loads(answer.stdout)
    return result


def test_javascript_reads_what_we_send(node: dict[str, list[Any]]) -> None:
    wrong = [(row, error) for row, error in zip(SENT, node["sent"], strict=True) if error]
    assert wrong == []


def test_we_read_what_javascript_sends(node: dict[str, list[Any]]) -> None:
    for (expression, expected), text in zip(RECEIVED, node["received"], strict=True):
        for form in (text, text.encode(), memoryview(text.encode())):
            value = json.loads(form)
            if expected is None and isinstance(value, list) and len(value) == 1:
                assert text.startswith("[" * 127), expression
            else:
                assert value == expected, expression
                assert type(value) is type(expected), expression


def test_what_javascript_sent_can_be_sent_back(node: dict[str, list[Any]]) -> None:
    for text in node["received"]:
        value = json.loads(text)
        assert json.loads(json.dumps(value)) == value


def test_both_agree_on_what_is_json(node: dict[str, list[Any]]) -> None:
    ours = [accepts(text) for text in TEXTS]
    assert ours == node["texts"]
    assert [accepts(text.encode()) for text in TEXTS] == ours


def accepts(text: str | bytes) -> bool:
    try:
        json.loads(text)
    except DecodeError:
        return False
    return True


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (["a", {"when": math.nan}], "$[1].when: NaN"),
        ([None, math.inf], "$[1]: infinity"),
        ([None, {"x": (1, Real(-math.inf))}], "$[1].x[1]: infinity"),
        ([2**53 + 1], "$[0]: the integer 0x20000000000001"),
        ([-(2**64) - 1], "$[0]: the integer -0x10000000000000001"),
        (10**400, "$: the integer 0x"),
        ({"a b": {1, 2}}, "$['a b']: an object of type set"),
        ({3: [frozenset()]}, "$[3][0]: an object of type frozenset"),
        ([datetime(2024, 1, 1)], "$[0]: a datetime without a timezone"),
        ([datetime.max.replace(tzinfo=timezone(timedelta(hours=-1)))], "$[0]: a datetime beyond"),
        ([NOON.date()], "$[0]: an object of type date"),
        ([NOON.time()], "$[0]: an object of type time"),
        ([Point(1, math.nan)], "$[0].when: NaN"),  # type: ignore[arg-type]  # the point of the case
        ([Point], "$[0]: an object of type type"),
        ([Renamed("x", [object()])], "$[0].pets[0]: an object of type object"),  # type: ignore[list-item]  # so
        ({1.5: 1}, "$[1.5]: a key of type float"),
        ({True: 1}, "$[True]: a key of type bool"),
        ({None: 1}, "$[None]: a key of type NoneType"),
        ({b"k": 1}, "$[b'k']: a key of type bytes"),
        ({2**53 + 1: 1}, "$[9007199254740993]: the integer"),
        ([b"x"], "$[0]: bytes"),
        ({"a": {"b": [1j]}}, "$.a.b[0]: an object of type complex"),
    ],
)  # fmt: skip
def test_what_cannot_be_sent_is_named_by_its_path(value: Any, message: str) -> None:
    with pytest.raises(EncodeError) as caught:
        json.dumps(value)
    assert str(caught.value).startswith(message)
    assert str(caught.value).endswith("cannot be sent")
    assert (caught.value.__cause__, caught.value.__context__) == (None, None), "said once"


def test_a_value_that_holds_itself_is_refused_with_a_short_message() -> None:
    loop: list[Any] = [None, math.pi]
    loop.append({"again": loop})
    with pytest.raises(EncodeError, match="nested more than 254 deep") as caught:
        json.dumps(loop)
    assert len(str(caught.value)) < 200


def test_depth_is_refused_also_where_the_stack_is_nearly_used_up() -> None:
    loop: list[Any] = []
    loop.append(loop)

    def descend(levels: int) -> None:
        if levels:
            return descend(levels - 1)
        with pytest.raises(EncodeError):
            json.dumps(loop)
        return None

    descend(700)


def test_bytes_of_every_kind_are_lifted_in_order_and_once() -> None:
    lifted: list[bytes] = []

    def lift(data: bytes) -> Any:
        lifted.append(data)
        return {"n": len(lifted)}

    value: Any = [b"a", {"b": bytearray(b"b")}, memoryview(b"c"), None]
    assert json.dumps(value, lift) == b'[{"n":1},{"b":{"n":2}},{"n":3},null]'
    assert lifted == [b"a", b"b", b"c"]
    lifted.clear()
    # A key that is an integer, met after bytes, sends the value the slow way: nothing may be lifted twice.
    assert json.dumps([b"a", {1: b"b"}, "\ud800", b"c"], lift) == b'[{"n":1},{"1":{"n":2}},"\\ud800",{"n":3}]'
    assert lifted == [b"a", b"b", b"c"]


def test_what_a_cached_property_left_in_a_dataclass_is_not_sent() -> None:
    @dataclasses.dataclass
    class Account:
        name: str

        @functools.cached_property
        def password(self) -> str:
            return "secret"

    account = Account("ada")
    assert account.password
    assert json.dumps([account, b""], lambda _: None) == b'[{"name":"ada"},null]'
    assert json.dumps({1: account}) == b'{"1":{"name":"ada"}}'


def test_nan_is_found_beside_bytes() -> None:
    with pytest.raises(EncodeError, match=r"^\$\[2\]: NaN"):
        json.dumps([b"\xcb\x7f\xf8", None, math.nan], lambda _: 0)
    assert json.dumps([b"\xcb\x7f\xf8", None], lambda _: 0) == b"[0,null]"


def test_numbers_that_a_double_cannot_hold_are_refused() -> None:
    for text in ("1e999", "-1e999", '["\\ud800",1e999]', "1" * 5000, '["\\ud800",' + "1" * 5000 + "]"):
        with pytest.raises(DecodeError):
            json.loads(text)


def test_depth_is_counted_outside_strings() -> None:
    brackets = "[{" * 500 + '\\"[[' + "\\\\"
    for text in (
        "[" * 128 + "]" * 128,
        '{"a":' * 128 + "1" + "}" * 128,
        standard.dumps([brackets] * 50),
        standard.dumps({brackets: [[brackets + '"', "]]", '"'], {}]}),
        "[" + ",".join(["[[]]"] * 1000) + "]",
        "[" + ",".join(['{"a":"]"}'] * 300) + "]",
    ):
        assert json.loads(text) == json.loads(text.encode()) == standard.loads(text)
        assert json.loads(memoryview(text.encode())) == standard.loads(text)
    for text in (
        "[" * 129 + "]" * 129,
        '{"a":' * 129 + "1" + "}" * 129,
        '["]]]]]]"' + ",[" * 128 + "]" * 129,
        '["\\"",' + "[" * 128 + "]" * 129,
        '["\\\\",' + "[" * 128 + "]" * 129,
        '["\\ud800",' + "[" * 128 + "]" * 129,
        "[" * 300 + "]" * 300,
        "[" * 5000 + "]" * 5000,
        "[" * 200_000,
    ):
        with pytest.raises(DecodeError):
            json.loads(text)
        with pytest.raises(DecodeError):
            json.loads(text.encode())


def test_the_depth_is_the_callers_to_choose() -> None:
    assert json.loads("[[1]]", 2) == [[1]]
    with pytest.raises(DecodeError, match="deep"):
        json.loads("[[[1]]]", 2)


def test_a_text_too_short_to_be_too_deep_is_not_measured_but_read() -> None:
    assert json.loads("[[[1]]]", 3) == [[[1]]]
    assert json.loads('{"a":{}}', 2) == {"a": {}}


def test_invalid_utf8_is_refused() -> None:
    for data in (b'"\xff"', b'"\xed\xa0\x80"', b'"\\ud800\xff"', b"\xff\xfe1\x00", b"1\x00"):
        with pytest.raises(DecodeError):
            json.loads(data)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 1_000_000,
        "[" * 500_000 + "]" * 500_000,
        "[]" * 500_000,
        '"' * 1_000_000,
        "\\" * 1_000_000,
        '[""' + ',""' * 330_000 + "]",
        "[" * 130 + "[]," * 330_000,
        "1" * 1_000_000,
        "[" + "{}," * 300_000 + "1]",
        '["\\ud800"' + ",[]" * 330_000 + "]",
    ],
    ids=range(10),
)
def test_a_megabyte_of_anything_takes_no_longer_than_a_megabyte_of_json(text: str) -> None:
    started = time.process_time()
    accepts(text)
    assert time.process_time() - started < 1.0  # measured: 0.2 at most; a quadratic way would take minutes
