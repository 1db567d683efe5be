"""What a supervisor says of its roles, for the operator's page."""

from __future__ import annotations

from typing import Literal

import msgspec

from hustings.bus.messages import Message

type NodeEventKind = Literal["died", "hung", "memory", "restarted", "clock"]


class RoleHealth(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One role as its supervisor sees it. Times are Unix seconds."""

    name: str
    up: bool
    """It runs, has said that it serves, and has said something of late."""
    running: bool
    since: float = 0.0
    """When the running process began to be this role; 0: none runs."""
    silent: float | None = None
    """Seconds since it was last heard of; None: not yet (the bus says nothing of itself)."""
    restarts: int = 0
    """Deaths since the server was started."""
    cpu: float | None = None
    """Share of one core over the last seconds; None: not known (yet)."""
    memory: int = 0
    """Bytes of its own."""
    memory_limit: int = 0


class NodeEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that happened to a role, or to the machine (`name` is ""): `died` by itself, `hung` and was
    killed, had too much `memory` and was killed, `restarted` for an upgrade, its `clock` was set."""

    at: float
    kind: NodeEventKind
    name: str = ""
    seconds: float = 0.0
    """`clock`: by how much it was set forward."""


class NodeHealth(Message, frozen=True, kw_only=True):
    """Every two seconds."""

    node: str
    """Made at the supervisor's start; says nothing about the machine."""
    wall_clock: float
    started: float
    roles: list[RoleHealth]
    events: list[NodeEvent]
    """Of the last hour, oldest first; the newest MAX_EVENTS (supervisor/health.py)."""
    disk_free: int = 0
    """Bytes this process may write where the data folder is."""
    disk_size: int = 0
    cores: int = 1
