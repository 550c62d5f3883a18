"""What is to be reached: figures of this server against another's in the same run, or against a plain number.

It does not know how anything is measured.
"""

from collections.abc import Mapping
from dataclasses import dataclass

# scenario -> contestant -> median
Values = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class Target:
    scenario: str
    at_most: float
    against: str | None = None  # a contestant: then at_most is a ratio to it; None: in the scenario's unit

    def measured(self, values: Values, subject: str = "flocket") -> float | None:
        """None where one of the two was not measured."""
        row = values.get(self.scenario, {})
        if subject not in row or (self.against is not None and not row.get(self.against)):
            return None
        return row[subject] / row[self.against] if self.against else row[subject]


LEVEL = 1.05  # "level with" allows what two runs of the same program differ by

EVENTS = ("broadcast-4", "broadcast-1", "echo-4", "echo-1", "ack-4")

TARGETS = [
    Target("broadcast-4", 0.30, "node"),
    Target("broadcast-1", 0.60, "node"),
    Target("echo-4", 0.45, "node"),
    Target("echo-1", 0.50, "node"),
    Target("ack-4", 0.50, "node"),
    Target("connect", 0.60, "node"),
    Target("polling-echo", 1.0, "node"),
    *(Target(name, 1 / 8, "python-socketio") for name in EVENTS),
    *(Target(name, 1 / 3, "python-socketio") for name in ("connect", "polling-echo")),
    Target("broadcast-4", 1.0, "bun"),
    Target("broadcast-1", 1.0, "bun"),
    Target("echo-4", LEVEL, "bun"),
    Target("echo-1", LEVEL, "bun"),
    Target("cluster-broadcast", 1.15),
    Target("cluster-pass", 150),
    Target("cluster-relay", 2.0),
    Target("redis-200", 0.55, "node"),
    Target("redis-20", 0.8, "node"),
    Target("redis-p99", 1.2, "node"),
    Target("redis-relay", 3.0),
    Target("idle", 12),
    Target("idle-large", 64),
    Target("pings", 1),
    Target("slow", 1),
]
