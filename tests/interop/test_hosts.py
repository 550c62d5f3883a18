"""Other ways to serve the same module: uvicorn with our HTTP protocol, and an ASGI server that is not uvicorn.

The official clients upgrade and do all that they do elsewhere.
"""

from __future__ import annotations

import sys

import pytest
from tests.support.node import run_lines
from tests.support.servers import free_port, launch

MODULE = "tests.interop.hosted:io"


def commands(port: int) -> dict[str, list[str]]:
    uvicorn = [sys.executable, "-m", "uvicorn", MODULE, "--port", str(port), "--log-level", "warning"]
    return {
        "uvicorn with HttpProtocol": [*uvicorn, "--http", "flocket:HttpProtocol"],
        "uvicorn with h11 and wsproto": [*uvicorn, "--http", "h11", "--ws", "wsproto"],
        "hypercorn": [sys.executable, "-m", "hypercorn", MODULE, "--bind", f"127.0.0.1:{port}"],
    }


@pytest.mark.parametrize(
    ("host", "version"),
    [
        ("uvicorn with HttpProtocol", "4.8"),
        ("uvicorn with h11 and wsproto", "2.5"),
        ("hypercorn", "4.8"),
    ],
)
def test_the_official_client_cannot_tell(host: str, version: str) -> None:
    port = free_port()
    hosted = launch(host, commands(port)[host], port)
    try:
        lines = run_lines("run.js", hosted.url, version, "upgrade", "json", timeout=120)
    finally:
        hosted.stop()
    assert len(lines) > 60
    assert [line for line in lines if not line["ok"]] == []
