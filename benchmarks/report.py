"""docs/benchmarks.md from measurements: `./dev bench --report [--only push,growth_push] [--render]`.

Each step is measured (three runs, medians), kept in docs/benchmarks.json, and the page and its charts are
written from all that is there. `--only`: these steps are measured anew, the others stay. `--render`: none is.
Why something is below its target, and what a profile shows, is text: benchmarks/report_why.md.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from charts import Series, line_chart

from hustings.bench import command, machine, push, stage
from hustings.bench.results import Results

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "docs" / "benchmarks.json"
PAGE = ROOT / "docs" / "benchmarks.md"
IMAGES = ROOT / "docs" / "img"
WHY = ROOT / "benchmarks" / "report_why.md"
LISTENERS = (1000, 2000, 4000, 8000, 16000)
PEER_LISTENERS = (1000, 2000)
SPEAKERS = (2, 5, 9, 13)
ROOMS = (1, 4, 8, 12, 16, 20)
GROWTH = ("growth_push", "growth_speakers", "growth_rooms")
STEPS = (*command.BENCHES, *GROWTH)


class Target(NamedTuple):
    """What issue 6 asks of a metric."""

    bench: str
    metric: str
    words: str
    limit: float
    at_most: bool = False


TARGETS = (
    Target(
        "push",
        "cpu_per_listener_ratio",
        "CPU of a push listener at 200 ms, times Icecast's",
        1.0,
        at_most=True,
    ),
    Target(
        "push", "widened_listeners_per_core_ratio", "push listeners a core under load, times Icecast's", 3.0
    ),
    Target("push", "memory_per_listener", "memory of a push listener, kB", 4.0, at_most=True),
    Target("join", "joins_per_second_ratio", "joins a second, times Icecast's", 20.0),
    Target(
        "join",
        "paced_first_sound_p99",
        "first sound while 2,000 a second join, p99 in ms",
        500.0,
        at_most=True,
    ),
    Target(
        "hls", "playlist_requests_per_core_second_ratio", "playlists a core and second, times nginx's", 1.0
    ),
    Target("hls", "part_requests_per_core_second_ratio", "parts a core and second, times nginx's", 1.0),
    Target(
        "hls",
        "release_spread",
        "2,000 blocking reloads, from the first answer to the last, ms",
        50.0,
        at_most=True,
    ),
    Target("whep", "listeners_per_core", "WHEP listeners a core, 20 ms frames", 1400.0),
    Target("whep", "long_listeners_per_core", "WHEP listeners a core, 60 ms frames", 3500.0),
    Target("stage", "two_rooms_per_core", "rooms of two speakers a core", 20.0),
    Target("stage", "thirteen_rooms_per_core", "rooms of 13, three talking, a core", 6.0),
    Target(
        "stage", "two_tick_late_p99", "a tick's lateness with rooms of two, p99 in ms", 10.0, at_most=True
    ),
    Target("stage", "two_peers_per_core_ratio", "peers a core in rooms of two, times aiortc's", 5.0),
    Target(
        "stage",
        "thirteen_peers_per_core_ratio",
        "peers a core in a room of 13, three talking, times aiortc's",
        5.0,
    ),
    Target(
        "stage", "thirteen_tick_late_p99", "a tick's lateness with rooms of 13, p99 in ms", 10.0, at_most=True
    ),
)


async def growth(name: str, results: Results) -> None:
    """How cost grows: rows named by what grew."""
    if name == "growth_push":
        for count in LISTENERS:
            against = ["icecast2"] if count in PEER_LISTENERS else []
            found = Results(quiet=True, notes=results.notes, versions=results.versions)
            await push.measure(found, against, listeners=count, crowd=0, seconds=3, runs=3)
            for row in found.rows:
                if row["metric"] in ("cpu_share", "generator_cpu_share"):
                    results.rows.append({**row, "bench": name, "metric": f"{row['metric']} at {count}"})
    elif name == "growth_speakers":
        parties = {f"{count}": stage.Party(1, count, min(3, count)) for count in SPEAKERS}
        await stage.measure(results, [], parties=parties, peer_speakers=0, seconds=4, runs=3)
    else:
        parties = {f"{count}": stage.Party(count, 2, 2) for count in ROOMS}
        await stage.measure(results, [], parties=parties, peer_speakers=0, seconds=4, runs=3)


def measure(step: str) -> dict[str, Any]:
    """One step's document."""
    results = Results()
    machine.raise_descriptor_limit()
    if step in command.BENCHES:
        against = ",".join(command.AGAINST[step])
        asyncio.run(command.measure(step, results, list(command.AGAINST[step]), scale=1, seconds=4, runs=3))
        said = f"hustings bench {step}" + (f" --against {against}" if against else "")
    else:
        asyncio.run(growth(step, results))
        said = f"./dev bench --report --only {step}"
    when = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return {**results.as_json(), "command": said, "when": when}


