"""examples/chat, started as its docstring says, with two of python-socketio's clients."""

from __future__ import annotations

import sys
import urllib.request

import socketio
from tests.support.programs import ROOT, Program, free_port, running


def connect(program: Program, name: str) -> socketio.SimpleClient:
    client = socketio.SimpleClient()
    client.connect(program.url, auth={"name": name}, wait_timeout=10)
    return client


def test_two_clients_talk() -> None:
    port = free_port()
    with running([sys.executable, "examples/chat/app.py"], port, PORT=str(port)) as program:
        page = urllib.request.urlopen(program.url, timeout=10).read()
        assert page == (ROOT / "examples/chat/index.html").read_bytes()
        ada, grace = connect(program, "ada"), connect(program, "grace")
        assert ada.receive(timeout=10) == ["came", "grace"]
        assert ada.call("chat message", "hi", timeout=10) == "told the others"
        assert grace.receive(timeout=10) == ["chat message", "ada", "hi"]
        grace.disconnect()
        assert ada.receive(timeout=10) == ["left", "grace"]
        ada.disconnect()
        assert program.end()[0] == 0
        assert "Traceback" not in program.printed()
