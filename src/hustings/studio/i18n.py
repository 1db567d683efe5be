"""Texts in the reader's language: one flat catalogue per language in web/i18n, shared with the scripts."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

from hustings.studio.context import LANGS, Lang, Translate

WEB = Path(__file__).parents[1] / "web"

_PLACE = re.compile(r"\{([a-z_]+)\}")


class Texts:
    """One language. Unknown keys and places that were not given are errors (KeyError)."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self.texts = texts

    def __call__(self, key: str, **places: object) -> str:
        # Not str.format: its format specifications reach into objects' attributes.
        return _PLACE.sub(lambda match: str(places[match.group(1)]), self.texts[key])

    def n(self, key: str, count: int, **places: object) -> str:
        return self(f"{key}.{'one' if count == 1 else 'other'}", n=count, **places)


def load_texts(folder: Path = WEB / "i18n") -> dict[Lang, Translate]:
    """The catalogues {lang}.json in `folder`. Raises ValueError unless each is one flat object of texts."""
    loaded: dict[Lang, Translate] = {}
    for lang in LANGS:
        texts = json.loads((folder / f"{lang}.json").read_text("utf-8"))
        if not isinstance(texts, dict) or not all(isinstance(text, str) for text in texts.values()):
            raise ValueError(f"{lang}.json is not one flat object of texts")
        loaded[lang] = Texts(texts)
    return loaded


def choose_language(asked: str | None, accept_language: str | None) -> Lang:
    """`asked` (?lang=) before Accept-Language (RFC 9110 section 12.5.4) before English."""
    for lang in LANGS:
        if asked == lang:
            return lang
    best: Lang = "en"
    best_quality = 0.0
    for item in (accept_language or "")[:512].split(","):
        tag, _, parameter = item.partition(";")
        primary = tag.strip().lower().split("-")[0]
        quality = _quality(parameter)
        for lang in LANGS:
            if primary == lang and quality > best_quality:
                best, best_quality = lang, quality
    return best


def _quality(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    if name.strip().lower() != "q":
        return 1.0
    return float(value) if re.fullmatch(r"\s*[01](\.[0-9]{0,3})?\s*", value) else 0.0
