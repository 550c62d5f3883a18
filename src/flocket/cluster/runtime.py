"""Where the workers of one service find each other, and who each of them is.

Knows folders, environment variables and process ids; does not know what siblings say to each other.

Siblings meet in a folder of mode 0700 whose name is made from what only they have in common: the name of a
cluster, the token that their supervisor drew, or, below a parent that is not ours (uvicorn --workers,
gunicorn), that parent's pid and start together with the socket that they all inherited from it. The last
matters: in two containers that share /tmp, both parents have pid 1.
"""

from __future__ import annotations

import hashlib
import os
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import NamedTuple

from flocket.adapters.bus import NodeIdentity
from flocket.engine.sid import make_tag
from flocket.errors import ConfigError

__all__ = [
    "ALL_END",
    "Inherited",
    "clean",
    "environment",
    "inherited",
    "is_worker",
    "make_identity",
    "meeting_key",
    "meeting_place",
]

ALL_END = b"all end"  # said to a worker on its lifeline before it is told to end: no sibling will accept in its place
_PATH_LIMIT = 90  # of the 104 bytes that macOS allows in a unix socket's path, less "/.tag0" and some
_ABANDONED = 60.0  # seconds after which an empty folder is nobody's who is about to begin


class Inherited(NamedTuple):
    """What a worker was given by its supervisor."""

    worker: int  # 0 to workers - 1
    workers: int
    token: str  # drawn by the supervisor: its workers have it in common with nobody else
    slots: int  # above 0: addresses are to be hashed by passing, over so many workers
    listening: list[socket.socket]
    lifeline: socket.socket  # EOF: the supervisor is gone; "ready" is written to it


def environment(
    worker: int, workers: int, token: str, slots: int, fds: list[int], lifeline: int
) -> dict[str, str]:
    """The variables that tell a worker what it inherits."""
    return {
        "FLOCKET_WORKER": str(worker),
        "FLOCKET_WORKERS": str(workers),
        "FLOCKET_SUPERVISOR": str(os.getpid()),
        "FLOCKET_TOKEN": token,
        "FLOCKET_SLOTS": str(slots),
        "FLOCKET_LISTEN": ",".join(map(str, fds)),
        "FLOCKET_LIFELINE": str(lifeline),
    }


def is_worker(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether a supervisor started this very process, and nobody has taken what it left."""
    return environ.get("FLOCKET_SUPERVISOR") == str(os.getppid())


def inherited(environ: MutableMapping[str, str] = os.environ) -> Inherited | None:
    """Take what the supervisor left; None if there is none.

    The variables are removed: they are for us alone, not for the programs that a handler starts.
    """
    if not is_worker(environ):
        return None
    del environ["FLOCKET_SUPERVISOR"]
    fds = [int(fd) for fd in environ.pop("FLOCKET_LISTEN").split(",") if fd]
    lifeline = int(environ.pop("FLOCKET_LIFELINE"))
    for fd in [*fds, lifeline]:
        os.set_inheritable(fd, False)
    return Inherited(
        int(environ.pop("FLOCKET_WORKER")),
        int(environ.pop("FLOCKET_WORKERS")),
        environ.pop("FLOCKET_TOKEN"),
        int(environ.pop("FLOCKET_SLOTS")),
        [socket.socket(fileno=fd) for fd in fds],
        socket.socket(fileno=lifeline),
    )


def meeting_key(cluster: str | None, token: str | None) -> str | None:
    """What this process has in common with its siblings, and with nobody else; None: it has no siblings."""
    if cluster is not None:
        return f"cluster {cluster}"
    if token is not None:
        return f"token {token}"
    inode = _bound_inode()
    if inode is None:
        return None  # whoever serves with several processes binds the port before it starts them
    parent = os.getppid()
    return f"parent {parent} {_started(parent)} {inode}"


def meeting_place(key: str, environ: Mapping[str, str] = os.environ) -> Path:
    """Make the folder for this key, if need be. Raises ConfigError if it could be somebody else's."""
    base = environ.get("FLOCKET_RUNTIME")
    if base is None:
        base = environ.get("XDG_RUNTIME_DIR", tempfile.gettempdir()) + f"/flocket-{os.getuid()}"
    folder = Path(base) / hashlib.sha256(key.encode()).hexdigest()[:12]
    if len(os.fsencode(folder)) > _PATH_LIMIT:
        raise ConfigError(f"FLOCKET_RUNTIME={base}: too long for the path of a unix socket; choose another")
    for path in (Path(base), folder):
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            found = path.lstat()
        except OSError as error:
            raise ConfigError(f"cannot make {path}: {error.strerror}; set FLOCKET_RUNTIME") from error
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
            raise ConfigError(f"{path} is not ours: remove it, or set FLOCKET_RUNTIME to another folder")
        if stat.S_IMODE(found.st_mode) != 0o700 and path == folder:
            path.chmod(0o700)
    return folder


def make_identity(folder: Path) -> NodeIdentity:
    """Draw who this process is: at start, after any fork, or two would answer for each other's sessions."""
    taken = set(os.listdir(folder))
    tag = make_tag(os.urandom)
    while tag in taken:
        tag = make_tag(os.urandom)
    return NodeIdentity(os.urandom(8).hex(), tag, time.time_ns() // 1_000_000)


def clean(folder: Path) -> None:
    """Remove the folders beside `folder` in which nobody is alive."""
    for other in folder.parent.iterdir():
        try:
            if other == folder or time.time() - other.stat().st_mtime < _ABANDONED:
                continue
            for entry in other.iterdir():
                if not _answers(entry):
                    entry.unlink()
            other.rmdir()
        except OSError:
            continue  # somebody is there; or somebody else has removed it


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.setblocking(False)
        try:
            sock.connect(str(path))
        except ConnectionRefusedError:
            return False
        except OSError:
            return True  # so busy that it cannot even queue us
        return True


def _started(pid: int) -> str:
    """When a process began, in whatever form: it tells it from an earlier one with this pid."""
    if sys.platform == "linux":
        try:
            text = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            return ""  # a parent outside of our container
        return text.rpartition(")")[2].split()[19]  # proc(5): field 22, counted behind the name
    ask = ["ps", "-o", "lstart=", "-p", str(pid)]
    found = subprocess.run(ask, capture_output=True, text=True, check=False)
    return found.stdout.strip()


def _bound_inode() -> int | None:
    """The inode of the lowest TCP socket that is bound and not connected: the one that the parent made."""
    for name in sorted(os.listdir("/dev/fd"), key=int):
        try:
            found = os.fstat(int(name))
            if not stat.S_ISSOCK(found.st_mode):
                continue
            with socket.socket(fileno=os.dup(int(name))) as sock:
                if sock.family in (socket.AF_INET, socket.AF_INET6) and sock.type == socket.SOCK_STREAM:
                    bound = sock.getsockname()[1] != 0
                    try:
                        sock.getpeername()
                    except OSError:
                        if bound:
                            return found.st_ino
        except OSError:
            continue  # a descriptor that went while we looked
    return None
