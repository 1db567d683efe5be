"""Builds what decides who goes in, from settings and from what the machine has."""

from __future__ import annotations

import os
import secrets

from hustings.clock import Clock
from hustings.config import Settings
from hustings.edge.capacity import Capacity
from hustings.edge.doorkeeper import Doorkeeper
from hustings.edge.kernel import memory_allowance
from hustings.edge.load import Load
from hustings.edge.metrics import Metrics
from hustings.edge.shedding import Shedding
from hustings.place_tokens import PlaceTokens


def make_keeper(settings: Settings, connections: int, clock: Clock, metrics: Metrics) -> Doorkeeper:
    """`connections`: how many the descriptors allow."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    allowed = settings.edge_memory * 2**20 or memory_allowance(settings.edges or max(1, cores - 1))
    return Doorkeeper(
        # Without a key of the whole server's, places count at this edge only.
        PlaceTokens(settings.gate_key or secrets.token_hex(32)),
        clock=clock,
        metrics=metrics,
        capacity=Capacity(
            connections=connections, memory=allowed, tls=settings.certificate_files is not None
        ),
        shedding=Shedding(Load()),
    )
