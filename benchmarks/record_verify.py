"""What checking costs: a broadcast of two hours, its record and every segment of it, by `hustings verify`.

    ./dev bench record_verify [--minutes 120] [--evenings 100] [--runs 3] [--json]

Measured is the whole command, its start included: seconds on the clock and of a processor. The segments are
as large as those of real sound and hold random bytes (only their SHA-256 counts here); the record has an
entry of the audience each minute. `evenings`: the record of a room that was on so often, alone.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "tests" / "archive"))

from record_story import AT, SLUG, WEEK, evening, signed

from hustings.archive.model import CodecIndex, Index, Segment, encode_index
from hustings.archive.proofs import Proofs
from hustings.archive.record_facts import recording_fact
from hustings.audio.frame import SAMPLE_RATE
from hustings.rooms.record_entries import Fact

BROADCAST = "20261129T185500-a1b2c3"
SEGMENT = 6 * SAMPLE_RATE
BYTES = {"opus": 48_000, "aac": 72_000}
"""Of a segment of 6 s: 64 and 96 kbit/s."""
VERIFY = (str(Path(sys.executable).with_name("hustings")), "verify", "--json")


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=int, default=120)
    parser.add_argument("--evenings", type=int, default=100)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        results = measure(Path(place), options.minutes, options.evenings, options.runs)
    if options.json:
        print(
            json.dumps({"bench": "record_verify", "minutes": options.minutes, "results": results}, indent=1)
        )
        return
    for row in results:
        print(
            f"{row['what']:<34} {row['seconds']:5.2f} s (median of {options.runs}; {row['cpu_seconds']:.2f} "
            f"s of a processor), {row['entries']} entries, {row['files']} files, {row['mb']:.1f} MB"
        )


def measure(data: Path, minutes: int, evenings: int, runs: int) -> list[dict[str, object]]:
    """One row for each thing that is checked."""
    folder = data / "rooms" / SLUG / BROADCAST
    index = write(folder, minutes)
    record = folder / "record.jsonl"
    begin = [Fact("created", AT, {"title": "The new library", "scheduled": None})]
    said = recording_fact(folder, index, AT + WEEK)
    on = [fact for fact in evening(BROADCAST, AT, minutes=minutes) if fact.kind != "recording"]
    record.write_bytes(signed([*begin, *on, said]).whole)
    many = data / "many.jsonl"
    for week in range(evenings):
        begin += evening(f"{20200101 + week}T185500-0a1b2c", AT + week * WEEK, minutes=minutes)
    many.write_bytes(signed(begin).whole)
    proof = data / "proof.json"
    proof.write_text(json.dumps(Proofs(index, "opus").whole(7)))
    (data / "7.m4s").write_bytes((folder / "program" / "opus" / "7.m4s").read_bytes())
    mb = sum(BYTES.values()) * minutes * 10 / 1e6
    return [
        run(f"recording of {minutes} min, all of it", runs, mb, str(folder)),
        run("its record alone", runs, record.stat().st_size / 1e6, str(record)),
        run("one segment of it", runs, BYTES["opus"] / 1e6, str(proof), "--record", str(record)),
        run(f"record of {evenings} evenings", runs, many.stat().st_size / 1e6, str(many)),
    ]


def run(what: str, runs: int, mb: float, *arguments: str) -> dict[str, object]:
    """The command, some times over."""
    clock: list[float] = []
    cpu: list[float] = []
    found: dict[str, object] = {}
    for _ in range(runs):
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        done = subprocess.run([*VERIFY, *arguments], capture_output=True, text=True, check=False)
        clock.append(time.perf_counter() - began)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        found = json.loads(done.stdout)
        if not found["ok"]:
            raise SystemExit(f"{what}: {found['reason']}")
    return {
        "what": what,
        "seconds": round(statistics.median(clock), 3),
        "cpu_seconds": round(statistics.median(cpu), 3),
        "entries": found["entries"],
        "files": found["files"],
        "mb": round(mb, 2),
    }


def write(folder: Path, minutes: int) -> Index:
    """A recording of so many minutes."""
    rng = random.Random(1)
    codecs: dict[str, CodecIndex] = {}
    for codec, size in BYTES.items():
        place = folder / "program" / codec
        place.mkdir(parents=True)
        segments: list[Segment] = []
        for number in range(minutes * 10):
            data = rng.randbytes(size)
            (place / f"{number}.m4s").write_bytes(data)
            digest = hashlib.sha256(data).hexdigest()
            segments.append(Segment(number, number * SEGMENT, SEGMENT, size, digest))
        codecs[codec] = CodecIndex(init_bytes=0, segments=segments)
    index = Index(
        slug=SLUG,
        broadcast=BROADCAST,
        live_since=AT,
        ended_at=AT + 60 * minutes,
        duration=minutes * 60 * SAMPLE_RATE,
        whole=True,
        codecs=codecs,
        tracks=[],
        gaps=[],
        speaking={},
        names={},
        chapters=[],
    )
    (folder / "recording.json").write_bytes(encode_index(index))
    return index


if __name__ == "__main__":
    main()
