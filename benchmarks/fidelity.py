"""What comes out of Hustings, compared with the human speech that went in.

    .venv/bin/python benchmarks/fidelity.py [--seconds 120] [--json] [--browser]

Two `speak` clients, each a process of its own, speak real human voices (alternating and overlapping,
levelling off) into a real `hustings serve`; `listen` clients take the program from push, LL-HLS, WHEP
and stream.ogg. Each delivered sound is decoded, laid against the sum of what was spoken (one constant
lag per speaker) and correlated; lags are followed in windows of a second, so that a repeated or missing
20 ms frame shows as a jump. Each speaker's return is checked for the other's voice and his own.
`--browser` adds a speaker in Chromium (fake microphone) and a listener in Chromium (MSE).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "e2e"))

import speech
from alignment import RATE, Fidelity, OwnVoice, Signal, compare, own_voice
from harness import Room, Server, serve

from hustings.clients.voice import start_voice

DOORS = ("push", "hls", "stream", "whep")
"""In the order in which their listeners start: the one with the least buffer when the others stand."""
MIN_CORRELATION = 0.9
MAX_OWN_DB = -40.0
LEAD = 4.0
"""Seconds of speech before the listeners start, and after them."""
SETTLE = 12.0
"""Seconds at the beginning that are not judged: on a small machine the start of six Python processes
starves the speakers, and the jitter buffers rightly adapt to that."""
APART = 3.0
"""Seconds between two listeners' starts: a Python process that begins takes a whole core, and one that plays
out of 20 ms of buffer beside four of them has gaps that are not the server's."""
NAMES = ("Ada", "Ben")
_LISTEN = (
    "import sys, json; from pathlib import Path; from hustings.clients.listen import listen;"
    "print(json.dumps(listen(sys.argv[1], via=sys.argv[2], seconds=float(sys.argv[3]),"
    " out=Path(sys.argv[4])).as_json()))"
)


@dataclass(slots=True)
class Report:
    """All that was measured."""

    seconds: float
    doors: dict[str, dict[str, Any]] = field(default_factory=dict)
    returns: dict[str, dict[str, Any]] = field(default_factory=dict)
    speak_cpu_percent: dict[str, float] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)


def measure(seconds: float, folder: Path, doors: tuple[str, ...] = DOORS, browser: bool = False) -> Report:
    """Recordings go to `folder`; each half takes about `seconds` + 30."""
    report = Report(seconds)
    if doors:
        _measure_clients(report, folder, doors)
    if browser:
        from browser_fidelity import measure_browser

        _judge_door(report, "chromium", *measure_browser(seconds))
    return report


def _measure_clients(report: Report, folder: Path, doors: tuple[str, ...]) -> None:
    seconds = report.seconds
    tracks = speech.dialogue(seconds + SETTLE + 2 * LEAD + 6 + APART * len(doors))
    for name, track in zip(NAMES, tracks, strict=True):
        speech.write_wav(folder / f"{name}.wav", track)
    # What was spoken is what stands in the 16 bit files.
    spoken = [speech.read_wav(folder / f"{name}.wav") for name in NAMES]
    # Never a data folder that was used before: its rooms would still be live, and mixed again.
    with (
        tempfile.TemporaryDirectory(prefix="hustings-fidelity-") as fresh,
        serve(Path(fresh), levelling=False) as server,
    ):
        results = _run(server, folder, seconds, doors, report)
    settle = round(SETTLE * RATE)
    for door, listened in results.items():
        _judge_door(report, door, speech.read_wav(folder / f"{door}.wav")[settle:], spoken, listened)
    # Laid against what was spoken from about where they begin.
    later = [each[round(APART * (len(doors) - 1) * RATE) :] for each in spoken]
    for index, name in enumerate(NAMES):
        # The feeds end when the voices are stopped, just after the listeners.
        returned = speech.read_wav(folder / f"return-{name}.wav")[-round(seconds * RATE) :]
        _judge_return(report, name, own_voice(returned, later[index], later[1 - index]))


def _run(
    server: Server, folder: Path, seconds: float, doors: tuple[str, ...], report: Report
) -> dict[str, dict[str, Any]]:
    room = server.room("Fidelity", speakers=list(NAMES))
    room.open()
    origin = time.monotonic() + 2.0
    with (folder / "speak.log").open("wb") as log:
        voices = [_voice(server, room, name, folder, origin, log) for name in NAMES]
        try:
            time.sleep(max(0.0, origin - time.monotonic()))
            room.start()
            room.wait_for_state("live")
            time.sleep(max(0.0, origin + LEAD - time.monotonic()))
            results = _listen(room, folder, seconds + SETTLE, doors)
            for name, voice in zip(NAMES, voices, strict=True):
                report.speak_cpu_percent[name] = _cpu_percent(voice.pid)
        finally:
            for voice in voices:
                voice.terminate()
            for voice in voices:
                voice.wait(10)
                assert voice.stdin is not None
                voice.stdin.close()
    return results


