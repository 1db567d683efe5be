"""A studio that hears of a server: what supervisors and roles say on its bus, and asking how it is."""

from __future__ import annotations

from typing import Any, cast

from studio_support import House

from hustings.bus import subjects
from hustings.bus.health_messages import NodeEvent, NodeHealth, RoleHealth
from hustings.bus.messages import RoleMetrics
from hustings.studio.operator.health import Health

GB = 1024**3


def gathered(house: House) -> Health:
    health = house.app.state.health
    assert isinstance(health, Health)
    return health


async def node(house: House, *events: NodeEvent, **changes: Any) -> None:
    wall = house.clock.wall()
    roles = [
        RoleHealth(
            name=name,
            up=changes.get(name.replace("-", "_"), True),
            running=True,
            since=wall - 500,
            silent=1.5,
            restarts=int(name == "stage"),
            cpu=0.25,
            memory=60_000_000,
            memory_limit=600_000_000,
        )
        for name in ("bus", "stage", "studio", "edge-0", "scribe")
    ]
    message = NodeHealth(
        node="n",
        wall_clock=wall,
        started=wall - 1000,
        roles=roles,
        events=list(events),
        disk_free=50 * GB,
        disk_size=100 * GB,
        cores=4,
    )
    await house.bus.publish(subjects.NODE_HEALTH, message)


async def edge(house: House, text: str) -> None:
    await house.bus.publish(subjects.ROLE_METRICS, RoleMetrics(role="edge-0", pid=1, text=text))


async def ask(house: House, query: str = "", **headers: str) -> dict[str, Any]:
    house.clock.advance(1.1)  # answers are kept for a second
    answer = await house.operator.get(f"/api/operator/health{query}", headers=headers)
    assert answer.status_code == 200, answer.text
    return cast(dict[str, Any], answer.json())
