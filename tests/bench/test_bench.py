"""The benchmark works as a whole: load generator, server, tables. No time and no speed is asserted."""

from xml.etree import ElementTree

import pytest
from bench.__main__ import drawn
from bench.contestants import Contestant, floor, node
from bench.process import serve
from bench.results import Results
from bench.scenarios import Measurement, all_scenarios
from bench.targets import Target

from bench import load, plot, report

FIELDS = {
    "mode", "clients", "inflight", "events", "seconds",
    "server_cpu_us", "server_cpus_us", "load_cpu_us", "p50_us", "p99_us", "errors",
}  # fmt: skip
SHORT = {"warmup": 0.1, "seconds": 0.2}


@pytest.fixture(scope="module")
def contestant() -> Contestant:
    return node()


@pytest.mark.parametrize("mode", ["echo", "ack", "broadcast", "polling", "visit", "connect"])
def test_each_kind_of_load_delivers_events_without_an_error(contestant: Contestant, mode: str) -> None:
    with serve(contestant) as server:
        figures = load.measure(mode, server, clients=5, inflight=2, **SHORT)
    assert set(figures) == FIELDS
    assert figures["mode"] == mode
    assert figures["errors"] == 0
    assert figures["events"] > 0
    assert figures["server_cpu_us"] > 0
    assert 0 < figures["p50_us"] <= figures["p99_us"]


@pytest.mark.parametrize("mode", ["echo", "broadcast"])
def test_the_floor_answers_the_load_as_a_server_does(mode: str) -> None:
    with serve(floor()) as server:
        figures = load.measure(mode, server, clients=5, inflight=2, **SHORT)
    assert figures["errors"] == 0
    assert figures["events"] > 0


def test_idle_clients_stay_until_they_are_told_to_go(contestant: Contestant) -> None:
    with serve(contestant) as server:
        before = server.resident_kib()
        with load.holding("idle", server, clients=20, big=True, bytes=100_000) as figures:
            assert figures == {"mode": "idle", "clients": 20, "errors": 0}
            assert server.resident_kib() > before


def results_of(values: dict[str, float]) -> Results:
    scenario = next(one for one in all_scenarios() if one.name == "echo-4")
    results = Results([scenario], list(values))
    for name, value in values.items():
        for factor in (1, 3, 2):
            results.add("echo-4", name, Measurement(value * factor, 1000, 10, 20, 1))
    return results


def test_the_tables_show_the_medians_and_their_ratio_to_node() -> None:
    results = results_of({"flocket": 3.0, "node": 12.0})
    rows = report.traffic(results, {"flocket": "flocket", "node": "Node"})
    assert "| flocket | 6.00 | 0.25 |" in rows
    assert "| Node | 24.0 | 1.00 |" in rows


def test_a_target_is_reached_or_missed_by_the_measured_ratio() -> None:
    results = results_of({"flocket": 3.0, "node": 12.0})
    labels = {"flocket": "flocket", "node": "Node"}
    assert "| 0.30 | 0.25 | reached |" in report.targets(results, labels, [Target("echo-4", 0.3, "node")])
    assert "| 0.20 | 0.25 | **missed** |" in report.targets(results, labels, [Target("echo-4", 0.2, "node")])
    assert report.targets(results, labels, [Target("echo-4", 0.2, "bun")]) == ""
    results = results_of({"flocket": 3.0, "node": 12.0, "floor": 2.4})
    assert "| 0.20 | 0.25 | **missed**; the floor: 0.20 |" in report.targets(
        results, labels, [Target("echo-4", 0.2, "node")]
    )


def test_the_picture_shows_only_what_is_cpu_and_has_room_for_each_title() -> None:
    titles = drawn(all_scenarios())
    assert {"echo-4", "connect", "redis-200"} <= set(titles)
    assert not {"idle", "redis-p99", "cluster-pass"} & set(titles)
    for title in titles.values():
        assert len(title.partition(", ")[2]) * plot.CHARACTER <= plot.LEFT - 14, title


def test_the_plot_is_well_formed_and_has_a_bar_for_each_server() -> None:
    values = results_of({"flocket": 3.0, "node": 12.0, "python-socketio": 120.0}).values()
    groups = plot.groups({"echo-4": "Echo <4>"}, values)
    assert groups[0].bars == {"flocket": 4.0, "node": 1.0, "python-socketio": 0.1}
    labels = {"flocket": "flocket", "node": "Node", "python-socketio": "python-socketio"}
    picture = ElementTree.fromstring(plot.draw(groups, labels, "a machine"))
    bars = [one for one in picture.iter() if one.tag.endswith("rect") and one.get("class") in labels]
    assert len(bars) == 3 + 3  # and the legend's
