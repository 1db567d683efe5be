"""Texts from people, texts for people."""

from __future__ import annotations

import json
import re
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hustings.studio.context import LANGS
from hustings.studio.i18n import WEB, Texts, choose_language, load_texts
from hustings.studio.renderer import TEMPLATES, make_environment
from hustings.studio.text import clean, utc
from hustings.wording import clock, date, duration


@pytest.mark.parametrize(
    ("raw", "cleaned"),
    [
        ("  Ada \t\n Lovelace ", "Ada Lovelace"),
        ("Jose\u0301", "José"),
        ("\u202eevil\u202c", "evil"),
        ("a\u200bb\u0000c", "abc"),
        ("عادل", "عادل"),
        ("👩\u200d🚀", "👩\u200d🚀"),
        ("e" + "\u0338" * 50, "e" + "\u0338" * 4),
        ("a\u2028b", "a b"),
    ],
)
def test_names_are_cleaned(raw: str, cleaned: str) -> None:
    assert clean(raw, 80) == cleaned


@pytest.mark.parametrize("raw", ["", "   ", "\u202e\u200b", "\u0301", "\ud800", "x" * 81])
def test_what_is_no_name_is_refused(raw: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        clean(raw, 80)


@given(st.text(st.characters(codec=None), max_size=100))
def test_a_cleaned_text_is_one_safe_line_and_stays_as_it_is(raw: str) -> None:
    try:
        text = clean(raw, 80)
    except ValueError:
        return
    assert clean(text, 80) == text
    assert unicodedata.is_normalized("NFC", text)
    assert not any(unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") for char in text)
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u200e\u200f]", text)
    assert 0 < len(text) <= 80
    text.encode()


def test_times_for_readers() -> None:
    assert utc(1_790_000_000.9) == "2026-09-21T14:13:20Z"
    assert (utc(None), clock(""), date("", "de")) == ("", "", "")
    assert clock("2026-11-22T20:00:00Z") == "20:00 UTC"
    assert date("2026-11-02T20:00:00Z", "de") == "2. Nov. 2026"
    assert date("2026-03-02T20:00:00Z", "en") == "2 Mar 2026"
    assert [duration(s) for s in (5, 60, 7080)] == ["5 s", "1 min", "1 h 58 min"]


@pytest.mark.parametrize(
    ("asked", "header", "lang"),
    [
        (None, None, "en"),
        ("de", "en", "de"),
        ("fr", "de", "de"),
        (None, "de-CH, en;q=0.5", "de"),
        (None, "de;q=0.2, en;q=0.8", "en"),
        (None, "fr, de;q=0.1", "de"),
        (None, "de;q=nonsense, ,;;", "en"),
        (None, "de;q=0", "en"),
    ],
)
def test_language_is_asked_then_accepted_then_english(
    asked: str | None, header: str | None, lang: str
) -> None:
    assert choose_language(asked, header) == lang


def test_places_are_filled_and_nothing_else() -> None:
    texts = Texts({"a": "{name} is {n.__class__}", "b.one": "{n} ear", "b.other": "{n} ears"})
    assert texts("a", name="<Ada>", n=1) == "<Ada> is {n.__class__}"
    assert (texts.n("b", 1), texts.n("b", 0)) == ("1 ear", "0 ears")
    with pytest.raises(KeyError):
        texts("no")


def catalogue(lang: str) -> dict[str, str]:
    loaded: dict[str, str] = json.loads((WEB / "i18n" / f"{lang}.json").read_text())
    return loaded


def test_both_languages_say_the_same_things_with_the_same_places() -> None:
    load_texts()
    de, en = (catalogue(lang) for lang in LANGS)
    assert de.keys() == en.keys()
    for key, text in de.items():
        assert set(re.findall(r"\{[a-z_]+\}", text)) == set(re.findall(r"\{[a-z_]+\}", en[key])), key


def test_every_text_a_template_names_exists() -> None:
    texts = catalogue("en")
    for path in TEMPLATES.glob("*.html"):
        source = path.read_text()
        for plural, key, more in re.findall(r"page\.t(\.n)?\(\s*[\"']([^\"']+)[\"']\s*(~)?", source):
            if more:
                assert any(known.startswith(key) for known in texts), (path.name, key)
            elif plural:
                assert f"{key}.one" in texts, (path.name, key)
                assert f"{key}.other" in texts, (path.name, key)
            else:
                assert key in texts, (path.name, key)


def test_every_template_compiles() -> None:
    environment = make_environment()
    for path in TEMPLATES.glob("*.html"):
        environment.get_template(path.name)


def test_every_asset_a_template_names_exists() -> None:
    for path in TEMPLATES.glob("*.html"):
        for name in re.findall(r"page\.asset\('([^']+)'\)", path.read_text()):
            assert (WEB / Path(name)).is_file(), (path.name, name)
