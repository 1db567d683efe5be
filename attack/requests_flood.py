"""Attack 3: more requests than the door can answer, by wrk: what becomes of the good answers?"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass

_RATE = re.compile(r"Requests/sec:\s+([0-9.]+)")
_TOTAL = re.compile(r"([0-9]+) requests in")
_BAD = re.compile(r"Non-2xx or 3xx responses: ([0-9]+)")
_ERRORS = re.compile(r"Socket errors: connect ([0-9]+), read ([0-9]+), write ([0-9]+), timeout ([0-9]+)")


@dataclass(frozen=True, slots=True)
class Answered:
    """One run: good and refused answers a second, and sockets that failed in it."""

    good: float
    refused: float
    failed: int


def ask(url: str, connections: int, seconds: int) -> Answered:
    """`connections` ask for `url` as fast as answers come. Raises FileNotFoundError without wrk."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", url]
    said = subprocess.run(command, check=True, capture_output=True, text=True, timeout=seconds + 60).stdout
    rate, total = _RATE.search(said), _TOTAL.search(said)
    assert rate is not None, said
    assert total is not None, said
    bad, errors = _BAD.search(said), _ERRORS.search(said)
    share = int(bad[1]) / max(1, int(total[1])) if bad is not None else 0.0
    failed = sum(int(each) for each in errors.groups()) if errors is not None else 0
    return Answered(float(rate[1]) * (1 - share), float(rate[1]) * share, failed)


def mean(one: Answered, other: Answered) -> Answered:
    """Of two runs of the same length."""
    return Answered((one.good + other.good) / 2, (one.refused + other.refused) / 2, one.failed + other.failed)
