"""Which worker of its supervisor this process is. Knows one environment variable."""

from __future__ import annotations

import os
from functools import cache

__all__ = ["worker_number"]


@cache
def worker_number() -> int:
    """0 to N-1; 0 without a supervisor. Asked while the program is imported, before the variable is taken away."""
    return int(os.environ.get("FLOCKET_WORKER", "0").partition("/")[0])
