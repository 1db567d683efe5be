"""What webhooks hear of recordings: the stage and the scribe say it on the bus, and nobody commands it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hustings.bus.messages import DownloadReport, RecordingDeleted, RecordingReady
from hustings.rooms.model import Room
from hustings.studio.urls import Urls
from hustings.studio.webhooks.service import Webhooks


class RecordingHooks:
    """`room`: the one with this slug."""

    def __init__(self, webhooks: Webhooks, room: Callable[[str], Room | None], urls: Urls) -> None:
        self._webhooks = webhooks
        self._room = room
        self._urls = urls

    async def ready(self, message: RecordingReady) -> None:
        """It can be heard."""
        address = f"{self._urls.room(message.slug)}/replay/"
        await self._tell("recording.ready", message.slug, message.broadcast_id, replay=address)

    async def made(self, message: DownloadReport) -> None:
        """The scribe says how a file gets on; that it is there is news."""
        if message.state == "made":
            await self._tell("recording.made", message.slug, message.broadcast_id, format=message.kind)

    async def deleted(self, message: RecordingDeleted) -> None:
        """Nothing is left of it."""
        await self._tell("recording.deleted", message.slug, message.broadcast_id)

    async def _tell(self, kind: str, slug: str, broadcast: str, **more: Any) -> None:
        room = self._room(slug)
        if room is not None:
            await self._webhooks.recorded(kind, room, {"broadcast": broadcast, **more})
