"""Autobahn's cases (as `kosoku` brings them) against the WebSocket layer of the fast face, with an echo behind it.

Runs every case but most of the compression ones, each of which sends a thousand messages: of those, one small, one
middle and one fragmented for each kind of data and each kind of offer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import kosoku
import pytest
from tests.serving.echo import echo_process

LARGE = ["--max-payload", "20000000", "--fragments", "100000"]
PATIENCE = 90.0  # seconds

COMPRESSION = [f"12.{data}.{size}" for data in range(1, 6) for size in (1, 4, 11)]
OFFERS = [f"13.{offer}.{size}" for offer in range(1, 8) for size in (1, 4, 11)]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # its cases leave files open
@pytest.mark.parametrize(
    ("cases", "number", "options"),
    [
        (["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "10.*"], 247, []),
        (["9.*"], 54, []),
        ([*COMPRESSION, *OFFERS], 36, ["--deflate"]),
    ],
    ids=["rules", "limits", "compression"],
)
def test_no_case_fails(cases: list[str], number: int, options: list[str]) -> None:
    with echo_process(*LARGE, *options) as (port, _):
        results = asyncio.run(_run(f"ws://127.0.0.1:{port}/echo/", cases))
    assert len(results) == number
    assert [result.case_id for result in results if not result.passed] == []


async def _run(url: str, cases: list[str]) -> list[Any]:
    run: Coroutine[Any, Any, list[Any]] = kosoku.run_fuzzingclient(url, cases, concurrency=2)
    return await asyncio.wait_for(run, PATIENCE)
