"""Simulated power cuts of the database: `python benchmarks/database_cuts.py [--commands 400] [--cuts 500]`.

A real store carries out random commands of a room on a file system that logs its writes; the log is cut at
random bytes, what had not been synced is lost, kept or torn sector by sector, and the store opens what is
left. Everything acknowledged before the cut has to be there, and the database whole.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "e2e"))

from database_cuts_support import cut_often


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--commands", type=int, default=400)
    parser.add_argument("--cuts", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        seen = cut_often(Path(folder), arguments.commands, arguments.cuts, arguments.seed)
    print(json.dumps({**seen, "seconds": round(time.monotonic() - began, 1)}))


if __name__ == "__main__":
    main()
