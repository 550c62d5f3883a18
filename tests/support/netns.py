"""Machines of a test: network namespaces, joined to a first one by a cable each, all removed at the end.

Linux, and root, as only it may make them: without it, the tests that need machines fail and say so.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import subprocess
from collections.abc import Iterator

__all__ = ["inside", "ip", "machines"]

CLONE_NEWNET = 0x4000_0000  # linux/sched.h
FIRST = "10.77.{}.1"  # a private network for each cable, which nothing outside can see
OTHER = "10.77.{}.2"


def ip(*words: str) -> None:
    """One command of iproute2."""
    program = shutil.which("ip", path="/sbin:/usr/sbin:/bin:/usr/bin")
    assert program, "this test makes network namespaces: it needs Linux and iproute2"
    done = subprocess.run([program, *words], capture_output=True, text=True, timeout=10, check=False)
    why = done.stderr.strip()
    assert done.returncode == 0, f"this test makes network namespaces, as root (`ip {' '.join(words)}`: {why})"


@contextlib.contextmanager
def machines(count: int) -> Iterator[tuple[str, list[tuple[str, str, str]]]]:
    """The first machine, and `count` others: (name, its address, the first one's address as it sees it)."""
    first = f"fl{os.getpid()}"
    others = [f"{first}-{number}" for number in range(count)]
    with contextlib.ExitStack() as stack:
        for name in (first, *others):
            ip("netns", "add", name)
            stack.callback(ip, "netns", "del", name)  # its end of a cable goes with it, and so the other
            ip("-n", name, "link", "set", "lo", "up")
        for number, name in enumerate(others):
            cable = f"{first}v{number}"
            ip("-n", first, "link", "add", cable, "type", "veth", "peer", "name", "up0", "netns", name)
            for namespace, end, address in ((first, cable, FIRST), (name, "up0", OTHER)):
                ip("-n", namespace, "addr", "add", f"{address.format(number)}/24", "dev", end)
                ip("-n", namespace, "link", "set", end, "up")
        yield first, [(name, OTHER.format(n), FIRST.format(n)) for n, name in enumerate(others)]


@contextlib.contextmanager
def inside(name: str) -> Iterator[None]:
    """This thread's sockets, and the processes that it starts, are on that machine meanwhile."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/thread-self/ns/net", "rb") as home, open(f"/run/netns/{name}", "rb") as there:
        _enter(libc, there.fileno())
        try:
            yield
        finally:
            _enter(libc, home.fileno())


def _enter(libc: ctypes.CDLL, namespace: int) -> None:
    if libc.setns(namespace, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")
