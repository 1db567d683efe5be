"""What a download costs: seconds and memory for a program of two hours, each kind, as the scribe makes it.

    ./dev bench scribe_made [--minutes 120] [--json]

The recording is made of a short one, its segments repeated; what is measured is the process the scribe starts
(`python -m hustings.scribe.make`): processor seconds, seconds on the clock, the most memory it ever held.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path

import msgspec

sys.path.append(str(Path(__file__).parents[1] / "tests" / "archive"))

from hustings.archive.made import Episode, MadeKind, Order, read_made
from hustings.archive.model import CodecIndex, Index, Segment, encode_index
from hustings.audio.frame import SAMPLE_RATE
from hustings.audio.opus import OpusEncoder
from hustings.clients.sound_file import read_frames
from hustings.cmaf.chunker import Chunker
from hustings.cmaf.init_segment import init_segment
from hustings.scribe.work import COMMAND

KINDS: tuple[MadeKind, ...] = ("mp3", "m4a", "flac")
SLUG, BROADCAST = "bench", "20261128T200000-abc123"
SEGMENT = 6 * SAMPLE_RATE


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=int, default=120)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        results = measure(Path(folder), options.minutes)
    if options.json:
        print(json.dumps({"bench": "scribe_made", "minutes": options.minutes, "results": results}, indent=1))
        return
    for row in results:
        print(
            f"{row['kind']:<5} {row['seconds']:6.1f} s, {row['cpu_seconds']:6.1f} s of a processor, "
            f"{row['peak_mb']:4.0f} MB of memory at most, file of {row['file_mb']:.1f} MB"
        )


def measure(data: Path, minutes: int) -> list[dict[str, object]]:
    """One row a kind."""
    folder = data / "rooms" / SLUG / BROADCAST
    write(folder, minutes)
    rows: list[dict[str, object]] = []
    for kind in KINDS:
        order = Order(slug=SLUG, broadcast=BROADCAST, kind=kind, episode=Episode(title="Two hours"))
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        started = time.monotonic()
        process = subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(msgspec.json.encode({"folder": str(folder), "order": order}) + b"\n")
        process.stdin.flush()
        peak = 0
        for _line in process.stdout:
            peak = max(peak, peak_kb(process.pid))
        if process.wait() != 0:
            raise SystemExit(f"{kind} could not be made")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        rows.append(
            {
                "kind": kind,
                "seconds": round(time.monotonic() - started, 1),
                "cpu_seconds": round(cpu, 1),
                "peak_mb": round(peak / 1024),
                "file_mb": round(read_made(folder)[kind].bytes / 1e6, 1),
            }
        )
    return rows


def peak_kb(pid: int) -> int:
    """The most memory the process ever held, kB."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")), 0)


def write(folder: Path, minutes: int) -> None:
    """A recording's Opus program of that length: a minute of speech, over and over."""
    place = folder / "program" / "opus"
    place.mkdir(parents=True)
    (place / "init.mp4").write_bytes(init_segment("opus"))
    voice = Path(__file__).parents[1] / "src" / "hustings" / "web" / "demo" / "host.opus"
    encoder = OpusEncoder(64_000, application="audio", fec=False)
    packets = [encoder.encode(frame) for frame in islice(read_frames(voice), 60 * 50)]
    segments: list[Segment] = []
    chunker = Chunker("opus", 0, 0)
    data, number = bytearray(), 0
    for index in range(minutes * 60 * 50):
        for chunk in chunker.push(packets[index % len(packets)]):
            data += chunk.data
            if (chunk.seq + 1) % 30 == 0:
                (place / f"{number}.m4s").write_bytes(data)
                segments.append(Segment(number, number * SEGMENT, SEGMENT, len(data), "0" * 64))
                data.clear()
                number += 1
    index_of = Index(
        slug=SLUG,
        broadcast=BROADCAST,
        live_since=1_790_000_000.0,
        ended_at=1_790_000_000.0 + minutes * 60,
        duration=len(segments) * SEGMENT,
        whole=True,
        codecs={"opus": CodecIndex(init_bytes=0, segments=segments)},
        tracks=[],
        gaps=[],
        speaking={},
        names={},
        chapters=[(0, "One"), (minutes * 30 * SAMPLE_RATE, "Two")],
    )
    (folder / "recording.json").write_bytes(encode_index(index_of))


if __name__ == "__main__":
    main()
