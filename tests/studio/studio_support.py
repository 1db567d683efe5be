"""A whole studio in process: real database file, HTTP through ASGI, a bus and a stage in memory."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import httpx
from fake_bus import FakeBus
from fastapi import FastAPI

from hustings.bus import subjects
from hustings.bus.client import Bus
from hustings.bus.messages import (
    AnnounceEvent,
    Done,
    GoLive,
    Message,
    MuteParticipant,
    OpenBroadcast,
    PlaceParticipant,
    RecordingReport,
    RemoveParticipant,
    SeatReport,
    SessionAnswer,
    SessionDelete,
    SessionOffer,
    SessionTrickle,
    SetRecording,
    StageHello,
    StageReport,
    StopBroadcast,
    Window,
    WindowRequest,
)
from hustings.clock import FakeClock
from hustings.config import Settings
from hustings.errors import Refused
from hustings.store.tokens import operator_token
from hustings.studio.main import studio_app
from hustings.studio.service import Studio
from hustings.studio.urls import Urls

OFFER = "v=0\r\n"


class FakeStage:
    """A stage's side of the bus: remembers what it was told, answers as the real one does."""

    def __init__(self, bus: FakeBus, stage_id: str = "stage-1") -> None:
        self.bus = bus
        self.stage_id = stage_id
        self.open: dict[str, OpenBroadcast] = {}
        self.live: dict[str, float] = {}
        self.offers: list[SessionOffer] = []
        self.deleted: list[str] = []
        self.trickled: list[SessionTrickle] = []
        self.mutes: list[MuteParticipant] = []
        self.placed: list[PlaceParticipant] = []
        self.removed: list[str] = []
        self.announced: list[AnnounceEvent] = []
        self.recordings: list[SetRecording] = []
        self.refuse: Refused | None = None

    async def start(self) -> None:
        bus = self.bus
        await bus.serve(subjects.STAGE_OPEN, OpenBroadcast, self._open)
        await bus.serve(subjects.STAGE_LIVE, GoLive, self._live)
        await bus.serve(subjects.STAGE_STOP, StopBroadcast, self._stop)
        await bus.serve(subjects.STAGE_MUTE, MuteParticipant, self._mute)
        await bus.serve(subjects.STAGE_PLACE, PlaceParticipant, self._place)
        await bus.serve(subjects.STAGE_REMOVE, RemoveParticipant, self._remove)
        await bus.serve(subjects.STAGE_ANNOUNCE, AnnounceEvent, self._announce)
        await bus.serve(subjects.STAGE_RECORD, SetRecording, self._record)
        await bus.serve(subjects.STAGE_OFFER, SessionOffer, self._offer)
        await bus.serve(subjects.STAGE_TRICKLE, SessionTrickle, self._trickle)
        await bus.serve(subjects.STAGE_DELETE, SessionDelete, self._delete)
        await bus.serve(subjects.MEDIA_WINDOW, WindowRequest, self._window)
        await bus.publish(subjects.STAGE_HELLO, StageHello(stage_id=self.stage_id))

    def stop(self) -> None:
        for subject in (
            subjects.STAGE_OPEN,
            subjects.STAGE_LIVE,
            subjects.STAGE_STOP,
            subjects.STAGE_MUTE,
            subjects.STAGE_PLACE,
            subjects.STAGE_REMOVE,
            subjects.STAGE_ANNOUNCE,
            subjects.STAGE_RECORD,
            subjects.STAGE_OFFER,
            subjects.STAGE_TRICKLE,
            subjects.STAGE_DELETE,
            subjects.MEDIA_WINDOW,
        ):
            self.bus.silence(subject)

    def _known(self, broadcast_id: str) -> None:
        if broadcast_id not in self.open:
            raise Refused(404, "The doors are closed")

    async def _open(self, message: OpenBroadcast) -> Done:
        self.open.setdefault(message.broadcast_id, message)
        if message.live_since is not None:
            self.live.setdefault(message.broadcast_id, message.live_since)
        return Done()

    async def _live(self, message: GoLive) -> Done:
        self._known(message.broadcast_id)
        self.live.setdefault(message.broadcast_id, message.live_since)
        return Done()

    async def _stop(self, message: StopBroadcast) -> Done:
        self._known(message.broadcast_id)
        del self.open[message.broadcast_id]
        self.live.pop(message.broadcast_id, None)
        return Done()

    async def _mute(self, message: MuteParticipant) -> Done:
        self._known(message.broadcast_id)
        self.mutes.append(message)
        return Done()

    async def _place(self, message: PlaceParticipant) -> Done:
        self._known(message.broadcast_id)
        self.placed.append(message)
        return Done()

    async def _remove(self, message: RemoveParticipant) -> Done:
        self._known(message.broadcast_id)
        self.removed.append(message.participant_id)
        return Done()

    async def _announce(self, message: AnnounceEvent) -> Done:
        self._known(message.broadcast_id)
        self.announced.append(message)
        return Done()

    async def _record(self, message: SetRecording) -> Done:
        self._known(message.broadcast_id)
        self.recordings.append(message)
        return Done()

    async def _offer(self, message: SessionOffer) -> SessionAnswer:
        self._known(message.broadcast_id)
        if self.refuse is not None:
            raise self.refuse
        self.offers.append(message)
        return SessionAnswer(session_id=f"s{len(self.offers)}", sdp="v=0\r\nanswer", etag="tag-1")

    async def _trickle(self, message: SessionTrickle) -> Done:
        if message.etag not in ("", "tag-1"):
            raise Refused(412, "Another ICE session")
        self.trickled.append(message)
        return Done()

    async def _delete(self, message: SessionDelete) -> Done:
        if message.session_id in self.deleted:
            raise Refused(404, "No such session")
        self.deleted.append(message.session_id)
        return Done()

    async def _window(self, message: WindowRequest) -> Window:
        self._known(message.broadcast_id)
        return Window(init=b"", chunks=[], last_seq=-1)

    async def report(self, broadcast_id: str, slug: str, *seats: SeatReport) -> None:
        await self.bus.publish(
            subjects.STAGE_REPORT,
            StageReport(
                broadcast_id=broadcast_id,
                slug=slug,
                stage_id=self.stage_id,
                live=broadcast_id in self.live,
                media_time=0,
                seats=list(seats),
            ),
        )

    async def record(self, broadcast_id: str, slug: str = "town-hall", **more: Any) -> None:
        """Says how the recording stands."""
        values = {"state": "on", "since": 0.0, **more}
        report = RecordingReport(broadcast_id=broadcast_id, slug=slug, **values)
        await self.bus.publish(subjects.RECORDING_REPORT, report)