def _voice(
    server: Server, room: Room, name: str, folder: Path, origin: float, log: Any
) -> subprocess.Popen[str]:
    return start_voice(
        room.slug,
        ticket=room.tickets[name],
        file=folder / f"{name}.wav",
        name=name,
        studio_url=server.studio_url,
        origin=origin,
        return_out=folder / f"return-{name}.wav",
        log=log,
    )


def _listen(room: Room, folder: Path, seconds: float, doors: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """Each door in a process of its own, side by side."""
    running: dict[str, subprocess.Popen[str]] = {}
    for door in doors:
        if running:
            time.sleep(APART)
        running[door] = subprocess.Popen(
            [
                sys.executable,
                "-P",
                "-c",
                _LISTEN,
                room.audience_url,
                door,
                str(seconds),
                str(folder / f"{door}.wav"),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
    results: dict[str, dict[str, Any]] = {}
    for door, process in running.items():
        out, _ = process.communicate(timeout=seconds + 60)
        if process.returncode != 0:
            raise SystemExit(f"The listener at the {door} door failed; see above.")
        results[door] = json.loads(out)
    return results


def _cpu_percent(pid: int) -> float:
    """Of one core, over the life of a process."""
    stat = (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()
    ticks = int(stat[11]) + int(stat[12])
    age = float(Path("/proc/uptime").read_text().split()[0]) - int(stat[19]) / 100
    return round(ticks / 100 / age * 100, 1)


def _judge_door(
    report: Report, door: str, delivered: Signal, spoken: list[Signal], listened: dict[str, Any]
) -> None:
    span = round(60 * RATE)
    found: Fidelity = compare(delivered, spoken, low=-span, high=span)
    report.doors[door] = asdict(found) | {"listened": listened}
    counts = {name: listened.get(name, 0) for name in ("gaps", "repeated", "discontinuities", "stalls")}
    complaints = [
        (found.correlation < MIN_CORRELATION, f"correlation {found.correlation}"),
        (bool(found.jumps), f"the lag jumps at {found.jumps} s"),
        (found.holes > 0, f"{found.holes} silent frames in speech"),
        (found.seconds_compared < report.seconds * 0.5, f"only {found.seconds_compared} s to compare"),
        *((count > 0, f"{count} {name}") for name, count in counts.items()),
    ]
    report.failures += [f"{door}: {text}" for failed, text in complaints if failed]


def _judge_return(report: Report, name: str, found: OwnVoice) -> None:
    report.returns[name] = asdict(found)
    if found.other_correlation < MIN_CORRELATION:
        report.failures.append(f"return of {name}: the other's voice correlates {found.other_correlation}")
    if found.own_gain_db > MAX_OWN_DB:
        report.failures.append(f"return of {name}: own voice only {-found.own_gain_db} dB down")


def show(report: Report) -> None:
    """Two small tables."""
    head = f"{'door':<10}{'corr.':>8}{'worst s':>9}{'constant':>9}"
    print(f"{head}{'spread':>8}{'steps':>7}{'jumps':>7}{'holes':>7}{'gaps':>6}")
    for door, row in report.doors.items():
        print(
            f"{door:<10}{row['correlation']:>8.4f}{row['correlation_worst_second']:>9.4f}"
            f"{row['correlation_constant']:>9.4f}{row['lag_spread_ms']:>8.2f}{len(row['steps']):>7}"
            f"{len(row['jumps']):>7}{row['holes']:>7}{row['listened']['gaps']:>6}"
        )
    print(f"{'return of':<10}{'other corr.':>12}{'other dB':>10}{'own dB':>9}{'alone dB':>10}")
    for name, row in report.returns.items():
        print(
            f"{name:<10}{row['other_correlation']:>12.4f}{row['other_gain_db']:>10.2f}"
            f"{row['own_gain_db']:>9.1f}{row['alone_db']:>10.1f}"
        )
    cpu = ", ".join(f"{name} {percent} %" for name, percent in report.speak_cpu_percent.items())
    print(f"CPU of each speak client, of one core: {cpu}")
    for failure in report.failures:
        print(f"FAILED  {failure}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--doors", default=",".join(DOORS))
    parser.add_argument("--browser", action="store_true")
    parser.add_argument("--keep", type=Path, help="folder for the recordings")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hustings-fidelity-") as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        report = measure(
            options.seconds, folder, tuple(door for door in options.doors.split(",") if door), options.browser
        )
    if options.json:
        print(json.dumps(asdict(report)))
    else:
        show(report)
    return 1 if report.failures else 0


if __name__ == "__main__":
    sys.exit(main())
