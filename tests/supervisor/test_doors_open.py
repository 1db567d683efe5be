"""In whatever order the roles become ready: each door is said once, the last one too."""

from __future__ import annotations

import asyncio
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from hustings.bus.messages import RoleReady
from hustings.config import Settings
from hustings.supervisor.main import Supervisor

ROLES = ("edge-0", "studio", "stage", "certificates")
DOOR = "127.0.0.1:0"


class Role:
    """A child that is ready as soon as it says so."""

    def __init__(self) -> None:
        self.ready = asyncio.Event()
        self.pid = 1

    def said_ready(self, _pid: int) -> bool:
        self.ready.set()
        return True


def house(folder: Path, lines: list[str]) -> Any:
    """A supervisor whose roles were never started, with the door for those who forget https."""
    settings = Settings(
        data=folder, audience_door=DOOR, studio_door=DOOR, media_door=DOOR, metrics_door=DOOR, edges=1
    )
    supervisor: Any = Supervisor(settings, lines.append)
    supervisor.doors["http"] = supervisor.doors["audience"]
    supervisor._open("metrics")  # is there before any role
    supervisor._children = {role: Role() for role in ROLES}
    return supervisor


@pytest.mark.parametrize("order", list(permutations(ROLES)))
async def test_every_door_is_said_once(tmp_path: Path, order: tuple[str, ...]) -> None:
    lines: list[str] = []
    supervisor = house(tmp_path, lines)
    try:
        for role in order:
            supervisor._on_ready(RoleReady(role=role, pid=1))
            supervisor._on_ready(RoleReady(role=role, pid=1))  # a role that was restarted
            others = {each for each in ROLES[:3] if supervisor._children[each].ready.is_set()}
            assert supervisor._all_open.is_set() == (len(others) == 3)
        said = sorted(line.split()[0] for line in lines if not line.startswith("setup"))
        assert said == ["audience", "http", "media", "metrics", "studio"]
    finally:
        supervisor._held.close()
        supervisor._folder.close()
