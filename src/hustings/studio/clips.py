"""The page of clips, rendered once for all clips of a room (marks.py): a clip is an address and nothing
that is stored."""

from __future__ import annotations

from collections.abc import Mapping

from markupsafe import Markup, escape

from hustings.bus.messages import Page
from hustings.rooms.model import Room
from hustings.studio.context import LANGS, Lang, RoomView
from hustings.studio.marks import mark
from hustings.studio.renderer import Renderer


class Clips:
    """Pages for `Publisher.add`."""

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer

    def pages(self, room: Room, view: RoomView) -> Mapping[str, Page]:
        """The clips' page in each language, for a room of which something is recorded."""
        if view.replay is None and not (view.started_at and room.details.recording):
            return {}
        return {
            f"clip.{lang}": Page(content_type="text/html; charset=utf-8", body=self.render(view, lang))
            for lang in LANGS
        }

    def render(self, view: RoomView, lang: Lang) -> bytes:
        """The page with its marks."""
        return self._renderer.page("clip.html", lang, room=view, mark=mark, embed=_embed(view))


def _embed(view: RoomView) -> str:
    """HTML for other sites: the browser's own player and a link, without a frame and without a script."""
    base = view.audience_url or f"/r/{view.slug}"
    place = Markup("{}/{}").format(mark("broadcast"), mark("cut"))
    return str(
        Markup(
            '<audio controls preload="none" src="{}/replay/{}/clip/{}.m4a"></audio>'
            ' <a href="{}/clip/{}">{}</a>'
        ).format(base, mark("broadcast"), mark("cut"), base, place, escape(view.title))
    )