def rows_of(data: dict[str, Any], step: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = data.get(step, {}).get("results", [])
    return found


def row(data: dict[str, Any], step: str, metric: str, subject: str = "hustings") -> dict[str, Any] | None:
    """One row of a step."""
    return next(
        (each for each in rows_of(data, step) if each["metric"] == metric and each["subject"] == subject),
        None,
    )


def number(value: float) -> str:
    """As people read it."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def targets(data: dict[str, Any]) -> list[str]:
    lines = ["| what | asked | measured (three runs) | |", "|---|---|---|---|"]
    for target in TARGETS:
        found = row(data, target.bench, target.metric)
        sign = "at most" if target.at_most else "at least"
        if found is None:
            lines.append(f"| {target.words} | {sign} {number(target.limit)} | not measured | - |")
            continue
        value = found["value"]
        met = value <= target.limit if target.at_most else value >= target.limit
        runs = (
            ", ".join(map(number, found["runs"]))
            if len(found["runs"]) > 1
            else "of medians"
            if found["unit"].startswith("x ")
            else "once"
        )
        shown = f"**{number(value)}** ({runs})"
        lines.append(
            f"| {target.words} | {sign} {number(target.limit)} | {shown} | "
            f"{'reached' if met else '**missed**'} |"
        )
    return lines


def table(data: dict[str, Any], step: str) -> list[str]:
    """All rows of one bench."""
    document = data[step]
    load = ", ".join(map(str, document["load_average"]))
    lines = [
        f"`{document['command']}`, {document['when']}, load average of the machine before and after: {load}.",
        "",
        "| subject | metric | median | unit | runs |",
        "|---|---|---|---|---|",
    ]
    for each in document["results"]:
        runs = ", ".join(map(number, each["runs"]))
        lines.append(
            f"| {each['subject']} | {each['metric']} | {number(each['value'])} | {each['unit']} | {runs} |"
        )
    if document["notes"]:
        lines += ["", *(f"- {note}" for note in document["notes"])]
    return lines


def points(
    data: dict[str, Any], step: str, metric: str, over: tuple[int, ...], subject: str = "hustings"
) -> list[tuple[float, float]]:
    """(x, median) of those that were measured."""
    found = ((x, row(data, step, metric.format(x), subject)) for x in over)
    return [(float(x), float(each["value"])) for x, each in found if each is not None]


def charts(data: dict[str, Any], *, write: bool) -> list[str]:
    """The lines that show them; `write`: and the files."""
    series = {
        "listeners": (
            "Push listeners and what they cost",
            "listeners",
            "% of a core",
            [
                Series("Hustings", points(data, "growth_push", "cpu_share at {}", LISTENERS)),
                Series("Icecast", points(data, "growth_push", "cpu_share at {}", LISTENERS, "icecast2")),
            ],
        ),
        "speakers": (
            "Speakers in one room (up to three talk)",
            "speakers",
            "% of a core",
            [Series("stage", points(data, "growth_speakers", "{}_cpu_share", SPEAKERS))],
        ),
        "rooms": (
            "Rooms of two who talk",
            "rooms",
            "% of a core",
            [Series("stage", points(data, "growth_rooms", "{}_cpu_share", ROOMS))],
        ),
    }
    lines = []
    for name, (title, x_name, y_name, found) in series.items():
        found = [each for each in found if each.points]
        if not found:
            continue
        if write:
            (IMAGES / f"bench-{name}.svg").write_text(line_chart(title, x_name, y_name, found))
        said = "; ".join(
            f"{each.name} {number(each.points[-1][1])} % at {each.points[-1][0]:,g}" for each in found
        )
        lines += [f"![{title}: {said}](img/bench-{name}.svg)", ""]
    return lines


def render(data: dict[str, Any], *, write: bool = True) -> str:
    """The page."""
    if not data:
        raise SystemExit("nothing was measured yet: ./dev bench --report")
    first = next(iter(data.values()))
    versions = {name: value for each in data.values() for name, value in each["versions"].items()}
    beside = ", ".join(f"{name} {value}" for name, value in sorted(versions.items()))
    lines = [
        "# Benchmarks",
        "",
        "Made by `./dev bench --report` (`apt-get install icecast2 janus nginx-light wrk`; Janus as root). "
        "Figures are in [benchmarks.json](benchmarks.json), words in `benchmarks/report_why.md`.",
        "",
        f"{first['machine']}. Hustings {first['version']}; beside it {beside}.",
        "",
        "Server and load generator each have a core to themselves as far as the machine lets them; others "
        "work on it, too, so figures are CPU time of the server's processes for what was served; a peer's "
        "are taken in turns with ours. Three runs, medians.",
        "",
        "## What was asked, and what came out",
        "",
        *targets(data),
        "",
        WHY.read_text().strip(),
        "",
        "## How cost grows",
        "",
        *(
            charts(data, write=write)
            or [f"Not measured yet: `./dev bench --report --only {','.join(GROWTH)}`.", ""]
        ),
    ]
    for step in STEPS:
        if step in data:
            lines += [f"## {step}", "", *table(data, step), ""]
    return "\n".join(lines).rstrip() + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default=",".join(STEPS), metavar="STEP,...", help=", ".join(STEPS))
    parser.add_argument("--render", action="store_true", help="write the page only")
    options = parser.parse_args()
    data: dict[str, Any] = json.loads(DATA.read_text()) if DATA.exists() else {}
    steps = [] if options.render else options.only.split(",")
    if unknown := set(steps) - set(STEPS):
        raise SystemExit(f"no such step: {', '.join(unknown)}; there are {', '.join(STEPS)}")
    if len(machine.cores()) > 1:
        os.sched_setaffinity(0, [core for core in machine.cores() if core not in machine.server_cores()])
    for step in steps:
        data[step] = measure(step)
        ordered = {name: data[name] for name in STEPS if name in data}
        DATA.write_text(json.dumps(ordered, indent=1, ensure_ascii=False) + "\n")
    PAGE.write_text(render(data))


if __name__ == "__main__":
    main()
