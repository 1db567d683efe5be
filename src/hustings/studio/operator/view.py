"""The server's health as `GET /api/operator/health` answers it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from hustings.bus.health_messages import NodeEvent, NodeHealth, RoleHealth
from hustings.rooms.model import Room
from hustings.rooms.table import RoomStatus
from hustings.studio.board import Board
from hustings.studio.context import Translate
from hustings.studio.operator.findings import Finding, Recording, starting
from hustings.studio.operator.health import CURVES, HOUR, POINT, Health, Span
from hustings.studio.text import utc

MAX_ROOMS = 100
MAX_INCIDENTS = 100
ON_AIR = frozenset({RoomStatus.OPEN, RoomStatus.LIVE, RoomStatus.PAUSED})

type Curve = list[float | None]


class FindingState(BaseModel):
    """Something that is wrong now, and the one thing to do."""

    level: Literal["warning", "wrong"]
    key: str = Field(description="For programs; the texts follow the language.")
    name: str = Field(description="The role or the room it is about; else empty.")
    number: float
    what: str
    todo: str


class RoleState(BaseModel):
    """One role of the server."""

    name: str
    state: Literal["up", "starting", "away"]
    since: str | None = Field(description="When the running process began.")
    restarts: int = Field(description="Deaths since the server was started.")
    cpu: float | None = Field(description="Share of one core, over some seconds.")
    memory: int = Field(description="Bytes of its own.")
    memory_limit: int = Field(description="Bytes at which it is started again; 0: not known.")
    heard_seconds: float | None = Field(description="Since it was last heard of; null: it does not speak.")


class RecordingHealth(BaseModel):
    """How a room's recording stands."""

    state: Literal["off", "on", "off_record", "waiting", "failing", "unknown"]
    problem: str
    bytes: int


class RoomHealth(BaseModel):
    """A room whose doors are open."""

    slug: str
    title: str
    status: str
    live_since: str | None
    speakers: int | None = Field(description="Connected on the stage; null: the stage does not report.")
    listeners: dict[str, int] = Field(description="By door, as counted for everybody; whep from the stage.")
    recording: RecordingHealth


class NumbersState(BaseModel):
    """Of the last five seconds; null where nothing is known."""

    live: int
    speakers: int
    listeners: dict[str, int] = Field(description="Open at the edges: push, stream, hls_waiting.")
    late: float | None = Field(description="Share of the stage's ticks that began more than 5 ms late.")
    late_ms: float | None = Field(description="99 of 100 ticks were at most so many ms late.")
    skipped: int = Field(description="Ticks that never ran.")
    loss: float | None = Field(description="Share of speakers' frames that had to be made up.")
    gaps: int
    level: int | None = Field(description="What edges give up under load: 0 nothing to 4 pages.")
    places_free: int | None
    used: float | None = Field(description="Share of the places for listeners that are taken.")
    waiting: int = Field(description="In the lobby, about.")
    refused: int
    skips: int = Field(description="Slow listeners moved to the live edge.")
    bus_dropped: int
    certificate_ends: str | None
    disk_free: int | None = Field(description="Bytes, where the data folder is.")
    disk_size: int | None
    cores: int | None


class IncidentState(BaseModel):
    """Something that happened, or was so for a while, within the last hour."""

    at: str
    until: str | None = Field(description="null: it goes on, or it was a moment.")
    going: bool
    level: Literal["note", "warning", "wrong"]
    key: str
    name: str
    what: str


class HistoryState(BaseModel):
    """The last hour, each value the largest of its `every` seconds, the newest last; null: not known."""

    every: float
    curves: dict[str, Annotated[list[float | None], Field(max_length=120)]]
    cpu: dict[str, list[float | None]] = Field(description="By role, share of one core.")
    memory: dict[str, list[float | None]] = Field(description="By role, bytes.")


class HealthState(BaseModel):
    """How the server is."""

    at: str
    version: str
    level: Literal["ok", "warning", "wrong"]
    bus: bool = Field(description="Whether the studio has its connection to the bus.")
    heard_seconds: float | None = Field(description="Since the supervisor was heard of; null: never.")
    started: str | None = Field(description="When the server was started.")
    findings: list[FindingState]
    roles: list[RoleState]
    rooms: list[RoomHealth]
    numbers: NumbersState
    incidents: list[IncidentState]
    history: HistoryState | None


def recordings(board: Board, now: float) -> list[Recording]:
    """Of all live rooms, for Health."""
    found = []
    for room in board.rooms():
        if room.status is RoomStatus.LIVE and room.broadcast is not None:
            report = board.recording(room.broadcast.id, now)
            found.append(Recording(room.title, report.state if report is not None else "unknown"))
    return found


def health_state(
    health: Health, board: Board, t: Translate, lang: str, *, now: float, wall: float, version: str
) -> dict[str, Any]:
    """For HealthState. `now`: monotonic."""
    findings, nodes = health.findings(), health.nodes
    unheard = health.unheard()
    level = "ok" if not findings else "wrong" if findings[0].level == "wrong" else "warning"
    return {
        "at": utc(wall),
        "version": version,
        "level": level,
        "bus": health.connected,
        "heard_seconds": None if unheard is None else round(unheard, 1),
        "started": utc(min(node.started for node in nodes)) if nodes else None,
        "findings": [_finding(each, t, lang) for each in findings],
        "roles": [_role(role, node) for node in nodes for role in node.roles],
        "rooms": [_room(room, board, now) for room in _on_air(board)],
        "numbers": _numbers(health, nodes),
        "incidents": _incidents(health, nodes, t, lang, wall),
        "history": _history(health),
    }


