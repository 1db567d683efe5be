"""Rows of a run, as a table and as JSON."""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import hustings
from hustings.bench import machine

SATURATED = 90.0
"""Share of its core above which a load generator may have been the bottleneck, in percent."""


@dataclass(slots=True)
class Results:
    """Rows of one run, and what has to be said beside them. `quiet`: no table."""

    quiet: bool = False
    rows: list[dict[str, object]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)
    load: list[float] = field(default_factory=lambda: [machine.load_average()])

    def add(
        self, bench: str, metric: str, runs: Sequence[float], unit: str, subject: str = "hustings"
    ) -> float:
        """One metric; its value, which is returned, is the median of `runs`."""
        value = float(statistics.median(runs))
        row = {
            "bench": bench,
            "subject": subject,
            "metric": metric,
            "value": round(value, 3),
            "unit": unit,
            "runs": [round(float(run), 3) for run in runs],
        }
        self.rows.append(row)
        if not self.quiet:
            spread = f"  ({min(runs):,.4g} to {max(runs):,.4g})" if len(runs) > 1 else ""
            print(f"{bench:<6} {subject:<10} {metric:<34} {value:>14,.5g} {unit}{spread}", flush=True)
        return value

    def generator(
        self,
        bench: str,
        shares: Sequence[float],
        subject: str = "hustings",
        metric: str = "generator_cpu_share",
    ) -> None:
        """How much of its core the load generator needed in each run, in percent; says so if it was all."""
        self.add(bench, metric, shares, "% of a core", subject)
        if max(shares) > SATURATED:
            self.note(
                f"{bench}, {subject}: the load generator used {max(shares):.0f} % of its core: the server "
                "could have done more a second; figures for a core of the server hold."
            )

    def note(self, text: str) -> None:
        """A line beside the figures."""
        if text not in self.notes:
            self.notes.append(text)
            if not self.quiet:
                print(f"       note: {text}", flush=True)

    def value(self, bench: str, metric: str, subject: str = "hustings") -> float | None:
        """The value of a row, None where there is none."""
        for row in self.rows:
            if (row["bench"], row["metric"], row["subject"]) == (bench, metric, subject):
                value = row["value"]
                assert isinstance(value, float)
                return value
        return None

    def ratio(self, bench: str, metric: str, subject: str, name: str, *, inverse: bool = False) -> None:
        """Ours over the peer's (or the inverse), as a row `name` of ours; nothing where one is missing."""
        ours, theirs = self.value(bench, metric), self.value(bench, metric, subject)
        if ours and theirs:
            self.add(bench, name, [theirs / ours if inverse else ours / theirs], f"x {subject}")

    def as_json(self) -> dict[str, object]:
        """CONTRACT's document, and what is beside the figures."""
        command = " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])
        return {
            "machine": machine.describe(),
            "version": hustings.__version__,
            "versions": self.versions,
            "command": command,
            "load_average": [*self.load, machine.load_average()],
            "notes": self.notes,
            "results": self.rows,
        }

    def text(self) -> str:
        """The document on one line."""
        return json.dumps(self.as_json(), ensure_ascii=False)
