"""Connection state recovery where the client comes back to another worker than it left."""

from __future__ import annotations

import sys

import pytest
from tests.cluster.crowd import PYTHONPATH
from tests.cluster.tools import runtime_folder, wait_until
from tests.support.node import run_lines
from tests.support.programs import ROOT, free_port, running


@pytest.mark.parametrize("sticky", ["session", "none"])
def test_a_client_that_comes_back_to_any_worker_gets_all_that_it_missed_once_and_in_order(sticky: str) -> None:
    port = free_port()
    command = [sys.executable, str(ROOT / "tests/cluster/news_program.py"), str(port), "3", sticky]
    with (
        runtime_folder() as folder,
        running(command, port, PYTHONPATH=PYTHONPATH, FLOCKET_RUNTIME=str(folder)) as program,
    ):
        wait_until(lambda: program.printed().count("is ready") == 3, 20)
        (found,) = run_lines("comeback.js", f"http://127.0.0.1:{port}", "8", "5")
        assert found["wrong"] == []
        assert (found["recovered"], found["anew"]) == (40, 0)
        assert found["moved"] > 0
