from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.cluster.tools import runtime_folder

from flocket.cluster.runtime import (
    clean,
    environment,
    inherited,
    make_identity,
    meeting_key,
    meeting_place,
)
from flocket.errors import ConfigError


def place(base: Path, key: str) -> Path:
    return meeting_place(key, {"FLOCKET_RUNTIME": str(base)})


def test_the_folder_is_ours_alone() -> None:
    with runtime_folder() as base:
        folder = place(base / "deep", "x")
        assert folder.stat().st_mode & 0o777 == 0o700
        assert (base / "deep").stat().st_mode & 0o777 == 0o700
        assert place(base / "deep", "x") == folder
        assert place(base / "deep", "y") != folder
        folder.chmod(0o755)
        place(base / "deep", "x")
        assert folder.stat().st_mode & 0o777 == 0o700


def test_a_folder_that_could_be_anothers_is_refused() -> None:
    with runtime_folder() as base:
        (base / "elsewhere").mkdir()
        (base / "link").symlink_to(base / "elsewhere")
        with pytest.raises(ConfigError, match="is not ours"):
            place(base / "link", "x")
        (base / "file").touch()
        with pytest.raises(ConfigError, match="cannot make"):
            place(base / "file", "x")
        with pytest.raises(ConfigError, match="too long"):
            place(base / ("x" * 80), "x")


def test_without_a_setting_it_is_a_folder_of_this_user() -> None:
    with runtime_folder() as base:
        folder = meeting_place("x", {"XDG_RUNTIME_DIR": str(base)})
        assert folder.parent == base / f"flocket-{os.getuid()}"


def test_a_name_joins_whoever_has_it_and_a_token_its_own_workers() -> None:
    assert meeting_key("chat", "token") == meeting_key("chat", None) != meeting_key("other", None)
    assert meeting_key(None, "a") == meeting_key(None, "a") != meeting_key(None, "b")


SIBLING = """
import os, socket, sys
from flocket.cluster.runtime import meeting_key
sockets = [socket.socket(fileno=int(fd)) for fd in sys.argv[1:]]
print(meeting_key(None, None))
"""


def keys_of_children(*fds: list[int]) -> list[str]:
    """What children of this process, which inherit these descriptors, have for a key."""
    return [
        subprocess.run(
            [sys.executable, "-c", SIBLING, *map(str, inherits)],
            pass_fds=inherits,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for inherits in fds
    ]


def test_children_of_one_parent_with_one_socket_are_siblings_and_with_another_they_are_not() -> None:
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        first, second, stranger, alone = keys_of_children([one.fileno()], [one.fileno()], [other.fileno()], [])
        assert first == second != stranger
        assert alone == "None\n"


def test_an_identity_is_new_each_time_and_its_tag_is_free() -> None:
    with runtime_folder() as folder:
        made = [make_identity(folder) for _ in range(50)]
        assert len({node.uid for node in made}) == 50
        assert all(len(node.tag) == 4 and abs(node.epoch / 1000 - time.time()) < 60 for node in made)


def test_folders_in_which_nobody_lives_are_removed_and_others_stay() -> None:
    with runtime_folder() as base:
        mine, dead, alive, fresh = (place(base, key) for key in ("mine", "dead", "alive", "fresh"))
        listening = []
        for folder in (dead, alive):
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            sock.bind(str(folder / "tag0"))
            sock.listen()
            listening.append(sock)
        listening[0].close()
        for folder in (dead, alive):
            os.utime(folder, (1, 1))
        clean(mine)
        assert sorted(base.iterdir()) == sorted([mine, alive, fresh])
        listening[1].close()


def test_a_worker_takes_what_it_inherits_and_leaves_nothing_for_its_own_children() -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    ours, theirs = socket.socketpair()
    fds = [listening.detach(), theirs.detach()]
    environ = {"HOME": "/", **environment(2, 4, "secret", 0, fds[:1], fds[1])}
    assert inherited(dict(environ)) is None  # this process is the supervisor: it was not started by itself
    environ["FLOCKET_SUPERVISOR"] = str(os.getppid())
    given = inherited(environ)
    assert given is not None
    assert (given.worker, given.workers, given.token, given.slots) == (2, 4, "secret", 0)
    assert [sock.fileno() for sock in given.listening] == fds[:1]
    given.lifeline.send(b"ready")
    assert ours.recv(10) == b"ready"
    assert environ == {"HOME": "/"}
    assert inherited(environ) is None
    for sock in (*given.listening, given.lifeline, ours):
        assert not sock.get_inheritable()
        sock.close()
