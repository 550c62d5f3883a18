"""Writes the results of a run as Markdown: every figure comes from the run, the words say how it was got."""

from collections.abc import Iterable, Mapping

from bench.contestants import Contestant
from bench.results import Results
from bench.scenarios import Effort
from bench.targets import TARGETS, Target

METHOD = """\
Each server runs alone on one core, fresh for each measurement; the load, a compiled program with one thread,
runs on another. The servers take turns within a round, and the tables show the medians of the rounds. CPU is
the server's own, of all its threads, from the operating system's accounting of the process, divided by the
events that were delivered in the same time. The events carry a small chat message. In the broadcasts all
clients receive, and one of them emits.
"""


def number(value: float | None) -> str:
    if value is None:
        return "–"
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    columns = list(head)
    lines = [columns, ["---", "---", *["---:"] * (len(columns) - 2)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def traffic(results: Results, labels: Mapping[str, str]) -> str:
    rows = []
    for scenario in results.scenarios:
        reference = results.medians(scenario.name, "node")
        for name in results.contestants:
            one = results.medians(scenario.name, name)
            if one is None or one.per_second is None:
                continue
            ratio = number(one.value / reference.value) if reference else "–"
            cells = [ratio, number(one.per_second), number(one.p50_us), number(one.p99_us), number(one.busy)]
            errors = f" ({one.errors} errors)" if one.errors else ""
            rows.append([scenario.title, labels[name] + errors, number(one.value), *cells])
    head = ["", "Server", "CPU µs per event", "to Node's", "per second", "p50 µs", "p99 µs", "core in use"]
    return table(head, _without_repeats(rows)) if rows else ""


def others(results: Results, labels: Mapping[str, str]) -> str:
    rows = []
    for scenario in results.scenarios:
        for name in results.contestants:
            one = results.medians(scenario.name, name)
            if one is None or one.per_second is not None:
                continue
            notes = "; ".join(f"{what}: {number(value)}" for what, value in one.notes.items())
            rows.append([f"{scenario.title}, {scenario.unit}", labels[name], number(one.value), notes])
    return table(["", "Server", "measured", ""], _without_repeats(rows)) if rows else ""


def _without_repeats(rows: list[list[str]]) -> Iterable[list[str]]:
    before = ""
    for first, *others in rows:
        yield ["" if first == before else first, *others]
        before = first


def targets(results: Results, labels: Mapping[str, str], chosen: Iterable[Target] = TARGETS) -> str:
    titles = {scenario.name: scenario for scenario in results.scenarios}
    values = results.values()
    rows = []
    for target in chosen:
        measured = target.measured(values)
        if measured is None:
            continue
        scenario = titles[target.scenario]
        against = f"to {labels[target.against]}'s" if target.against else scenario.unit
        verdict = "reached" if measured <= target.at_most else "**missed**"
        least = target.measured(values, "floor")
        if measured > target.at_most and least is not None:
            verdict += f"; the floor: {number(least)}"
        rows.append([scenario.title, against, number(target.at_most), number(measured), verdict])
    return table(["flocket", "", "at most", "measured", ""], rows) if rows else ""


def document(results: Results, contestants: list[Contestant], effort: Effort, machine: str, when: str) -> str:
    labels = {one.name: one.label for one in contestants}
    failures = "".join(
        f"- {labels[name]} did not finish {scenario}: {why}\n"
        for (scenario, name), why in results.failures.items()
    )
    return "\n".join(
        part
        for part in (
            "# Benchmarks\n",
            f"Printed by `make bench` on {when}: {machine}.\n",
            "![What a second of CPU does, Node = 1](benchmarks.svg)\n",
            METHOD,
            f"{effort.rounds} rounds of {effort.seconds:g} s each (of python-socketio one), "
            f"after {effort.warmup:g} s of warming up; "
            f"{effort.idle_clients:,} idle clients, {effort.large_senders:,} of the large kind.\n",
            "".join(f"- {one.label}: {one.version}\n" for one in contestants),
            "## Events\n",
            traffic(results, labels),
            "## Memory, workers, lateness\n",
            others(results, labels),
            "## Targets\n",
            targets(results, labels),
            failures,
        )
        if part
    )
