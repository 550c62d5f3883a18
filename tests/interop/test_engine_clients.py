"""EngineServer alone under npm's engine.io-client, 6.6 and 3.5, over each transport, by the checks of engine.js."""

from __future__ import annotations

import functools
from typing import Any

import pytest
from tests.support.node import check_names, run_lines
from tests.support.raw import http
from tests.support.servers import Pool

NAMES = [name for _, name in check_names("engine.js")]


@functools.cache
def results(url: str, version: str, transport: str) -> dict[str, Any]:
    return {line["name"]: line for line in run_lines("engine.js", url, version, transport)}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("transport", ["polling", "websocket", "upgrade"])
@pytest.mark.parametrize("version", ["6.6", "3.5"])
def test_engine_client(servers: Pool, version: str, transport: str, name: str) -> None:
    server = servers.start("engine_server", allow_eio3=True)
    found = results(server.url, version, transport)[name]
    assert found["ok"], found["detail"]


def test_its_path_is_its_own(servers: Pool) -> None:
    server = servers.start("engine_server", allow_eio3=True)
    assert http(server.port, "GET", "/engine.io/?EIO=4&transport=polling").text.startswith('0{"sid"')
    assert http(server.port, "GET", "/socket.io/?EIO=4&transport=polling").status == 404
