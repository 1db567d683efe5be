"""What is the same for every room's public record: the page that explains it, rendered once for the server
and filled by the edges (edge/record_page.py), and the key's address."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Final

from markupsafe import Markup

from hustings.bus.messages import Page
from hustings.studio.context import LANGS, Lang
from hustings.studio.i18n import Texts
from hustings.studio.marks import each, mark
from hustings.studio.publisher import SERVER
from hustings.studio.renderer import Renderer

SAYS: Final = "record.say."
"""How each kind of entry is told: record.say.{kind}, or with its state behind it."""
PLACES: Final = (
    *("name", "role", "title", "scheduled", "planned", "word", "proposed", "length"),
    *("who", "n", "what", "late", "unique", "peak", "hours", "plays", "day"),
)
"""What may stand in such a text."""


class RecordPages:
    """For `Publisher.add_lists`. `key`: the public key that signs now; `former`: those before it that are
    still here, oldest first (all base64)."""

    def __init__(self, renderer: Renderer, key: str, former: Sequence[str] = ()) -> None:
        self._renderer = renderer
        self._key = key
        self._former = tuple(former)
        self._made: dict[str, Page] = {}

    def pages(self) -> Mapping[str, Mapping[str, Page]]:
        if not self._made:
            self._made = {"hustings-key": Page(content_type="application/json", body=self._keys())}
            for lang in LANGS:
                page = Page(content_type="text/html; charset=utf-8", body=self.render(lang))
                self._made[f"record.{lang}"] = page
        return {SERVER: self._made}

    def _keys(self) -> bytes:
        answer = {"version": 1, "algorithm": "Ed25519", "key": self._key, "former": list(self._former)}
        return json.dumps(answer).encode() + b"\n"

    def render(self, lang: Lang) -> bytes:
        """The page with its marks."""
        texts = self._renderer.texts[lang]
        assert isinstance(texts, Texts)
        places = {name: mark(name) for name in PLACES}
        says = [
            # Its own texts hold no markup; what the edge puts into them it escapes.
            ("say_" + key.removeprefix(SAYS).replace(".", "_"), Markup(texts(key, **places)))  # noqa: S704
            for key in texts.texts
            if key.startswith(SAYS)
        ]
        return self._renderer.page("record.html", lang, mark=mark, each=each, says=says)
