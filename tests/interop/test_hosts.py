"""Other ways to serve the same module: uvicorn with our HTTP protocol, and an ASGI server that is not uvicorn.

The official clients upgrade and do all that they do elsewhere.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from tests.support.node import run_lines
from tests.support.servers import Running, free_port, launch

MODULE = "tests.interop.hosted:io"


def commands(port: int) -> dict[str, list[str]]:
    uvicorn = [sys.executable, "-m", "uvicorn", MODULE, "--port", str(port), "--log-level", "warning"]
    return {
        "uvicorn with HttpProtocol": [*uvicorn, "--http", "flocket:HttpProtocol"],
        "uvicorn with h11 and wsproto": [*uvicorn, "--http", "h11", "--ws", "wsproto"],
        "hypercorn": [sys.executable, "-m", "hypercorn", MODULE, "--bind", f"127.0.0.1:{port}"],
    }


@pytest.fixture(scope="module", params=list(commands(0)))
def hosted(request: pytest.FixtureRequest) -> Iterator[Running]:
    port = free_port()
    running = launch(request.param, commands(port)[request.param], port)
    yield running
    running.stop()


@pytest.mark.parametrize("version", ["4.8", "2.5"])
def test_the_official_client_cannot_tell(hosted: Running, version: str) -> None:
    lines = run_lines("run.js", hosted.url, version, "upgrade", "json", timeout=120)
    assert len(lines) > 60
    assert [line for line in lines if not line["ok"]] == []
