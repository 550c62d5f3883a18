"""The server that the official clients talk to: `python -m tests.interop.server FACE PORT OPTIONS`.

Takes a face ("fast" or "asgi") and the Server's options as JSON; what it answers is in behaviour.py. Its twin in
JavaScript is tests/node/reference_server.js.
"""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

import uvicorn
from tests.interop.behaviour import namespaces, root

from flocket import ConnectError, Cookie, Limits, Request, Server

HOST = "127.0.0.1"


def refuse(request: Request) -> None:
    """A client asks by its query to be refused, and with which words."""
    words = request.query.get("refuse")
    if words:
        raise ConnectError(words)


def make(options: dict[str, Any]) -> Server:
    if "limits" in options:
        options["limits"] = Limits(**options["limits"])
    if "cookie" in options:
        options["cookie"] = Cookie(**options["cookie"])
    io: Server = Server(allow_request=refuse, **options)
    root(io)
    namespaces(io)
    return io


def main(face: str, port: int, options: dict[str, Any]) -> None:
    io = make(options)
    if face == "fast":
        io.run(HOST, port)
    else:
        # uvicorn's WebSocket class answers bad UTF-8 as it must, and logs a traceback of its own.
        logging.getLogger("uvicorn.error").addFilter(lambda record: "Invalid UTF-8" not in record.getMessage())
        uvicorn.run(io, host=HOST, port=port, log_level="warning", proxy_headers=False)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3]))
