"""Autobahn's cases (as `kosoku` brings them) against the WebSocket layer of the fast face, with an echo behind it.

Runs every case but, of the compression ones, those that send a thousand large messages, which take minutes: of the
eighteen sizes of each kind seven are run. With FLOCKET_ALL_CASES=1 all are, a quarter of an hour.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine
from typing import Any

import kosoku
import pytest
from tests.serving.echo import echo_process

LARGE = ["--max-payload", "20000000", "--fragments", "100000"]
ALL = bool(os.environ.get("FLOCKET_ALL_CASES"))
PATIENCE = 1_800.0 if ALL else 150.0  # seconds
SIZES = range(1, 19) if ALL else (1, 2, 4, 6, 8, 11, 12)  # of messages: 11 and 12 come in fragments

DATA = [f"12.{data}.{size}" for data in range(1, 6) for size in SIZES]
OFFERS = [f"13.{offer}.{size}" for offer in range(1, 8) for size in SIZES]


@pytest.mark.timeout(PATIENCE + 30)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # its cases leave files open
@pytest.mark.parametrize(
    ("cases", "number", "options"),
    [
        (["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "10.*"], 247, []),
        (["9.*"], 54, []),
        (DATA, len(DATA), ["--deflate"]),
        (OFFERS, len(OFFERS), ["--deflate"]),
    ],
    ids=["rules", "limits", "compressed data", "offers of compression"],
)
def test_no_case_fails(cases: list[str], number: int, options: list[str]) -> None:
    with echo_process(*LARGE, *options) as (port, _):
        results = asyncio.run(_run(f"ws://127.0.0.1:{port}/echo/", cases))
    assert len(results) == number
    assert [result.case_id for result in results if not result.passed] == []


async def _run(url: str, cases: list[str]) -> list[Any]:
    run: Coroutine[Any, Any, list[Any]] = kosoku.run_fuzzingclient(url, cases, concurrency=2)
    return await asyncio.wait_for(run, PATIENCE)
