"""Measures servers side by side and prints the tables; a full run also writes docs/benchmarks.md and .svg."""

import argparse
import sys
from collections.abc import Callable
from datetime import date

from bench import machine, plot, report, toolchain
from bench.contestants import CONTESTANTS, Contestant
from bench.process import Failed
from bench.results import Results
from bench.scenarios import FULL, QUICK, Effort, Scenario, all_scenarios

DOCS = toolchain.ROOT / "docs"


def arguments() -> argparse.Namespace:
    names = [scenario.name for scenario in all_scenarios()]
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round, fewer clients")
    parser.add_argument("--only", type=_listed(names), help=f"of {','.join(names)}")
    parser.add_argument("--servers", type=_listed(list(CONTESTANTS)), help=f"of {','.join(CONTESTANTS)}")
    parser.add_argument("--rounds", type=int, help="instead of the usual number")
    return parser.parse_args()


def _listed(known: list[str]) -> Callable[[str], list[str]]:
    def parse(text: str) -> list[str]:
        chosen = text.split(",")
        for name in chosen:
            if name not in known:
                raise argparse.ArgumentTypeError(f"{name} is none of {', '.join(known)}")
        return chosen

    return parse


def prepare(names: list[str]) -> list[Contestant]:
    found = []
    for name in names:
        try:
            found.append(CONTESTANTS[name]())
        except toolchain.Missing as missing:
            print(f"without {name}: {missing}", flush=True)
    return found


def measure(scenarios: list[Scenario], contestants: list[Contestant], effort: Effort) -> Results:
    results = Results(scenarios, [one.name for one in contestants])
    for scenario in scenarios:
        for turn in range(1 if scenario.once else effort.rounds):
            for contestant in contestants:
                able = contestant.name not in scenario.without and scenario.name in (contestant.only or [scenario.name])
                if not able or (turn and contestant.one_round):
                    continue
                try:
                    one = scenario.measure(contestant, effort)
                except Failed as failed:
                    results.failures[scenario.name, contestant.name] = str(failed)
                    print(f"{scenario.name:13} {contestant.name:16} failed: {failed}", flush=True)
                    continue
                results.add(scenario.name, contestant.name, one)
                said = f"{report.number(one.value)} {scenario.unit}"
                print(f"{scenario.name:13} {contestant.name:16} round {turn + 1}: {said}", flush=True)
    return results


def drawn(scenarios: list[Scenario]) -> dict[str, str]:
    """Name and title of those that the picture shows: what it compares is work for the same CPU."""
    return {one.name: one.title for one in scenarios if one.unit.startswith("CPU µs per ")}


def write_docs(results: Results, contestants: list[Contestant], document: str, caption: str) -> None:
    titles = drawn(results.scenarios)
    labels = {one.name: one.label for one in contestants if not one.only}
    values = {
        scenario: {name: value for name, value in row.items() if name in labels}
        for scenario, row in results.values().items()
    }
    picture = plot.draw(plot.groups(titles, values), labels, caption)
    DOCS.mkdir(exist_ok=True)
    (DOCS / "benchmarks.md").write_text(document)
    (DOCS / "benchmarks.svg").write_text(picture)


def main() -> int:
    wanted = arguments()
    effort = QUICK if wanted.quick else FULL
    if wanted.rounds:
        effort = Effort(**{**vars(effort), "rounds": wanted.rounds})
    scenarios = [one for one in all_scenarios() if not wanted.only or one.name in wanted.only]
    contestants = prepare(wanted.servers or list(CONTESTANTS))
    results = measure(scenarios, contestants, effort)
    when, where = date.today().isoformat(), machine.describe()
    document = report.document(results, contestants, effort, where, when)
    print(f"\n{document}")
    if not (wanted.quick or wanted.only or wanted.servers):
        write_docs(results, contestants, document, f"{where}. {when}, make bench")
    return 1 if results.failures else 0


if __name__ == "__main__":
    sys.exit(main())
