"""Connection state recovery on one node, by the official client: each check of tests/node/checks_recovery.js."""

from __future__ import annotations

import pytest
from tests.support.node import run_lines
from tests.support.servers import Pool


@pytest.mark.ours  # Node recovers about seven of ten
@pytest.mark.parametrize(
    ("transport", "parser"),
    [("websocket", "json"), ("websocket", "msgpack"), ("polling", "json"), ("upgrade", "json")],
)
def test_clients_come_back_with_all_that_they_missed(servers: Pool, transport: str, parser: str) -> None:
    server = servers.start("recovery_server", parser=parser, recovery={"window": 2.0})
    lines = run_lines("recovery.js", server.url, transport, parser, timeout=150)
    assert len(lines) >= 14
    assert [line for line in lines if not line["ok"]] == []
