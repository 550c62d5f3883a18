"""The chat in a real Chromium through each load balancer, in front of several nodes, as `flocket config` sets it up."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from tests.demo.test_chat_page import use
from tests.support.balancers import INSTALLED, balancing
from tests.support.programs import flocket, free_port, running


@pytest.mark.parametrize(("name", "sticky"), [pair for pair in INSTALLED if pair[1] != "none"])
def test_a_page_connects_and_upgrades_through(name: str, sticky: str, tmp_path: Path) -> None:
    ports = [free_port() for _ in range(3)]
    with contextlib.ExitStack() as stack:
        nodes = [stack.enter_context(running(flocket("demo", "--port", str(port)), port)) for port in ports]
        front = stack.enter_context(balancing(name, sticky, [f"127.0.0.1:{port}" for port in ports], tmp_path))
        seen = use(front, "alone", tmp_path)
        assert seen["said"] == ["is anybody there?"]
        assert "upgraded to websocket" in seen["story"]
        assert [node.end()[0] for node in nodes] == [0, 0, 0]
