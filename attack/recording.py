"""What the recording of an attacked evening says: was anything lost, and is it whole?"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from hustings.cmaf.timeline import SAMPLE_RATE


def finished(data: Path, slug: str, within: float = 60.0) -> tuple[Path, dict[str, Any]]:
    """The folder and index of the room's recording, once it is there. Raises AssertionError."""
    end = time.monotonic() + within
    while time.monotonic() < end:
        for path in (data / "rooms" / slug).glob("*/recording.json"):
            index: dict[str, Any] = json.loads(path.read_text())
            return path.parent, index
        time.sleep(0.2)
    raise AssertionError("The recording was not finished.")


def lost(folder: Path, index: dict[str, Any], names: tuple[str, ...], begin: float, end: float) -> float:
    """Share of the frames of `names` that never came between two Unix times. Raises AssertionError when there
    is nothing of them."""
    since = float(index["live_since"])
    first, last = ((at - since) * SAMPLE_RATE for at in (begin, end))
    missing = all_of_it = 0.0
    for track in index["tracks"]:
        if track["name"] not in names:
            continue
        from_, to = max(first, track["begins"]), min(last, track["begins"] + track["samples"])
        all_of_it += max(0.0, to - from_)
        gaps = (folder / track["file"]).with_suffix(".jsonl").read_text().splitlines()[1:]
        for line in gaps:
            gap = json.loads(line)
            if gap.get("cause") == "lost" and first <= gap["from"] < last:
                missing += gap["samples"]
    assert all_of_it, "Nobody of these spoke then: nothing is shown."
    return missing / all_of_it


def whole(index: dict[str, Any]) -> bool:
    """Nothing was given up, and the program has no hole."""
    return bool(index["whole"]) and not any(gap["cause"] in ("lost", "disk", "off") for gap in index["gaps"])
