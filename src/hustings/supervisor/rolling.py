"""Restarting all roles one after the other, for an upgrade, while everybody listens on.

Edges first: each is joined by a process with the new code before the old one asks its listeners to move, so
nobody hears it; and an upgrade that does not start is noticed by the first of them, and goes no further.
Studio, stage and scribe cannot be there twice: each ends in order when its successor has loaded everything,
which costs what a crash costs, without the loss.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

import structlog

from hustings.supervisor.child import Child
from hustings.supervisor.spares import Spares

log = structlog.get_logger()

EDGE_LEAVES: Final = 45.0
"""Seconds an edge has to hand its listeners over (it takes 30 at most, edge/main.py)."""
BACK_WITHIN: Final = 40.0
"""Seconds for a role to be ready again."""


class Rolling:
    """One run at a time. `patience`: seconds each kind of role has to end; `tell` gets (state, detail) of a
    run: "running", then "done" or "failed"."""

    def __init__(
        self,
        children: Mapping[str, Child],
        spares: Mapping[str, Spares],
        patience: Mapping[str, float],
        tell: Callable[[str, str], None],
    ) -> None:
        self._children = children
        self._spares = spares
        self._patience = patience
        self._tell = tell

    async def run(self) -> None:
        """Until all have been restarted, or one could not be."""
        self._tell("running", "")
        failed = await self._edges() or await self._others()
        if failed:
            log.error("rolling restart ended early", at=failed)
            self._tell("failed", failed)
        else:
            log.info("rolling restart is done")
            self._tell("done", "")

    async def _edges(self) -> str:
        for name in sorted(each for each in self._children if each.startswith("edge-")):
            log.info("rolling restart", name=name)
            if not await self._children[name].replace(EDGE_LEAVES):
                return name
        if "edge" in self._spares:
            await self._spares["edge"].renew()
        return ""

    async def _others(self) -> str:
        for name in ("studio", "stage", "scribe", "certificates"):
            child = self._children.get(name)
            if child is None:
                continue
            log.info("rolling restart", name=name)
            former = child.pid
            if not await child.restart(self._patience[name]):
                return name
            if not await self._is_back(child, former):
                return name
        return ""

    async def _is_back(self, child: Child, former: int) -> bool:
        """Whether another process of the role is ready in time."""
        for _ in range(int(BACK_WITHIN / 0.05)):
            if child.pid not in (0, former) and child.is_ready:
                return True
            await asyncio.sleep(0.05)
        return False
