"""What an adapter counts, as plain integers: shown by `io.stats()` beside the counters of the process."""

from __future__ import annotations

from dataclasses import asdict, dataclass

__all__ = ["AdapterCounters"]


@dataclass(slots=True)
class AdapterCounters:
    published: int = 0
    publish_dropped: int = 0  # the outbox was full, the broker away for too long, or it refused
    received: int = 0
    bad_messages: int = 0  # what is no message of any node: ignored
    doubles: int = 0  # came twice: ignored
    late: int = 0  # came behind a later one of the same node and channel
    holes: int = 0  # did not come at all
    questions_timed_out: int = 0
    reconnects: int = 0

    def snapshot(self) -> dict[str, int]:
        """All counters by name."""
        return asdict(self)
