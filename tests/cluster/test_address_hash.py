from __future__ import annotations

import socket
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from flocket.cluster.address_hash import attach, in_kernel, slot_of


@contextmanager
def group(family: socket.AddressFamily, host: str, size: int) -> Iterator[list[socket.socket]]:
    with ExitStack() as stack:
        members: list[socket.socket] = []
        port = 0
        for _ in range(size):
            member = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
            member.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if family is socket.AF_INET6:
                member.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            member.bind((host, port))
            port = member.getsockname()[1]
            members.append(member)
        for member in members:
            member.listen(64)
            member.setblocking(False)
        attach(members[0], size)
        yield members


def who_gets(members: list[socket.socket], source: str) -> int:
    """Connect from `source`, and see which member has it."""
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    target = "::1" if ":" in source else "127.0.0.1"
    with socket.create_connection(
        (target, members[0].getsockname()[1]), timeout=5, source_address=(source, 0)
    ) as client:
        assert client.family == family
        for index, member in enumerate(members):
            try:
                accepted, _ = member.accept()
            except BlockingIOError:
                continue
            accepted.close()
            return index
    raise AssertionError("nobody has it")


ADDRESSES = [f"127.0.{n}.{(n * 37) % 250 + 1}" for n in range(40)] + [f"127.0.0.{n}" for n in range(1, 20)]


if sys.platform == "linux":

    def test_this_kernel_can_choose() -> None:
        assert in_kernel()

    @pytest.mark.parametrize("size", [1, 2, 3, 4, 7])
    def test_the_kernel_chooses_as_the_function_says(size: int) -> None:
        with group(socket.AF_INET, "127.0.0.1", size) as members:
            for address in ADDRESSES:
                assert who_gets(members, address) == slot_of(address, size)

    @pytest.mark.parametrize("size", [2, 3, 4, 5, 7, 8])
    def test_a_socket_for_both_versions_of_ip_chooses_so_for_both(size: int) -> None:
        with group(socket.AF_INET6, "::", size) as members:
            assert who_gets(members, "::1") == slot_of("::1", size)
            for address in ADDRESSES[:10]:
                assert who_gets(members, address) == slot_of(address, size) == slot_of(f"::ffff:{address}", size)

    def test_a_worker_that_is_replaced_keeps_its_addresses_and_the_others_theirs() -> None:
        with group(socket.AF_INET, "127.0.0.1", 4) as members:
            port = members[0].getsockname()[1]
            before = {address: who_gets(members, address) for address in ADDRESSES}
            worker = members[1].dup()
            worker.close()  # it dies; the supervisor's own copy lives
            mine = next(address for address, slot in before.items() if slot == 1)
            with socket.create_connection(("127.0.0.1", port), timeout=5, source_address=(mine, 0)):
                successor = members[1].dup()
                successor.accept()[0].close()  # who came meanwhile was not refused
                successor.close()
            assert {address: who_gets(members, address) for address in ADDRESSES} == before

else:

    def test_no_other_kernel_is_asked() -> None:
        assert not in_kernel()


def test_addresses_spread_evenly() -> None:
    for size in (2, 3, 4, 8):
        plain = Counter(slot_of(f"10.0.{n // 250}.{n % 250}", size) for n in range(4_000))
        assert set(plain) == set(range(size))
        assert max(plain.values()) < 1.25 * 4_000 / size
        long = Counter(slot_of(f"2001:db8:{n:x}::{n * 7 % 9973:x}", size) for n in range(4_000))
        assert max(long.values()) < 1.25 * 4_000 / size


def test_a_zone_does_not_count() -> None:
    assert slot_of("fe80::1%eth0", 5) == slot_of("fe80::1", 5)
