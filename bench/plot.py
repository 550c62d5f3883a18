"""Draws the results as SVG: how much each server does with a second of CPU, where Node does 1.

It brings its own colours for light and dark pages, and needs no library.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, LEFT, RIGHT = 860, 262, 64
BAR, GAP, GROUP_GAP = 15, 3, 16
TOP, BOTTOM = 92, 34
CHARACTER = 6.4  # about the width of one of the small ones: nothing here can measure it

STYLE = """
  text { font: 13px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; fill: #1f2328 }
  .card { fill: #ffffff; stroke: #d1d9e0 } .title { font-size: 18px; font-weight: 600 }
  .quiet { fill: #59636e; font-size: 12px } .grid { stroke: #d1d9e0 }
  .one { stroke: #59636e; stroke-dasharray: 3 3 }
  .flocket { fill: #0b7285 } .node { fill: #74a857 } .bun { fill: #e0a458 } .python-socketio { fill: #9aa4b1 }
  .strong { font-weight: 600 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .card { fill: #0d1117; stroke: #30363d } .quiet { fill: #9198a1 }
    .grid { stroke: #262c36 } .one { stroke: #9198a1 }
    .flocket { fill: #3bc9db } .node { fill: #6a994e } .bun { fill: #d29a4a }
    .python-socketio { fill: #6e7681 }
  }
"""


@dataclass(frozen=True)
class Group:
    title: str
    bars: Mapping[str, float]  # contestant -> work per CPU second, Node = 1


def groups(titles: Mapping[str, str], values: Mapping[str, Mapping[str, float]]) -> list[Group]:
    """values: scenario -> contestant -> CPU per event. Scenarios without Node are left out."""
    return [
        Group(title, {who: values[name]["node"] / cpu for who, cpu in values[name].items()})
        for name, title in titles.items()
        if "node" in values.get(name, {})
    ]


def _step(most: float) -> float:
    return next(step for step in (0.5, 1, 2, 5, 10, 20, 50, 100) if most / step <= 8 or step == 100)


def draw(chart: Sequence[Group], labels: Mapping[str, str], caption: str) -> str:
    most = max((value for group in chart for value in group.bars.values()), default=1.0)
    scale = (WIDTH - LEFT - RIGHT) / most
    parts: list[str] = []
    y = TOP
    for group in chart:
        middle = y + (len(group.bars) * (BAR + GAP) - GAP) / 2
        what, _, how = group.title.partition(", ")
        parts.append(_text(LEFT - 14, middle - 4 if how else middle + 4, what, anchor="end"))
        parts.append(_text(LEFT - 14, middle + 13, how, "quiet", anchor="end"))
        for who, value in group.bars.items():
            width = max(1.0, value * scale)
            parts.append(_bar(who, LEFT, y, width, BAR))
            said = f"{value:.2g}" if value < 1 else f"{value:.1f}"
            parts.append(_text(LEFT + width + 6, y + 12, said, "strong" if who == "flocket" else "quiet"))
            y += BAR + GAP
        y += GROUP_GAP
    bottom = y - GROUP_GAP + 6
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {bottom + BOTTOM}" role="img">',
            f"<title>What a second of CPU does, Node = 1</title><style>{STYLE}</style>",
            f'<rect class="card" x=".5" y=".5" width="{WIDTH - 1}" height="{bottom + BOTTOM - 1}" rx="10"/>',
            _text(24, 34, "What a second of CPU does", "title"),
            _text(24, 54, "Events delivered for the same CPU, Node = 1. Longer is better.", "quiet"),
            _legend(chart, labels),
            *_grid(most, scale, bottom),
            *parts,
            _text(24, bottom + BOTTOM - 12, caption, "quiet"),
            "</svg>",
            "",
        ]
    )


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">{escape(text)}</text>'


def _bar(who: str, x: float, y: float, width: float, height: float) -> str:
    return f'<rect class="{who}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height}" rx="2"/>'


def _legend(chart: Sequence[Group], labels: Mapping[str, str]) -> str:
    shown = [who for who in labels if any(who in group.bars for group in chart)]
    parts, x = [], WIDTH - 24.0
    for who in reversed(shown):
        x -= 7.2 * len(labels[who])  # likewise, of the usual ones
        parts.append(_text(x, 34, labels[who]))
        x -= 18
        parts.append(_bar(who, x, 23, 12, 12))
        x -= 16
    return "".join(parts)


def _grid(most: float, scale: float, bottom: float) -> list[str]:
    step = _step(most)
    marks = sorted({1.0, *(step * i for i in range(1, int(most / step) + 1))})
    lines = []
    for mark in marks:
        x = LEFT + mark * scale
        kind = "one" if mark == 1 else "grid"
        lines.append(f'<line class="{kind}" x1="{x:.1f}" y1="{TOP - 8}" x2="{x:.1f}" y2="{bottom}"/>')
        lines.append(_text(x, TOP - 14, f"{mark:g}", "quiet", "middle"))
    return lines
