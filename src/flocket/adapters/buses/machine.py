"""What the processes that meet in one folder have in common, and those of no other machine or container have.

Knows where a system says who it is; does not know what the name is for.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import uuid
from pathlib import Path

__all__ = ["machine_of"]

_BOOT = Path("/proc/sys/kernel/random/boot_id")  # random(4)


def machine_of(folder: Path, name: str) -> str:
    """24 hexadecimal digits for the processes of this machine that meet in `folder` under this name.

    The folder's path alone would not do: in two containers, of one machine or of two, it may be the same.
    """
    try:
        system = _BOOT.read_text().strip()
    except OSError:
        system = f"{socket.gethostname()} {uuid.getnode()}"
    found = (0, 0)
    with contextlib.suppress(OSError):  # others tidied up where it is
        status = os.stat(folder)
        found = (status.st_dev, status.st_ino)
    return hashlib.sha256(repr((system, str(folder), found, name)).encode()).hexdigest()[:24]
