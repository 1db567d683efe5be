"""What docs/metrics.md says of metrics and their labels, and how many series that makes at most."""

from __future__ import annotations

import importlib
import math
import pkgutil
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import REGISTRY
from prometheus_client.metrics_core import Metric

import hustings
from hustings.bus import subjects
from hustings.edge.metrics import Metrics

DOCUMENT = Path(__file__).parents[2] / "docs" / "metrics.md"
LIBRARY = re.compile(r"(process|python)_[a-z_]+")
"""Metrics of the client library itself."""
LIBRARY_SERIES = 40
"""Of one role at most; test_metrics_bounded.py counts them."""
ROLES = ("supervisor", "stage", "studio", "scribe", "certificates")
"""Each of them there once; edges come on top."""


@dataclass(frozen=True, slots=True)
class Documented:
    """One row of the table of metrics."""

    kind: str
    labels: tuple[str, ...]


def metrics() -> dict[str, Documented]:
    """By name as it is exported."""
    rows = re.findall(r"^\| `(hustings_\w+)` \| (\w+) \| ([^|]+) \|", DOCUMENT.read_text(), re.MULTILINE)
    return {
        name: Documented(
            kind, () if labels.strip() == "-" else tuple(each.strip() for each in labels.split(","))
        )
        for name, kind, labels in rows
    }


def _quoted(cell: str) -> list[str]:
    return [each.replace("\\|", "|") for each in re.findall(r"`([^`]+)`", cell)]


def label_rows() -> list[tuple[str, list[str], list[str]]]:
    """The table of labels: label, metrics (patterns), values (patterns)."""
    rows = re.findall(r"^\| ([a-z]+) \| (.+?) \| (`.+`) \|$", DOCUMENT.read_text(), re.MULTILINE)
    return [(label, _quoted(of), _quoted(values)) for label, of, values in rows]


def values(metric: str, label: str) -> list[str]:
    """Patterns one of which a label's value matches. The last row that fits counts."""
    if label == "role":
        return next(found for each, _, found in label_rows() if each == "role")
    fitting = [
        found
        for each, of, found in label_rows()
        if each == label and any(re.fullmatch(pattern, metric) for pattern in of)
    ]
    assert fitting, f"{metric}: {label} is not in the table of labels"
    return fitting[-1]


def count(metric: str, label: str, edges: int) -> int:
    """How many values there are at most."""
    found = 0
    for pattern in values(metric, label):
        if pattern == "edge-[0-9]+":
            found += edges
        elif label == "subject":
            found = len(subjects.FIXED) + 3
        else:
            assert re.fullmatch(r"[\w ]+", pattern), pattern
            found += 1
    return found


def exporters(metric: str, edges: int) -> int:
    """How many roles can export it."""
    if metric.startswith("hustings_bus_"):
        return len(ROLES) + edges
    if metric.startswith("hustings_tls_"):
        return 1 + edges  # studio and edges show certificates
    return edges if metric.startswith("hustings_edge_") else 1


def families() -> list[Metric]:
    """Of every module of the package, as if all ran in one process, and an edge's own."""
    for module in pkgutil.walk_packages(hustings.__path__, "hustings."):
        if not module.name.endswith(("__main__", ".main_child")) and ".migrations." not in module.name:
            importlib.import_module(module.name)
    edge = {family.name for family in Metrics().collect()}
    found = [family for family in REGISTRY.collect() if family.name not in edge]
    return [*(family for family in found if family.name.startswith("hustings_")), *Metrics().collect()]


def exported_name(family: Metric) -> str:
    return family.name + ("_total" if family.type == "counter" else "")


def most_series(edges: int, found: Iterable[Metric]) -> int:
    """The bound: values of labels multiplied, for each role that exports the metric; a histogram has its
    buckets, a sum and a count."""
    documented = metrics()
    total = LIBRARY_SERIES * (len(ROLES) + edges)
    for family in found:
        name = exported_name(family)
        each = math.prod(count(name, label, edges) for label in documented[name].labels)
        if family.type == "histogram":
            each *= len({sample.labels["le"] for sample in family.samples if "le" in sample.labels}) + 2
        total += each * exporters(name, edges)
    return total
