"""Files of others are exactly those that VENDOR.md names."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import hustings

VENDOR = Path(hustings.__file__).parent / "web" / "vendor"


def test_every_vendored_script_has_the_hash_that_is_written_down() -> None:
    written = dict(
        re.findall(r"^\| (\S+) \|.*\| ([0-9a-f]{64}) \|$", (VENDOR / "VENDOR.md").read_text(), re.M)
    )
    there = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in VENDOR.iterdir()
        if path.suffix in (".mjs", ".js", ".css")
    }
    assert there == written
