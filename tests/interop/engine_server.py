"""Engine.IO alone, for tests/node/engine.js: `python -m tests.interop.engine_server FACE PORT OPTIONS`."""

from __future__ import annotations

import json
import sys
from typing import Any

import uvicorn

from flocket import EngineServer, Session

HOST = "127.0.0.1"


def make(options: dict[str, Any]) -> EngineServer:
    eio = EngineServer(**options)

    @eio.on("connection")
    def connection(session: Session) -> None:
        session.send("welcome")

    @eio.on("message")
    def message(session: Session, data: str | bytes) -> None:
        if data == "close me":
            session.close()
        elif data == "transport?":
            session.send(session.transport)
        elif data == "path?":
            session.send(session.request.path)
        else:
            session.send(data)

    return eio


def main(face: str, port: int, options: dict[str, Any]) -> None:
    eio = make(options)
    if face == "fast":
        eio.run(HOST, port)
    else:
        uvicorn.run(eio, host=HOST, port=port, log_level="warning")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3]))