def number(value: float, lang: str) -> str:
    """As people of the language write it; no digits that say nothing."""
    text = f"{value:g}"
    return text.replace(".", ",") if lang == "de" else text


def _finding(finding: Finding, t: Translate, lang: str) -> dict[str, Any]:
    places = {"name": finding.name, "n": number(finding.number, lang)}
    return {
        "level": finding.level,
        "key": finding.key,
        "name": finding.name,
        "number": finding.number,
        "what": t(f"operator.find.{finding.key}", **places),
        "todo": t(f"operator.do.{finding.key}", **places),
    }


def _role(role: RoleHealth, node: NodeHealth) -> dict[str, Any]:
    return {
        "name": role.name,
        "state": "up" if role.up else "starting" if starting(role, node) else "away",
        "since": utc(role.since) if role.since else None,
        "restarts": role.restarts,
        "cpu": role.cpu,
        "memory": role.memory,
        "memory_limit": role.memory_limit,
        "heard_seconds": role.silent,
    }


def _on_air(board: Board) -> list[Room]:
    rooms = [room for room in board.rooms() if room.status in ON_AIR and room.broadcast is not None]
    live_first = sorted(rooms, key=lambda room: (room.status is not RoomStatus.LIVE, room.title, room.slug))
    return live_first[:MAX_ROOMS]


def _room(room: Room, board: Board, now: float) -> dict[str, Any]:
    broadcast = room.broadcast
    assert broadcast is not None
    measured = board.measured(broadcast.id, now)
    report = board.recording(broadcast.id, now)
    listeners = dict(board.listeners(room.slug, now))
    speakers = None
    if measured is not None:
        speakers = sum(seat.connected for seat in measured.report.seats)
        if measured.report.egress_sessions:
            listeners["whep"] = measured.report.egress_sessions
    live_since = broadcast.live_since
    return {
        "slug": room.slug,
        "title": room.title,
        "status": room.status.value,
        "live_since": None if live_since is None else utc(live_since),
        "speakers": speakers,
        "listeners": listeners,
        "recording": {
            "state": "unknown" if report is None else report.state,
            "problem": "" if report is None else report.problem,
            "bytes": 0 if report is None else report.bytes,
        },
    }


def _numbers(health: Health, nodes: list[NodeHealth]) -> dict[str, Any]:
    figures = health.figures
    names = (
        *("live", "speakers", "listeners", "late", "late_ms", "skipped", "loss", "gaps", "level"),
        *("places_free", "used", "waiting", "refused", "skips", "bus_dropped"),
    )
    disks = [(node.disk_free, node.disk_size) for node in nodes if node.disk_size]
    free, size = min(disks, default=(None, None))
    ends = figures.certificate_ends
    return {
        **{name: getattr(figures, name) for name in names},
        "certificate_ends": None if ends is None else utc(ends),
        "disk_free": free,
        "disk_size": size,
        "cores": sum(node.cores for node in nodes) if nodes else None,
    }


def _incidents(
    health: Health, nodes: list[NodeHealth], t: Translate, lang: str, wall: float
) -> list[dict[str, Any]]:
    # That the clock was set is an event of its own, at its moment.
    spans = [(span.since, _span(span, t, lang)) for span in health.spans() if span.finding.key != "clock_set"]
    events = [
        (event.at, _event(event, t, lang))
        for node in nodes
        for event in node.events
        if wall - event.at <= HOUR
    ]
    return [each for _, each in sorted([*spans, *events], key=lambda pair: -pair[0])][:MAX_INCIDENTS]


def _span(span: Span, t: Translate, lang: str) -> dict[str, Any]:
    finding = span.finding
    said = t(f"operator.find.{finding.key}", name=finding.name, n=number(finding.number, lang))
    return {
        "at": utc(span.since),
        "until": None if span.going or span.until == span.since else utc(span.until),
        "going": span.going,
        "level": finding.level,
        "key": finding.key,
        "name": finding.name,
        "what": said,
    }


def _event(event: NodeEvent, t: Translate, lang: str) -> dict[str, Any]:
    said = t(f"operator.event.{event.kind}", name=event.name, n=number(event.seconds, lang))
    return {
        "at": utc(event.at),
        "until": None,
        "going": False,
        "level": "note" if event.kind == "restarted" else "warning",
        "key": event.kind,
        "name": event.name,
        "what": said,
    }


def _history(health: Health) -> dict[str, Any]:
    points = health.curves.points

    def of(kind: str) -> dict[str, Curve]:
        head = f"{kind} "
        return {
            name.removeprefix(head): list(curve) for name, curve in points.items() if name.startswith(head)
        }

    return {
        "every": POINT,
        "curves": {name: list(points[name]) for name in CURVES if name in points},
        "cpu": of("cpu"),
        "memory": of("memory"),
    }
