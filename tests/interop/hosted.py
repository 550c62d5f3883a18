"""The tests' server as a module that any ASGI server can import: `uvicorn tests.interop.hosted:io`.

FLOCKET_TEST_OPTIONS may give it other options, as JSON.
"""

from __future__ import annotations

import json
import os

from tests.interop.server import make

__all__ = ["io"]

DEFAULT = '{"allow_eio3": true, "cleanup_empty_child_namespaces": true}'

io = make(json.loads(os.environ.get("FLOCKET_TEST_OPTIONS", DEFAULT)))
