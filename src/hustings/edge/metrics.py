"""What an edge counts, as plain integers (the hot path adds to them), shown to Prometheus on demand.

| metric | labels | meaning |
|---|---|---|
| hustings_edge_connections | - | connections open now |
| hustings_edge_listeners | door: push, stream, hls_waiting | endless responses and waiting reloads now |
| hustings_edge_refused_total | reason (`REFUSALS`) | refused by the gate or for load |
| hustings_edge_replies_total | status | replies by HTTP status |
| hustings_edge_cut_total | reason (`CUTS`) | connections the edge ended, by why |
| hustings_edge_skips_total | - | times a slow listener was moved to the live edge |
| hustings_edge_events_dropped_total | - | timed events that did not fit into one batch |
| hustings_edge_chunks_total | kind: live, fetched, duplicate, dropped | chunks by how they came |
| hustings_edge_gaps_total | reason: gap, restart | discontinuities in what the stage gave |
| hustings_edge_replay_reads_total | outcome: read, failed, refused | reads of recordings from the disk |
| hustings_edge_replay_sending | - | long files of recordings going out now |
| hustings_edge_store_failing | - | 1 while the store of recordings has failed when it was last asked |
| hustings_edge_sent_bytes_total | door: push, stream, replay | bytes handed to listeners' transports |
| hustings_edge_batch_chunks | - | chunks in a push batch now (1, 2 or 4) |
| hustings_edge_cpu_share | - | share of one core used by the event loop's thread, last second |
| hustings_edge_inputs_total | kind (`INPUTS`) | what listeners sent and was taken (202) |
| hustings_edge_inputs_refused_total | kind, reason (`INPUT_REFUSALS`) | what was not, by why |
| hustings_edge_inputs_dropped_total | reason: refused, unanswered | taken, but the studio did not |
| hustings_edge_inputs_waiting | - | inputs waiting for the studio now |
| hustings_edge_loop_lag_seconds | - | how late the one-second tick came, last second |
| hustings_edge_batch_late_seconds | - | longest way of a batch to its last listener, last second |
| hustings_edge_level | - | what is given up under load now, 0 to 4 (shedding.py) |
| hustings_edge_shed_total | kind: input, join, page | refused for that level or for want of places |
| hustings_edge_places | bound: descriptors, memory, cpu | listeners it can hold by each bound |
| hustings_edge_audience_dropped_total | what (`AUDIENCE_DROPPED`) | not in the audience figures |
| hustings_edge_audience_sessions | - | endless responses that are looked at for the audience figures |
| hustings_edge_places_free | - | how many more it would let in, by the bound that binds |
| hustings_edge_lobby_waiting | door: join, page | how many wait their turn, about |
| hustings_edge_lobby_total | outcome (`LOBBY`) | what became of those who asked while there was a lobby |

No label ever holds a slug, an address or anything a visitor can choose.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

REFUSALS = ("full", "crowded", "cut", "load", "draining")
CUTS = (
    "header_deadline",
    "idle",
    "slow_reader",
    "slow_listener",
    "stalled_listener",
    "pipelining",
    "protocol",
    "tls",
)

INPUTS = ("hand", "lower", "reaction", "question", "vote")
INPUT_REFUSALS = ("room", "closed", "origin", "type", "form", "address", "device", "full")
"""No such room, not taken now, another site's page, not JSON, not valid, limits, queue full."""


SHED = ("input", "join", "page")
LOBBY = ("new", "kept", "let_in", "invited", "returned", "tested", "failed", "forged", "expired", "used")
"""Told to wait for the first time, told again, let in, with an invitation, back after a lost line; did the
effort test, or wrongly; with a place nobody here has given, an old one, one used too often."""


AUDIENCE_DROPPED = ("session", "stretch", "unkeyed", "hls", "replay")
"""Listeners beyond the bound, parts of their time, listeners without the salt, of HLS, of recordings."""


