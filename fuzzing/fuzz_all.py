"""All fuzzers in one: `python fuzzing/fuzz_all.py [--runs 100000] [--seed N] [TARGET ...]`.

`--runs` are shared out among the targets, cheap ones get most. The same seed tries the same. What is found is
written below fuzzing/found, told, and the exit code is 1: mend it, and put the input into fuzzing/corpus,
where a test gives it again for ever. 10^5 are part of ./dev test, 10^7 is a night's work.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
import traceback
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent))

import native
import targets_doors
import targets_media
from engine import Found, Outcome, Target, fuzz

TARGETS: dict[str, type[Target]] = {
    target.name: target for target in (*targets_media.TARGETS, *targets_doors.TARGETS)
}
NAMES = (*TARGETS, *native.SHARES)


def shared(runs: int, names: list[str]) -> dict[str, int]:
    """How many of `runs` each target gets; together exactly `runs`."""
    shares = {name: TARGETS[name].share if name in TARGETS else native.SHARES[name] for name in names}
    whole = sum(shares.values())
    given = {name: runs * share // whole for name, share in shares.items()}
    most = max(shares, key=lambda name: shares[name])
    given[most] += runs - sum(given.values())
    return given


class Progress:
    """A line for each target that takes long."""

    def __init__(self, name: str, runs: int) -> None:
        self._name, self._runs = name, runs
        self._next = time.monotonic() + 60.0

    def __call__(self, done: int, lines: int) -> None:
        if time.monotonic() >= self._next:
            self._next += 60.0
            said = f"{self._name}: {done:,} of {self._runs:,}, {lines} lines"
            print(said, file=sys.stderr, flush=True)


def one(name: str, runs: int, seed: int) -> Outcome:
    """Runs one target. Raises Found."""
    progress = Progress(name, runs)
    if name in native.SHARES:
        return native.run_apart(name, runs, seed)
    return asyncio.run(fuzz(TARGETS[name](), runs, seed, progress))


def main() -> int:
    """0 when nothing was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="TARGET", help=", ".join(NAMES))
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if unknown := set(options.names) - set(NAMES):
        parser.error(f"no target {', '.join(sorted(unknown))}; there are: {', '.join(NAMES)}")
    outcomes: list[Outcome] = []
    bad = 0
    print(f"seed {options.seed}", file=sys.stderr, flush=True)
    for name, runs in shared(options.runs, options.names or list(NAMES)).items():
        if not runs:
            continue
        try:
            outcome = one(name, runs, options.seed)
        except Found as found:
            bad += 1
            traceback.print_exception(found.__cause__ or found)
            print(f"{name}: FOUND, kept as {found.keep()}", file=sys.stderr, flush=True)
            continue
        outcomes.append(outcome)
        speed = outcome.runs / max(outcome.seconds, 1e-9)
        if not options.json:
            reached = f"{outcome.lines} lines, {outcome.kept} kept" if outcome.lines else ""
            print(f"{name:<9} {outcome.runs:>9,} runs {speed:>10,.0f}/s  {reached}", flush=True)
    total, spent = sum(each.runs for each in outcomes), sum(each.seconds for each in outcomes)
    if options.json:
        rows = {each.target: [each.runs, round(each.seconds, 1), each.lines] for each in outcomes}
        print(json.dumps({"seed": options.seed, "runs": total, "found": bad, "targets": rows}))
    else:
        print(f"{total:,} runs in {spent:.0f} s, {bad} targets with findings")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
