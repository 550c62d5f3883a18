"""The tests' server as a module that any ASGI server can import: `uvicorn tests.interop.hosted:io`."""

from __future__ import annotations

from tests.interop.server import make

__all__ = ["io"]

io = make({"allow_eio3": True, "cleanup_empty_child_namespaces": True})
