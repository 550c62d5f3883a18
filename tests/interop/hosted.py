"""The tests' server as a module that any host can import: `uvicorn tests.interop.hosted:io`, and its like.

Its options come as JSON in FLOCKET_TEST_OPTIONS; what it answers is in behaviour.py.
"""

from __future__ import annotations

import json
import os

from tests.interop.server import make

__all__ = ["io"]

io = make(json.loads(os.environ.get("FLOCKET_TEST_OPTIONS", "{}")))
