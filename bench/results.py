"""Collects the measurements of a run, round by round, and reduces them to medians."""

from dataclasses import dataclass, field
from statistics import median

from bench.scenarios import Measurement, Scenario


def _median(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None


@dataclass
class Results:
    scenarios: list[Scenario]
    contestants: list[str]
    measured: dict[tuple[str, str], list[Measurement]] = field(default_factory=dict)
    failures: dict[tuple[str, str], str] = field(default_factory=dict)

    def add(self, scenario: str, contestant: str, measurement: Measurement) -> None:
        self.measured.setdefault((scenario, contestant), []).append(measurement)

    def medians(self, scenario: str, contestant: str) -> Measurement | None:
        """None if nothing was measured."""
        rounds = self.measured.get((scenario, contestant))
        if not rounds:
            return None
        return Measurement(
            value=median(one.value for one in rounds),
            per_second=_median([one.per_second for one in rounds]),
            p50_us=_median([one.p50_us for one in rounds]),
            p99_us=_median([one.p99_us for one in rounds]),
            busy=_median([one.busy for one in rounds]),
            errors=sum(one.errors for one in rounds),
            notes={name: median(one.notes[name] for one in rounds) for name in rounds[0].notes},
        )

    def values(self) -> dict[str, dict[str, float]]:
        """scenario -> contestant -> median."""
        table: dict[str, dict[str, float]] = {}
        for scenario in self.scenarios:
            for contestant in self.contestants:
                one = self.medians(scenario.name, contestant)
                if one is not None:
                    table.setdefault(scenario.name, {})[contestant] = one.value
        return table
