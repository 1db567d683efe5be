"""Bad networks: a speaker behind loss, jitter, reordering, duplicates, a black-out, a change of address.

    .venv/bin/python benchmarks/network_matrix.py [--only WORDS] [--browser] [--seconds 6] [--json]

Linux, root: two network namespaces of our own with a seeded bad network between them (tests/e2e/
bad_network.py), server and ear in one, speaker in the other: `hustings speak`, or with --browser Chromium on
the speaker's page. The ear hears the program by WHEP, on the good side. For each fault:

heard      share of frames with sound in them while it lasts (what is invented for up to 100 ms counts)
fec        frames that were recovered from in-band error correction; invented: those that were concealed
longest    ms without sound at a stretch, from the fault's beginning to a second after its end
back       ms from its end until a second begins that is sound nearly throughout
sessions   offers the server answered meanwhile: 0 means that the session outlived the fault

Exit code 1 when sound was away for more than 3 s after an end, or the seat was lost.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path += [str(Path(__file__).parents[1] / "tests" / name) for name in ("e2e", "web")]

import harness
import httpx
from bad_network import SERVER, BadNetwork, Fault, possible
from bad_network_people import Ear, speaking_page, voice, voice_file
from harness import Room, Server, start

harness.READY_WITHIN = 180.0  # a busy machine must not end a run of minutes
ASKED = 3.0
PATIENCE = 40.0


@dataclass(frozen=True, slots=True)
class Cell:
    """One fault. `browser`: also one of those for Chromium."""

    name: str
    fault: Fault
    seconds: float = 0.0
    move: bool = False
    browser: bool = False


CELLS = (
    Cell("nothing", Fault(), browser=True),
    Cell("loss 5 %", Fault(loss=0.05)),
    Cell("loss 10 %", Fault(loss=0.10), browser=True),
    Cell("loss 20 %", Fault(loss=0.20)),
    Cell("loss 30 %", Fault(loss=0.30), browser=True),
    Cell("jitter 50 ms", Fault(jitter=0.05)),
    Cell("jitter 100 ms", Fault(jitter=0.10)),
    Cell("jitter 200 ms", Fault(jitter=0.20), browser=True),
    Cell("reordering 10 %", Fault(reorder=0.10)),
    Cell("duplicates 20 %", Fault(duplicate=0.20)),
    Cell("all: loss 10 %, jitter 100 ms, reordering 5 %, duplicates 5 %", Fault(0.10, 0.10, 0.05, 0.05)),
    Cell("black-out 3 s", Fault(dark=True), seconds=3),
    Cell("black-out 30 s", Fault(dark=True), seconds=30, browser=True),
    Cell("change of address", Fault(), move=True, browser=True),
)


@dataclass(slots=True)
class Row:
    """What was seen."""

    fault: str
    heard: float
    fec: int
    invented: int
    longest: float
    back: float
    sessions: int
    seat_kept: bool

    @property
    def good(self) -> bool:
        return self.back <= 1000 * ASKED and self.seat_kept


def figure(server: Server, name: str, *labels: str) -> int:
    """A counter as it stands, all processes together."""
    text = httpx.get(server.metrics_url, trust_env=False, timeout=10).text
    lines = [line for line in text.splitlines() if line.startswith(name + "{")]
    return round(
        sum(float(line.rpartition(" ")[2]) for line in lines if all(label in line for label in labels))
    )


def frames(server: Server, kind: str) -> int:
    return figure(server, "hustings_stage_speaker_frames_total", f'kind="{kind}"')


def answered(server: Server) -> int:
    return figure(server, "hustings_stage_offers_total", 'kind="ingest"', 'outcome="answered"')


def wait(what: Callable[[], bool], within: float, words: str) -> None:
    end = time.monotonic() + within
    while not what():
        if time.monotonic() > end:
            raise SystemExit(f"waited {within:g} s in vain for {words}")
        time.sleep(0.05)


def measure(network: BadNetwork, server: Server, room: Room, ear: Ear, cell: Cell, seconds: float) -> Row:
    """One fault on a speaker who is being heard."""
    begin = time.monotonic()
    wait(lambda: ear.back(begin) is not None, PATIENCE, f"sound before {cell.name}")
    time.sleep(2.5)  # the metrics of before have come together
    before = [frames(server, "fec"), frames(server, "concealed"), answered(server)]
    seat = room.state()["participants"]
    begin = time.monotonic()
    network.fault = cell.fault
    if cell.move:
        network.move()
    else:
        time.sleep(cell.seconds or seconds)
    network.fault = Fault()
    end = time.monotonic()
    until = end + PATIENCE
    while (back := ear.back(end)) is None and time.monotonic() < until:
        time.sleep(0.05)
    time.sleep(2.5)
    after = [frames(server, "fec"), frames(server, "concealed"), answered(server)]
    fec, invented, sessions = (now - then for now, then in zip(after, before, strict=True))
    kept = [(p["id"], p["role"]) for p in room.state()["participants"]] == [
        (p["id"], p["role"]) for p in seat
    ]
    return Row(
        cell.name,
        round(ear.heard(begin, max(end, begin + 0.5)), 3),
        fec,
        invented,
        round(1000 * ear.longest(begin, end + max(1.0, back or 0.0))),
        round(1000 * (PATIENCE if back is None else back)),
        sessions,
        kept,
    )


def run(only: str, *, browser: bool, seconds: float) -> list[Row]:
    """All cells, each with a network, a server and a room of its own."""
    rows: list[Row] = []
    speaks = speaking_page if browser else voice
    for number, cell in enumerate(CELLS):
        if only not in cell.name or (browser and not cell.browser):
            continue
        with (
            tempfile.TemporaryDirectory() as folder,
            BadNetwork(seed=number) as network,
            network.inside("server"),
        ):
            server = start(Path(folder), host=SERVER, media=SERVER, levelling=False)
            try:
                room = server.room("Bad network", speakers=["Ada"])
                room.open()
                room.start()
                ear = Ear(room.whep_url)
                file = voice_file(Path(folder) / "voice.wav")
                with speaks(network, room, file):
                    rows.append(measure(network, server, room, ear, cell, seconds))
                ear.close()
            finally:
                server.stop()
        print(rows[-1], file=sys.stderr, flush=True)
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--only", default="", help="cells with these words in their name")
    parser.add_argument("--browser", action="store_true", help="Chromium speaks, in fewer cells")
    parser.add_argument("--seconds", type=float, default=6.0, help="how long a fault lasts")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if not possible():
        raise SystemExit("Network namespaces and TUN devices are needed: Linux, as root.")
    rows = run(options.only, browser=options.browser, seconds=options.seconds)
    if options.json:
        print(json.dumps([asdict(row) for row in rows]))
    else:
        print("| fault | heard | by FEC | invented | longest silence | back after | new sessions | seat |")
        print("|---|---|---|---|---|---|---|---|")
        for row in rows:
            kept = "kept" if row.seat_kept else "LOST"
            print(
                f"| {row.fault} | {100 * row.heard:.1f} % | {row.fec} | {row.invented} "
                f"| {row.longest:.0f} ms | {row.back:.0f} ms | {row.sessions} | {kept} |"
            )
    return 0 if all(row.good for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