def seat(participant_id: str, **changes: Any) -> SeatReport:
    """A connected, silent, unmuted speaker."""
    values: dict[str, Any] = {
        "participant_id": participant_id,
        "name": "Ada",
        "role": "speaker",
        "connected": True,
        "muted": False,
        "speaking": False,
        "level_dbov": -90.0,
        "talked_seconds": 0.0,
        "packets_received": 1,
        "frames_concealed": 0,
        "playout_delay_ms": 40.0,
    }
    return SeatReport(**(values | changes))


@dataclass
class House:
    """Everything a test may want to touch."""

    app: FastAPI
    bus: FakeBus
    stage: FakeStage
    clock: FakeClock
    studio: Studio
    operator: httpx.AsyncClient
    """With the operator's token."""
    anyone: httpx.AsyncClient
    settings: Settings
    tickets: dict[str, str] = field(default_factory=dict)

    async def room(self, slug: str = "town-hall", **more: Any) -> dict[str, Any]:
        answer = await self.operator.post("/api/rooms", json={"title": "Town hall", "slug": slug, **more})
        assert answer.status_code == 201, answer.text
        return cast(dict[str, Any], answer.json())

    async def invite(self, name: str = "Ada", slug: str = "town-hall", **more: Any) -> dict[str, Any]:
        answer = await self.operator.post(f"/api/rooms/{slug}/invitations", json={"name": name, **more})
        assert answer.status_code == 201, answer.text
        return cast(dict[str, Any], answer.json())

    async def command(self, verb: str, slug: str = "town-hall") -> dict[str, Any]:
        answer = await self.operator.post(f"/api/rooms/{slug}/{verb}")
        assert answer.status_code == 200, answer.text
        return cast(dict[str, Any], answer.json())

    async def whip(self, ticket: str, slug: str = "town-hall", sdp: str = OFFER) -> httpx.Response:
        headers = {"Authorization": f"Bearer {ticket}", "Content-Type": "application/sdp"}
        return await self.anyone.post(f"/whip/{slug}", content=sdp, headers=headers)

    def published(self, message_type: type[Message]) -> list[Message]:
        return [message for _, message in self.bus.published if isinstance(message, message_type)]


def settings_in(folder: Path) -> Settings:
    return Settings.model_validate({"data": folder, "studio_door": "127.0.0.1:8001"})


@contextlib.asynccontextmanager
async def running_studio(
    folder: Path,
    *,
    bus: FakeBus | None = None,
    stage: FakeStage | None = None,
    clock: FakeClock | None = None,
    **more: Any,
) -> AsyncIterator[House]:
    """A studio on `folder`; give `bus` and `stage` again to restart it beside a running stage. `more`:
    settings."""
    settings = settings_in(folder).model_copy(update=more)
    fresh = bus is None
    bus = bus or FakeBus()
    clock = clock or FakeClock()
    async with studio_app(cast(Bus, bus), settings, clock, Urls(settings)) as app:
        if stage is None:
            stage = FakeStage(bus)
            if fresh:
                await stage.start()
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        token = operator_token(folder)
        async with (
            httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8001") as anyone,
            httpx.AsyncClient(
                transport=transport,
                base_url="http://127.0.0.1:8001",
                headers={"Authorization": f"Bearer {token}"},
            ) as operator,
        ):
            yield House(app, bus, stage, clock, app.state.studio, operator, anyone, settings)
