"""Line charts as SVG, readable on light and dark: points of a few series over one axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10

WIDTH, HEIGHT = 640, 320
LEFT, RIGHT, TOP, BOTTOM = 64, 150, 40, 48
MARKS = ("circle", "square", "diamond")
_STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.title { font-weight: 600; font-size: 15px }
.grid { stroke: #d0d7de } .axis { stroke: #57606a }
.s0 { stroke: #0550ae; fill: #0550ae } .s1 { stroke: #bc4c00; fill: #bc4c00 }
.s2 { stroke: #1a7f37; fill: #1a7f37 }
.line { fill: none; stroke-width: 2 } .paper { fill: #ffffff }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .grid { stroke: #30363d } .axis { stroke: #8b949e } .paper { fill: #0d1117 }
  .s0 { stroke: #79c0ff; fill: #79c0ff } .s1 { stroke: #ffa657; fill: #ffa657 }
  .s2 { stroke: #56d364; fill: #56d364 }
}
"""


@dataclass(frozen=True, slots=True)
class Series:
    """`points`: (x, y) in order of x."""

    name: str
    points: Sequence[tuple[float, float]]


def steps(most: float, wanted: int = 5) -> list[float]:
    """Round numbers from 0 to `most` or a little above, some `wanted` of them."""
    if most <= 0:
        return [0.0, 1.0]
    raw = most / wanted
    base = 10 ** floor(log10(raw))
    step = next(base * factor for factor in (1, 2, 2.5, 5, 10) if base * factor >= raw)
    return [step * index for index in range(ceil(most / step) + 1)]


def line_chart(title: str, x_name: str, y_name: str, series: Sequence[Series]) -> str:
    """One chart; both axes begin at 0."""
    xs = steps(max(x for each in series for x, _ in each.points))
    ys = steps(max(y for each in series for _, y in each.points))
    wide, high = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def place(x: float, y: float) -> tuple[float, float]:
        return round(LEFT + wide * x / xs[-1], 1), round(TOP + high * (1 - y / ys[-1]), 1)

    said = "; ".join(
        f"{each.name}: " + ", ".join(f"{y:.4g} at {x:,g}" for x, y in each.points) for each in series
    )
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
        f"<title>{escape(title)}</title><desc>{escape(y_name)} over {escape(x_name)}. {escape(said)}</desc>",
        f"<style>{_STYLE}</style>",
        f'<rect class="paper" width="{WIDTH}" height="{HEIGHT}"/>',
        f'<text class="title" x="{LEFT}" y="20">{escape(title)}</text>',
        f'<text x="{LEFT + wide / 2}" y="{HEIGHT - 8}" text-anchor="middle">{escape(x_name)}</text>',
        f'<text transform="translate(14 {TOP + high / 2}) rotate(-90)" text-anchor="middle">',
        f"{escape(y_name)}</text>",
    ]
    for y in ys:
        _, at = place(0, y)
        kind = "axis" if y == 0 else "grid"
        parts.append(f'<line class="{kind}" x1="{LEFT}" x2="{LEFT + wide}" y1="{at}" y2="{at}"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{at + 4}" text-anchor="end">{y:,g}</text>')
    for x in xs:
        at, _ = place(x, 0)
        parts.append(f'<text x="{at}" y="{TOP + high + 18}" text-anchor="middle">{x:,g}</text>')
    for index, each in enumerate(series):
        placed = [place(x, y) for x, y in each.points]
        path = " ".join(f"{x},{y}" for x, y in placed)
        parts.append(f'<polyline class="line s{index}" points="{path}"/>')
        parts += [_mark(index, x, y) for x, y in placed]
        x, y = placed[-1]
        parts.append(
            f'<text x="{x + 10}" y="{y + 4 + 4 * (index - len(series) / 2)}">{escape(each.name)}</text>'
        )
    return "\n".join((*parts, "</svg>\n"))


def _mark(index: int, x: float, y: float) -> str:
    """Series differ by shape, too, for who does not see colours."""
    match MARKS[index % len(MARKS)]:
        case "circle":
            return f'<circle class="s{index}" cx="{x}" cy="{y}" r="4"/>'
        case "square":
            return f'<rect class="s{index}" x="{x - 4}" y="{y - 4}" width="8" height="8"/>'
        case _:
            return f'<path class="s{index}" d="M{x} {y - 5}l5 5l-5 5l-5 -5z"/>'
