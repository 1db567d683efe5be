"""The German and the English catalogue hold the same texts, and exactly those that pages and scripts use."""

from __future__ import annotations

import json
import re
from pathlib import Path

import hustings

PACKAGE = Path(hustings.__file__).parent
LANGUAGES = ("de", "en")
COMPOSED = {
    # Keys that pages and scripts put together: their beginnings.
    "status.": ("scheduled", "open", "live", "paused", "ended"),
    "role.": ("host", "cohost", "speaker", "listener"),
    "invitation.": ("offered", "seen", "accepted", "declined", "withdrawn", "expired"),
    "player.": (
        "waiting",
        "waiting_hint",
        *(
            state + hint
            for state in ("stalled", "reconnecting", "blocked", "failed", "ended")
            for hint in ("", "_hint")
        ),
    ),
    "error.": tuple(
        f"{status}.{part}" for status in (400, 404, 429, 500, 503, "other") for part in ("title", "detail")
    ),
    "app.language.": LANGUAGES,
    "speak.": (
        *("onair", "not_on_air", "doors_open", "paused", "over"),
        *(
            f"heard.{word}"
            for word in ("nobody", "nobody_now", "stage", "air", "muted", "muted_by_host", "ended")
        ),
        *(
            f"hint.{word}"
            for word in (
                *("before", "ready", "connecting", "doors", "stage", "air", "muted", "muted_by_host"),
                *("reconnecting", "left", "ended"),
            )
        ),
        *(f"level.{word}" for word in ("quiet", "good", "loud", "none", "wait")),
        *(
            f"problem.{name}.{part}"
            for name in (
                *("ticket", "bad_ticket", "insecure", "old", "refused", "missing", "busy", "unplugged"),
                *("elsewhere", "server", "rejected"),
            )
            for part in ("title", "text")
        ),
        *("problem.again", "problem.elsewhere.action"),
    ),
}


def catalogue(lang: str) -> dict[str, str]:
    texts: dict[str, str] = json.loads((PACKAGE / "web" / "i18n" / f"{lang}.json").read_text("utf-8"))
    return texts


def used() -> set[str]:
    found: set[str] = set()
    for path in [*(PACKAGE / "studio" / "templates").glob("*.html"), *(PACKAGE / "web" / "js").glob("*.js")]:
        text = path.read_text("utf-8")
        for call, key in re.findall(r"\bt(\.n)?\(\s*[\"']([a-z0-9_.]+)[\"']\s*[,)]", text):
            found |= {f"{key}.one", f"{key}.other"} if call else {key}
        for key in re.findall(r"(?:strings|_strings)\.n\(\"([a-z_.]+)\"", text):
            found |= {f"{key}.one", f"{key}.other"}
        for first, second in re.findall(r"\? \"([a-z]+\.[a-z_]+)\" : \"([a-z]+\.[a-z_]+)\"", text):
            found |= {first, second}
    return found | {start + rest for start, rests in COMPOSED.items() for rest in rests}


def test_both_languages_have_the_same_texts_with_the_same_places() -> None:
    german, english = (catalogue(lang) for lang in LANGUAGES)
    places = re.compile(r"\{\w+\}")
    assert {key: sorted(places.findall(text)) for key, text in german.items()} == {
        key: sorted(places.findall(text)) for key, text in english.items()
    }


def test_every_text_that_is_used_exists_and_every_text_that_exists_is_used() -> None:
    texts, wanted = set(catalogue("en")), used()
    assert wanted - texts == set()
    assert texts - wanted == set()


def test_german_addresses_people_as_sie() -> None:
    familiar = re.compile(r"\b(du|dein|deine|deinem|dir|dich)\b", re.I)
    assert [text for text in catalogue("de").values() if familiar.search(text)] == []
