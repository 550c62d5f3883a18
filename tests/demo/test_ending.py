"""The demo ends when it is told to, whoever is connected: within two seconds, with status 0; the clients are told."""

from __future__ import annotations

import json
import signal
import threading
import urllib.error
import urllib.request

import pytest
from tests.support.programs import Program, flocket, free_port, running
from websockets.sync.client import connect

CONNECT = '40{"name":"ada"}'


class Poller(threading.Thread):
    """A client that polls for as long as it is answered."""

    def __init__(self, program: Program) -> None:
        super().__init__()
        self.address = f"{program.url}/socket.io/?EIO=4&transport=polling"
        self.address += "&sid=" + json.loads(self.ask()[1:])["sid"]
        self.ask(CONNECT)
        self.answers = [""]
        self.announced = threading.Event()

    def ask(self, body: str | None = None) -> str:
        data = None if body is None else body.encode()
        with urllib.request.urlopen(self.address, data, timeout=30) as answer:
            return str(answer.read().decode())

    def run(self) -> None:
        try:
            while not self.answers[-1].endswith("1"):  # the close packet
                self.answers.append(self.ask())
                if '["people"' in self.answers[-1]:
                    self.announced.set()
        except (OSError, urllib.error.URLError):
            self.answers.append("refused")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("workers", [1, 4])
def test_clients_and_pending_polls_do_not_keep_it(number: signal.Signals, workers: int) -> None:
    port = free_port()
    with (
        running(flocket("demo", "--port", str(port), "--workers", str(workers)), port) as program,
        connect(f"ws://127.0.0.1:{port}/socket.io/?EIO=4&transport=websocket") as client,
    ):
        client.send(CONNECT)
        poller = Poller(program)
        poller.start()
        assert poller.announced.wait(10)  # what follows now is silence, and a poll that waits
        status, seconds = program.end(number)
        assert (status, seconds < 2) == (0, True), program.printed()
        poller.join(10)
        assert poller.answers[-1] in ("1", "refused")
        list(client)  # ends by itself, and raises unless the connection was closed in good order
        assert "Traceback" not in program.printed()