class Metrics:
    """All counters of one edge process; also a Prometheus collector."""

    def __init__(self) -> None:
        self.refused = dict.fromkeys(REFUSALS, 0)
        self.cut = dict.fromkeys(CUTS, 0)
        self.replies: dict[int, int] = {}
        self.skips = 0
        self.events_dropped = 0
        self.chunks = dict.fromkeys(("live", "fetched", "duplicate", "dropped"), 0)
        self.gaps = dict.fromkeys(("gap", "restart"), 0)
        self.sent = dict.fromkeys(("push", "stream", "replay"), 0)
        self.replay_reads = dict.fromkeys(("read", "failed", "refused"), 0)
        self.replay_sending: Callable[[], int] = int
        self.store_failing: Callable[[], int] = int
        self.inputs = dict.fromkeys(INPUTS, 0)
        self.inputs_refused = {(kind, reason): 0 for kind in INPUTS for reason in INPUT_REFUSALS}
        self.inputs_dropped = dict.fromkeys(("refused", "unanswered"), 0)
        self.inputs_waiting: Callable[[], int] = int
        self.batch = 1
        self.writes = 0
        """To listeners, so far."""
        self.late = 0.0
        """Seconds of the longest way of a batch since the last sample."""
        self.batch_late = 0.0
        self.level = 0
        self.shed = dict.fromkeys(SHED, 0)
        self.lobby = dict.fromkeys(LOBBY, 0)
        self.places: dict[str, float] = {}
        self.places_free = 0
        self.waiting: Callable[[], dict[str, int]] = dict
        self.audience_dropped: Callable[[], dict[str, int]] = dict
        self.audience_sessions: Callable[[], int] = int
        self.cpu_share = 0.0
        self.lag = 0.0
        self.connections: Callable[[], int] = int
        self.listeners: Callable[[], dict[str, int]] = dict

    def register(self, registry: CollectorRegistry) -> None:
        """Shows these counters in `registry`."""
        registry.register(self)

    def collect(self) -> Iterable[Metric]:
        """Prometheus families, see the table above."""
        for name, text, label, values in (
            ("refused", "Refused connections and requests.", "reason", self.refused),
            ("cut", "Connections ended by the edge.", "reason", self.cut),
            ("chunks", "Media chunks by how they came.", "kind", self.chunks),
            ("gaps", "Discontinuities in the media.", "reason", self.gaps),
            ("replay_reads", "Reads of recordings from the disk.", "outcome", self.replay_reads),
            ("sent_bytes", "Bytes handed to listeners' transports.", "door", self.sent),
            ("inputs", "What listeners sent and was taken.", "kind", self.inputs),
            ("audience_dropped", "Not in the audience figures.", "what", self.audience_dropped()),
            ("inputs_dropped", "Taken inputs that the studio did not take.", "reason", self.inputs_dropped),
            ("shed", "Refused under load.", "kind", self.shed),
            ("lobby", "Who asked while there was a lobby.", "outcome", self.lobby),
            ("replies", "Replies by HTTP status.", "status", {str(k): v for k, v in self.replies.items()}),
        ):
            counter = CounterMetricFamily(f"hustings_edge_{name}", text, labels=[label])
            for key, value in values.items():
                counter.add_metric([key], value)
            yield counter
        refused = CounterMetricFamily(
            "hustings_edge_inputs_refused", "What listeners sent and was refused.", labels=["kind", "reason"]
        )
        for pair, count in self.inputs_refused.items():
            refused.add_metric(pair, count)
        yield refused
        for name, text, value in (
            ("skips", "Slow listeners moved to the live edge.", self.skips),
            ("events_dropped", "Timed events that did not fit into one batch.", self.events_dropped),
        ):
            yield CounterMetricFamily(f"hustings_edge_{name}", text, value=value)
        for name, text, label, gauges in (
            ("listeners", "Endless responses now.", "door", self.listeners()),
            ("lobby_waiting", "How many wait their turn.", "door", self.waiting()),
            ("places", "Listeners this edge can hold.", "bound", self.places),
        ):
            gauge = GaugeMetricFamily(f"hustings_edge_{name}", text, labels=[label])
            for key, number in gauges.items():
                gauge.add_metric([key], number)
            yield gauge
        for name, text, level in (
            ("audience_sessions", "Listeners looked at.", float(self.audience_sessions())),
            ("connections", "Connections open now.", float(self.connections())),
            ("replay_sending", "Long files of recordings going out now.", float(self.replay_sending())),
            ("store_failing", "1 while the store of recordings fails.", float(self.store_failing())),
            ("inputs_waiting", "Inputs waiting for the studio now.", float(self.inputs_waiting())),
            ("batch_chunks", "Chunks in a push batch.", float(self.batch)),
            ("cpu_share", "Share of one core used by the event loop.", self.cpu_share),
            ("loop_lag_seconds", "How late the last tick came.", self.lag),
            ("batch_late_seconds", "Longest way of a batch to its last listener.", self.batch_late),
            ("level", "What is given up under load.", float(self.level)),
            ("places_free", "How many more listeners are let in.", float(self.places_free)),
        ):
            yield GaugeMetricFamily(f"hustings_edge_{name}", text, value=level)
