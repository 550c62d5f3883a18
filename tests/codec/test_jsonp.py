from __future__ import annotations

import json
import subprocess
import time
from urllib.parse import quote, quote_plus, urlencode

import pytest

from flocket.codec import jsonp
from flocket.codec.errors import DecodeError

BODIES = ["", "4x", '4"\\\n\r\0']
BODIES += ["4</script><script>alert(1)</script>", "4<!--<script>", "4\u2028\u2029é😀", "4-->"]

SCRIPT = """
const scripts = JSON.parse(require("fs").readFileSync(0, "utf8"));
const read = [];
globalThis.___eio = {7: (body) => read.push(body)};
scripts.forEach((script) => eval(script));
console.log(JSON.stringify(read));
"""


def test_javascript_gets_the_body_back_from_the_script() -> None:
    scripts = [jsonp.wrap(body, "7").decode() for body in BODIES]
    answer = subprocess.run(
        ["node", "-e", SCRIPT],
        input=json.dumps(scripts).encode(),
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert json.loads(answer.stdout) == BODIES


def test_no_message_breaks_out_of_its_script() -> None:
    for body in BODIES:
        script = jsonp.wrap(body.encode(), "0")
        assert script.startswith(b'___eio[0]("')
        assert script.endswith(b'");')
        assert b"<" not in script
        assert b"\n" not in script
        assert "\u2028" not in script.decode()
        assert "\u2029" not in script.decode()


@pytest.mark.parametrize(("index", "kept"), [("12", b"12"), ("1];alert(1)//", b"11"), ("", b""), ("٣", b"")])
def test_the_index_keeps_its_digits_only(index: str, kept: bytes) -> None:
    assert jsonp.wrap("6", index) == b'___eio[%b]("6");' % kept


def posted(body: str) -> str:
    """What the 2.x client puts into its form, where a backslash before a line feed is as good as `\\n`."""
    return body.replace("\\n", "\\\n").replace("\n", "\\n")


@pytest.mark.parametrize(
    "body",
    ["4x", "2:4\n", "4\\n", "4\n\n", "4\\\\n", "4a\\nb\nc", "4+ &=%é😀\x1e", "4\\", "4\\x"],
)  # fmt: skip
def test_a_body_comes_back_out_of_the_form(body: str) -> None:
    assert jsonp.unwrap(urlencode({"d": posted(body)}).encode()) == body.encode()
    assert jsonp.unwrap(b"d=" + quote(posted(body)).encode()) == body.encode()
    assert jsonp.unwrap(b"x=1&d=" + quote_plus(posted(body)).encode() + b"&y=") == body.encode()


@pytest.mark.parametrize("form", [b"", b"d", b"x=4", b"d=4&d=4", b"dd=4", b"D=4", b"&" * 100 + b"d=4"])
def test_a_form_without_exactly_one_d_is_refused(form: bytes) -> None:
    with pytest.raises(DecodeError):
        jsonp.unwrap(form)


@pytest.mark.parametrize(
    ("form", "body"),
    [
        (rb"\n", b"\n"),
        (rb"\\n", rb"\n"),
        (rb"\\\n", rb"\\n"),
        (rb"\\\\n", rb"\\\n"),
        (rb"\n\\n\n", b"\n\\n\n"),
        (rb"\\", rb"\\"),
    ],
)
def test_line_feeds_are_unescaped_as_the_reference_does(form: bytes, body: bytes) -> None:
    assert jsonp.unwrap(b"d=" + form) == body


def test_broken_percent_signs_stay_as_they_are() -> None:
    assert jsonp.unwrap(b"d=4%zz%4") == b"4%zz%4"


def test_a_megabyte_of_percent_signs_or_ampersands_is_read_in_linear_time() -> None:
    started = time.process_time()
    jsonp.unwrap(b"d=" + b"%41" * 333_000)
    jsonp.unwrap(b"d=" + b"\\n" * 500_000)
    with pytest.raises(DecodeError):
        jsonp.unwrap(b"&" * 1_000_000)
    jsonp.unwrap(b"d=" + b"\\\\n" * 333_000)
    assert time.process_time() - started < 2.0  # measured: 0.3
