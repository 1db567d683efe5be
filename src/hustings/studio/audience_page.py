"""The page that shows who listened, rendered for each room; the figures in it come from audience.json, which
its script asks for. It changes with the room's title only, so edges keep it. Hosts have it at the studio's
door, too (host_pages.py)."""

from __future__ import annotations

from collections.abc import Mapping

from hustings.audience.countries import AT_LEAST
from hustings.bus.messages import Page
from hustings.rooms.model import FIGURES_ALL, Room
from hustings.studio.context import LANGS, RoomView
from hustings.studio.renderer import Renderer


class AudiencePages:
    """Pages for `Publisher.add`."""

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer

    def pages(self, _room: Room, view: RoomView) -> Mapping[str, Page]:
        """Of every room whose figures everybody may see: who looks before it was live reads that nothing is
        counted yet."""
        return audience_pages(self._renderer, view) if view.figures == FIGURES_ALL else {}


def audience_pages(renderer: Renderer, view: RoomView) -> dict[str, Page]:
    """The page in each language."""
    return {
        f"audience.{lang}": Page(
            content_type="text/html; charset=utf-8",
            body=renderer.page("audience.html", lang, room=view, hosts=False, at_least=AT_LEAST),
        )
        for lang in LANGS
    }
