"""What the roles' own metrics (Prometheus text) say, as the few figures an operator looks at. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

LATENESS: Final = "hustings_stage_tick_lateness_seconds_bucket"
FRAMES: Final = "hustings_stage_speaker_frames_total"
WANTED: Final = frozenset(
    {
        *(
            "hustings_stage_ticks_total",
            "hustings_stage_ticks_late_total",
            "hustings_stage_ticks_skipped_total",
        ),
        *(
            LATENESS,
            FRAMES,
            "hustings_stage_live",
            "hustings_stage_silent_seconds",
            "hustings_stage_speakers",
        ),
        *("hustings_stage_chunks_total", "hustings_stage_gaps_total", "hustings_stage_packets_unsent_total"),
        *("hustings_edge_listeners", "hustings_edge_level", "hustings_edge_places_free"),
        *("hustings_edge_lobby_waiting", "hustings_edge_shed_total", "hustings_edge_refused_total"),
        *("hustings_edge_skips_total", "hustings_edge_store_failing", "hustings_scribe_store_failing"),
        *("hustings_bus_dropped_total", "hustings_tls_not_after_seconds", "hustings_certificate_failing"),
    }
)
"""Read by the names they are documented by (docs/metrics.md)."""
MAX_TEXT: Final = 512 * 1024
"""Characters of one role's text that are looked at."""

type Role = Mapping[str, Mapping[str, float]]
"""Metric -> the text of its labels, as it stands in the exposition -> value."""
type Sample = Mapping[str, Role]
"""By role's name."""


def read_role(text: str) -> dict[str, dict[str, float]]:
    """The wanted metrics of one exposition in text format 0.0.4. What is no sample is passed over."""
    found: dict[str, dict[str, float]] = {}
    for line in text[:MAX_TEXT].split("\n"):
        if not line.startswith("hustings_"):
            continue
        head, _, value = line.rpartition(" ")
        name, _, labels = head.partition("{")
        if name in WANTED:
            try:
                number = float(value)
            except ValueError:
                continue
            if math.isfinite(number):
                found.setdefault(name, {})[labels.removesuffix("}")] = number
    return found


def values(sample: Sample, name: str, label: str = "") -> Iterator[float]:
    """Of all roles; `label`: only series with it, such as `door="push"`."""
    for role in sample.values():
        for labels, value in role.get(name, {}).items():
            if not label or label in labels.split(","):
                yield value


def total(sample: Sample, name: str, label: str = "") -> float:
    return sum(values(sample, name, label))


def most(sample: Sample, name: str) -> float | None:
    """None: nobody says it."""
    return max(values(sample, name), default=None)


def grown(before: Sample, after: Sample, name: str, label: str = "") -> float:
    """By how much a counter has grown, over all roles; one that began anew counts from 0."""
    sum_ = 0.0
    for role in after.keys() & before.keys():  # what others counted before may not be of this time
        known = before[role].get(name, {})
        for labels, value in after[role].get(name, {}).items():
            if not label or label in labels.split(","):
                was = known.get(labels, 0.0)
                sum_ += value - was if value >= was else value
    return sum_


def quantile(before: Sample, after: Sample, name: str, share: float) -> float | None:
    """The upper bound of the histogram's bucket in which `share` of what came in between lies; None when
    nothing came, the largest bound when it lies beyond."""
    bounds: dict[float, float] = {}
    for role in after.keys() & before.keys():
        known = before[role].get(name, {})
        for labels, value in after[role].get(name, {}).items():
            bound = float(labels.partition('le="')[2].partition('"')[0].replace("+Inf", "inf"))
            was = known.get(labels, 0.0)
            bounds[bound] = bounds.get(bound, 0.0) + (value - was if value >= was else value)
    count = bounds.get(math.inf, 0.0)
    if count <= 0:
        return None
    finite = sorted(bound for bound in bounds if bound != math.inf)
    return next((bound for bound in finite if bounds[bound] >= share * count), finite[-1] if finite else None)


@dataclass(frozen=True, slots=True)
class Figures:
    """Of the last `seconds`; None: not known."""

    seconds: float = 0.0
    live: int = 0
    """Broadcasts live on the stage."""
    speakers: int = 0
    listeners: dict[str, int] = field(default_factory=dict)
    """At the edges, by door as hustings_edge_listeners has it."""
    late: float | None = None
    """Share of ticks that began more than 5 ms late."""
    late_ms: float | None = None
    """99 of 100 ticks began at most so many milliseconds late (upper bound of a bucket)."""
    skipped: int = 0
    loss: float | None = None
    """Share of speakers' frames that had to be made up."""
    chunks: int = 0
    """Published by the stage, of both codecs."""
    gaps: int = 0
    silent_seconds: float = 0.0
    level: int | None = None
    """0 to 4 (docs/operating.md, "When too many come")."""
    places_free: int | None = None
    waiting: int = 0
    """In the lobby."""
    refused: int = 0
    skips: int = 0
    bus_dropped: int = 0
    store_failing: bool = False
    certificate_ends: float | None = None
    """Unix seconds: the earliest."""
    certificate_failing: bool = False

    @property
    def used(self) -> float | None:
        """Share of the places that are taken."""
        if self.places_free is None:
            return None
        taken = sum(self.listeners.get(door, 0) for door in ("push", "stream"))
        return taken / (taken + self.places_free) if taken + self.places_free else None


def figures(before: Sample, after: Sample, seconds: float) -> Figures:
    """What is so now, and what happened in the `seconds` between the two samples."""

    def more(name: str, label: str = "") -> float:
        return grown(before, after, name, label)

    ticks, lateness = more("hustings_stage_ticks_total"), quantile(before, after, LATENESS, 0.99)
    heard = sum(more(FRAMES, f'kind="{kind}"') for kind in ("voice", "fec"))
    made_up = more(FRAMES, 'kind="concealed"')
    level = most(after, "hustings_edge_level")
    places = list(values(after, "hustings_edge_places_free"))
    doors = ("push", "stream", "hls_waiting")
    ends = [end for end in values(after, "hustings_tls_not_after_seconds") if end > 0]
    return Figures(
        seconds=seconds,
        live=int(total(after, "hustings_stage_live")),
        speakers=int(total(after, "hustings_stage_speakers")),
        listeners={door: int(total(after, "hustings_edge_listeners", f'door="{door}"')) for door in doors},
        late=more("hustings_stage_ticks_late_total") / ticks if ticks else None,
        late_ms=None if lateness is None else lateness * 1000,
        skipped=int(more("hustings_stage_ticks_skipped_total")),
        loss=made_up / (heard + made_up) if heard + made_up else None,
        chunks=int(more("hustings_stage_chunks_total")),
        gaps=int(more("hustings_stage_gaps_total")),
        silent_seconds=most(after, "hustings_stage_silent_seconds") or 0.0,
        level=None if level is None else int(level),
        places_free=int(sum(places)) if places else None,
        waiting=int(total(after, "hustings_edge_lobby_waiting")),
        refused=int(more("hustings_edge_shed_total") + more("hustings_edge_refused_total")),
        skips=int(more("hustings_edge_skips_total")),
        bus_dropped=int(more("hustings_bus_dropped_total")),
        store_failing=any(
            (most(after, f"hustings_{each}_store_failing") or 0) > 0 for each in ("edge", "scribe")
        ),
        certificate_ends=min(ends, default=None),
        certificate_failing=bool(most(after, "hustings_certificate_failing")),
    )
