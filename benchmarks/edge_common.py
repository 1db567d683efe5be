"""What tests and benchmarks of edges share, by the names they know it by; it lives in hustings.bench."""

from hustings.bench.machine import cpu_seconds, raise_descriptor_limit, resident_bytes
from hustings.bench.server import EDGE, RunningEdge, Stand, edge_process, stand

__all__ = [
    "EDGE",
    "RunningEdge",
    "Stand",
    "cpu_seconds",
    "edge_process",
    "raise_descriptor_limit",
    "resident_bytes",
    "stand",
]
