from __future__ import annotations

import os
import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flocket.engine.sid import make_sid, make_tag, tag_of

FORM = re.compile(r"[A-Za-z0-9_-]{20}", re.ASCII)


@given(st.binary(min_size=3, max_size=3), st.binary(min_size=12, max_size=12))
def test_a_sid_has_nodes_form_and_names_its_owner(tag_bytes: bytes, sid_bytes: bytes) -> None:
    tag = make_tag(lambda n: tag_bytes[:n])
    sid = make_sid(tag, lambda n: sid_bytes[:n])
    assert FORM.fullmatch(sid)
    assert tag_of(sid) == tag == sid[:4]


def test_a_sid_takes_96_random_bits_and_all_of_them_show() -> None:
    asked: list[int] = []

    def random(n: int) -> bytes:
        asked.append(n)
        return bytes(n)

    make_sid("tag0", random)
    assert sum(asked) * 8 == 96
    seen = {make_sid("tag0", lambda n, bit=bit: (1 << bit).to_bytes(n, "big")) for bit in range(96)}  # type: ignore[misc]  # a default binds the loop's variable
    assert len(seen) == 96


def test_a_hundred_thousand_sids_differ_and_have_no_sequence() -> None:
    sids = [make_sid("AAAA", os.urandom) for _ in range(100_000)]
    assert len(set(sids)) == len(sids)
    rising = sum(a < b for a, b in pairwise(sids))
    assert 48_000 < rising < 52_000  # of random neighbours half rise; 2,000 is more than twenty deviations


@pytest.mark.parametrize(
    "text",
    ["", "a" * 19, "a" * 21, "a" * 19 + "é", "a" * 19 + "٣", "a" * 19 + "+", "a" * 19 + "\n", "__proto__"],
)
def test_what_is_no_sid_has_no_owner(text: str) -> None:
    assert tag_of(text) is None


@given(st.text())
def test_any_text_may_be_asked_for_its_owner(text: str) -> None:
    assert (tag_of(text) is not None) == bool(FORM.fullmatch(text))


@pytest.mark.parametrize("tag", ["", "abc", "abcde", "ab+d", "abcé"])
def test_a_sid_is_not_made_with_a_wrong_tag(tag: str) -> None:
    with pytest.raises(ValueError, match="a tag is 4 characters"):
        make_sid(tag, os.urandom)
