"""What the edges serve of a room beside its pages: calendar.ics, qr.svg, cover.webp."""

from __future__ import annotations

from collections.abc import Mapping

from hustings.bus.messages import Page
from hustings.clock import Clock
from hustings.outreach import calendar, qr
from hustings.rooms.model import Room
from hustings.rooms.table import RoomStatus
from hustings.studio.calendar_api import CALENDAR, SVG, appointment
from hustings.studio.context import RoomView
from hustings.studio.covers import Covers
from hustings.studio.urls import Urls


class RoomFiles:
    """Makes them anew only when the room changed: the same bytes are not sent over the bus twice."""

    def __init__(self, covers: Covers, urls: Urls, clock: Clock) -> None:
        self._covers = covers
        self._urls = urls
        self._clock = clock
        self._made: dict[str, tuple[object, dict[str, Page]]] = {}

    def of(self, room: Room, _view: RoomView) -> Mapping[str, Page]:
        """For `Publisher.add`."""
        key = (room.details, room.status, room.revision, self._urls.room(room.slug))
        made = self._made.get(room.slug)
        if made is None or made[0] != key:
            made = self._made[room.slug] = (key, self._make(room))
        return made[1]

    def _make(self, room: Room) -> dict[str, Page]:
        files: dict[str, Page] = {}
        page = self._urls.room(room.slug)
        dated = appointment(room, page, self._clock.wall())
        if dated is not None:
            files["calendar.ics"] = Page(content_type=CALENDAR, body=calendar.room_calendar(dated))
        if self._urls.knows_audience:
            files["qr.svg"] = Page(content_type=SVG, body=qr.svg(page, room.title))
        # Edges hold all rooms' files in memory, and get them again with each snapshot: what is over is small.
        small = room.status in (RoomStatus.ENDED, RoomStatus.CANCELLED)
        picture = self._covers.read(room.details.cover, small=small) if room.details.cover else None
        if picture is not None:
            files["cover.webp"] = Page(content_type="image/webp", body=picture)
        return files
