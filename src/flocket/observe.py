"""What one process counts while it serves: plain integers that `io.stats()` shows and a metrics exporter reads.

Knows names only; does not know who counts or who reads.
"""

from __future__ import annotations

__all__ = ["Counters"]


class Counters:
    """Totals since the process started."""

    __slots__ = (
        "acks_timed_out",
        "bad_arguments",
        "bad_packets",
        "bytes_buffered_dropped",
        "connect_timeouts",
        "connects",
        "disconnects",
        "events_in",
        "events_out",
        "handler_errors",
        "handshakes",
        "http_errors",
        "ping_timeouts",
        "refused",
        "slow_consumers",
        "upgrade_timeouts",
        "upgrades",
        "volatile_dropped",
    )

    def __init__(self) -> None:
        for name in self.__slots__:
            setattr(self, name, 0)

    acks_timed_out: int
    bad_arguments: int
    bad_packets: int
    bytes_buffered_dropped: int
    connect_timeouts: int
    connects: int
    disconnects: int
    events_in: int
    events_out: int
    handler_errors: int
    handshakes: int
    http_errors: int
    ping_timeouts: int
    refused: int
    slow_consumers: int
    upgrade_timeouts: int
    upgrades: int
    volatile_dropped: int

    def snapshot(self) -> dict[str, int]:
        """All counters by name."""
        return {name: getattr(self, name) for name in self.__slots__}
