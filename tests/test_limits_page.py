"""docs/limits.md names every limit, with its default."""

from __future__ import annotations

import inspect
import re
from dataclasses import fields
from pathlib import Path

from flocket import Limits, Recovery, Server

PAGE = (Path(__file__).parent.parent / "docs" / "limits.md").read_text()


def rows() -> dict[str, str]:
    return dict(re.findall(r"^\| (`\w+`.*?) \| (.*?) \|", PAGE, re.MULTILINE))


def number(value: float) -> str:
    return f"{value:,.0f}"


def test_every_limit_is_on_the_page_with_its_default() -> None:
    table = rows()
    for field in fields(Limits):
        assert number(getattr(Limits(), field.name)) in table[f"`{field.name}`"].split()[0], field.name


def test_so_are_the_options_that_are_limits_too() -> None:
    options = inspect.signature(Server).parameters
    for names, text in rows().items():
        for name, words in zip(re.findall(r"`(\w+)`", names), text.split(" + "), strict=True):
            if name in options:
                assert words.split()[0] == number(options[name].default)


def test_so_is_what_recovery_keeps() -> None:
    known = Recovery()
    assert f"window={known.window}, packets={known.packets:_}, bytes={known.bytes:_}" in PAGE
