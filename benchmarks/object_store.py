"""What storing a recording costs: seconds, processor and memory of sending, freeing, fetching back.

    ./dev bench object_store [--minutes 60] [--large 200] [--json]

The recording has as many segments as `--minutes` of sound (random bytes of their size) and one file of
`--large` MB, as a long FLAC. It goes into a folder and into moto's server, which speaks S3 and runs beside.
Each step is a process of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "tests" / "e2e"))

from s3_support import S3Server, keys_in_environment

from hustings.archive.model import CodecIndex, Index, encode_index
from hustings.archive.open_store import open_objects
from hustings.archive.stored import ensure_local, free, store_recording
from hustings.config import Settings

SEGMENT_BYTES = {"opus": 50_000, "aac": 75_000}
STEPS = ("send", "free", "fetch")


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=int, default=60)
    parser.add_argument("--large", type=int, default=200)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        step(options.step, options.folder)
        return
    with tempfile.TemporaryDirectory() as scratch:
        results = measure(Path(scratch), options.minutes, options.large)
    if options.json:
        print(json.dumps({"bench": "object_store", "results": results}, indent=1))
        return
    for row in results:
        print(
            f"{row['store']:<7} {row['step']:<6} {row['seconds']:6.1f} s, {row['cpu_seconds']:6.1f} s of a "
            f"processor, {row['peak_mb']:4.0f} MB of memory; {row['mb']:.0f} MB in {row['files']} files"
        )


def step(name: str, folder: Path) -> None:
    """One step, in this process."""
    objects = open_objects(Settings())
    assert objects is not None
    if name == "send":
        store_recording(folder, objects, time.time)
    elif name == "free":
        assert free(folder, objects, 0.0, time.time())
    else:
        assert ensure_local(folder, objects)


def measure(scratch: Path, minutes: int, large: int) -> list[dict[str, object]]:
    """A row for each store and step."""
    results: list[dict[str, object]] = []
    place = scratch / "store"
    place.mkdir()
    server = S3Server(scratch / "s3.log")
    server.start()
    try:
        stores = {"folder": {"HUSTINGS_OBJECTS": place.as_uri()}, "S3": keys_in_environment(server.url)}
        for store, environment in stores.items():
            folder = scratch / store / "rooms" / "bench" / "20260101T200000-abc123"
            files = write(folder, minutes, large)
            results += [{"store": store, **files, **timed(each, folder, environment)} for each in STEPS]
    finally:
        server.kill()
    return results


def timed(name: str, folder: Path, environment: dict[str, str]) -> dict[str, object]:
    """Runs one step in a process of its own."""
    began = time.monotonic()
    command = [sys.executable, __file__, f"--step={name}", f"--folder={folder}"]
    process = subprocess.Popen(command, env={**os.environ, **environment})
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return {
        "step": name,
        "seconds": round(time.monotonic() - began, 2),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 2),
        "peak_mb": round(usage.ru_maxrss / 1024, 1),
    }


def write(folder: Path, minutes: int, large: int) -> dict[str, object]:
    """The files; how many and how large."""
    dice = random.Random(1)
    for codec, size in SEGMENT_BYTES.items():
        place = folder / "program" / codec
        place.mkdir(parents=True)
        for number in range(minutes * 10):
            (place / f"{number}.m4s").write_bytes(dice.randbytes(size))
    (folder / "made").mkdir()
    block = dice.randbytes(1_000_000)
    with (folder / "made" / "program.flac").open("wb") as file:
        for _ in range(large):
            file.write(block)
    index = Index(
        slug=folder.parent.name,
        broadcast=folder.name,
        live_since=0.0,
        ended_at=1.0,
        duration=1,
        whole=True,
        codecs={codec: CodecIndex(init_bytes=0, segments=[]) for codec in SEGMENT_BYTES},
        tracks=[],
        gaps=[],
        speaking={},
        names={},
        chapters=[],
    )
    (folder / "recording.json").write_bytes(encode_index(index))
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return {"files": len(sizes), "mb": round(sum(sizes) / 1e6, 1)}


if __name__ == "__main__":
    main()
