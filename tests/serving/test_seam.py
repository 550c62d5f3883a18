"""Where uvicorn is not what the fast face knows: hosting serves by the portable face, uvicorn itself says why not."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from contextlib import suppress

import pytest
from tests.serving.peer import Peer, head
from tests.support.programs import ROOT
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from flocket import Server
from flocket.cluster.ports import bind
from flocket.serving import seam
from flocket.serving.hosting import Serving
from flocket.serving.seam import check_seam


def test_the_seam_holds_and_a_change_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert check_seam() is None
    monkeypatch.delattr(HttpToolsProtocol, "on_response_complete")
    assert check_seam() == "uvicorn's HttpToolsProtocol has no on_response_complete()"


def test_an_attribute_that_is_gone_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seam, "OF_A_CYCLE", ("response_complete", "renamed"))
    assert check_seam() == "uvicorn's RequestResponseCycle has no attribute renamed"


def test_hosting_serves_by_the_portable_face_and_warns_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(seam, "METHODS", ("renamed",))

    async def main() -> tuple[int, int]:
        io: Server = Server()
        listening = bind("127.0.0.1", 0)
        serving = asyncio.create_task(Serving(io, drain=0.1).serve_here(listening))
        peer = await Peer.connect(listening[0].getsockname()[1])
        peer.send(head("/socket.io/?EIO=4&transport=polling"))
        answered = (await peer.answer()).status
        peer.send(head("/socket.io/?EIO=4&transport=polling", f"X: {'y' * 17_000}"))
        large = (await peer.answer()).status
        peer.close()
        serving.cancel()
        with suppress(asyncio.CancelledError):
            await serving
        return answered, large

    assert asyncio.run(main()) == (200, 200), "the fast face would refuse so large a head"
    warned = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert warned == [
        "serving by the portable face, which is slower: uvicorn's HttpToolsProtocol has no renamed()"
    ]


def test_uvicorn_with_our_protocol_says_why_it_does_not_start() -> None:
    program = (
        "import uvicorn; from flocket.serving import seam; seam.METHODS = ('renamed',); "
        "uvicorn.run('tests.serving.echo:EchoApp', factory=True, port=0, http='flocket:HttpProtocol')"
    )
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=20,
                           env={"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"})  # fmt: skip
    assert ended.returncode != 0
    assert ended.stderr.splitlines()[-1] == (
        "flocket.errors.ConfigError: flocket:HttpProtocol does not fit what is installed: "
        "uvicorn's HttpToolsProtocol has no renamed(); leave --http out"
    )
