"""A day in fast time: does an edge grow? `python benchmarks/soak_fast.py [--hours 24]`.

The real edge with a room that is live, its window, playlists and push listeners, on a clock that is moved
on by hand; nothing is waited for. Slope: a line through the last half of what the process has written
in memory, an hour of the broadcast's. The stage in fast time, with drift: recording_hour.py.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import re
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[1] / "tests" / "edge"))

from edge_fakes import BROADCAST
from edge_memory import House, make_house
from slopes import Slope, slope

from hustings.bus.messages import RoomStatus

WINDOW = 600
"""Seconds: as in soak.py, so that it is full early."""
CHUNKS = 5
"""A second."""


def written() -> float:
    """Bytes of memory this process has written for itself."""
    gc.collect()
    found = re.search(r"^Anonymous:\s+(\d+) kB", Path("/proc/self/smaps_rollup").read_text(), re.M)
    assert found is not None
    return int(found[1]) * 1024.0


async def edge(hours: float) -> list[tuple[float, float]]:
    """(hours, bytes) of an edge with a live room, three push listeners and somebody who reloads playlists."""
    points = []
    with tempfile.TemporaryDirectory() as folder:
        house = make_house(Path(folder), window=WINDOW)
        status: RoomStatus = "live"
        house.go_live()
        await house.room(status)
        listeners = [house.client(f"10.0.0.{number}") for number in range(3)]
        for listener in listeners:
            listener.get("/r/hall/live")
        for second in range(round(hours * 3600)):
            house.produce(CHUNKS)
            house.step(1.0)
            _forget(house)
            for listener in listeners:
                listener.transport.taken.clear()
            if second % 6 == 0:
                house.client("10.0.1.1").ask("/r/hall/hls/opus.m3u8")
                await asyncio.sleep(0)
            if second % max(60, round(hours * 18)) == 0:
                points.append((second / 3600, written()))
        await house.end()
    return points


def _forget(house: House) -> None:
    """The fakes' own memory is not what is measured."""
    for chunks in house.bus.chunks.values():
        del chunks[:-50]
    house.bus.published.clear()
    house.bus.requests.clear()


def told(name: str, found: Slope, length: float, seconds: float) -> dict[str, Any]:
    """One row, printed as well."""
    row = {
        "what": name,
        "hours": length,
        "mb": round(found.last / 1e6, 1),
        "mb_an_hour": round(found.slope / 1e6, 4),
        "error": round(found.error / 1e6, 4),
        "took_seconds": round(seconds),
    }
    print(json.dumps(row), flush=True)
    return row


def main() -> int:
    """0 when nothing grows by more than a tenth of a megabyte an hour."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=24.0)
    options = parser.parse_args()
    began = time.monotonic()
    points = asyncio.run(edge(options.hours))
    found = slope(points[len(points) // 2 :])
    told(f"edge {BROADCAST}", found, options.hours, time.monotonic() - began)
    return 0 if found.slope < 0.1e6 else 1


if __name__ == "__main__":
    sys.exit(main())
