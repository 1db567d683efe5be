"""What failed in the last pytest run, once more, alone: `python tools/failed_again.py`.

Real sockets, browsers and processes on a machine with other things to do fail now and then for want of time.
What is broken fails twice. So a run in which at most `AT_MOST` tests failed gets a second try of just these,
in a new process, and says which they were: a test named here often wants mending.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

AT_MOST = 5
"""Failures of one run that may be for want of time; with more, something is broken."""
LAST_FAILED = Path(".pytest_cache/v/cache/lastfailed")


def failed(cache: Path) -> list[str]:
    """Node ids of the tests that failed in the last run; none if it is not known."""
    try:
        noted = json.loads(cache.read_text())
    except (OSError, ValueError):
        return []
    return sorted(noted) if isinstance(noted, dict) else []


def main() -> int:
    """Exit status: 0 when all of them passed alone."""
    tests = failed(LAST_FAILED)
    # A file that cannot even be collected has no "::" in its id.
    if not 0 < len(tests) <= AT_MOST or not all("::" in each for each in tests):
        return 1
    listed = "\n".join(f"  {each}" for each in tests)
    print(f"\nfailed once, now alone and for the last time:\n{listed}", flush=True)
    again = [sys.executable, "-m", "pytest", *tests]
    status = subprocess.run(again, check=False).returncode  # noqa: S603  # names of our own tests
    if status == 0:
        print(f"passed alone, failed among the others (worth a look):\n{listed}", flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
