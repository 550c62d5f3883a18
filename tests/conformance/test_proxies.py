"""Whose address a client has: its connection's, or what a proxy says that is trusted, and no one else."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.peer import Peer
from tests.support.servers import Pool

pytestmark = pytest.mark.ours


def facts(servers: Pool, headers: dict[str, str], **options: Any) -> tuple[str, bool]:
    with Peer(servers.start(**options).port, headers=headers) as peer:
        shake = peer.ask("handshake")
        return shake["address"], shake["secure"]


def test_without_a_proxy_it_is_the_connection(servers: Pool) -> None:
    assert facts(servers, {}) == ("127.0.0.1", False)


def test_the_proxy_of_this_machine_is_trusted(servers: Pool) -> None:
    headers = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"}
    assert facts(servers, headers) == ("203.0.113.9", True)


@pytest.mark.parametrize(
    ("chain", "address"),
    [
        ("198.51.100.1, 203.0.113.9", "203.0.113.9"),  # the first was said by the client itself
        ("203.0.113.9, 127.0.0.1", "203.0.113.9"),
        ("203.0.113.9,127.0.0.1 , ::1", "203.0.113.9"),
        ("127.0.0.1", "127.0.0.1"),
        (",,", "127.0.0.1"),
    ],
)
def test_a_chain_is_believed_as_far_as_trusted_proxies_vouch_for_it(servers: Pool, chain: str, address: str) -> None:
    assert facts(servers, {"X-Forwarded-For": chain})[0] == address


def test_no_other_peer_is_believed(servers: Pool) -> None:
    headers = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"}
    assert facts(servers, headers, trusted_proxies=["192.0.2.1"]) == ("127.0.0.1", False)
