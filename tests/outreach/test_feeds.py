"""Feeds: whole outputs as goldens, and read back by a reader that is not ours."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import feedparser  # type: ignore[import-untyped]  # it has no types
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from hustings.outreach.feeds import (
    Announcement,
    Enclosure,
    Episode,
    Live,
    Person,
    Show,
    announcements,
    podcast,
)

GOLDEN = Path(__file__).with_name("golden")
PAGE = "https://live.example.org/r/wohnen"
AT = 1_790_000_000.0
SPACE = {
    "podcast": "https://podcastindex.org/namespace/1.0",
    "itunes": "http://www.itunes.com/dtds/podcast-1.0.dtd",
}

EPISODE = Episode(
    guid="20261128T200000-abc123",
    title="Wohnen & Mieten <live>",
    description='Über Mieten.\nUnd "mehr".',
    page=f"{PAGE}/replay/20261128T200000-abc123/",
    published_at=AT,
    seconds=7_261.4,
    sound=Enclosure(f"{PAGE}/replay/20261128T200000-abc123/made/program.mp3", 86_400_000, "audio/mpeg"),
    people=(Person("Ada Example", "host"), Person("Bertolt Müller")),
    chapters=f"{PAGE}/replay/20261128T200000-abc123/made/chapters.json",
    image=f"{PAGE}/replay/20261128T200000-abc123/made/cover.jpg",
)
SHOW = Show(
    title="Rathaus: offen",
    description="Jede Woche.",
    page=PAGE,
    feed=f"{PAGE}/feed.xml",
    author="Ada Example",
    language="de",
    image=EPISODE.image,
    funding=(("https://example.org/spenden", "Spenden Sie für uns"),),
    episodes=(
        EPISODE,
        replace(EPISODE, guid="20261121T200000-abc122", title="Vorige", chapters="", image=""),
    ),
    live=(
        Live(
            guid="20261205T200000",
            title="Rathaus: offen",
            status="live",
            starts_at=AT + 604_800,
            ends_at=AT + 612_000,
            page=PAGE,
            sound=Enclosure(f"{PAGE}/stream.aac", 0, "audio/aac"),
            people=(Person("Ada Example", "host"),),
        ),
    ),
    built_at=AT + 10,
)
EMPTY = Show(title="Quiet", description="", page=PAGE, feed=f"{PAGE}/feed.xml", author="Quiet")
ENTRIES = (
    Announcement("planned", "Rathaus: offen – 5. Dezember", "Am 5. Dezember um 20 Uhr.", PAGE, AT),
    Announcement("live/1", "Jetzt live: Rathaus & offen", "Hören Sie zu.", PAGE, AT + 60),
)


def atom() -> bytes:
    return announcements("Rathaus: offen", PAGE, f"{PAGE}/feed.atom", ENTRIES, AT, "de")


@pytest.mark.parametrize(
    ("name", "data"),
    [("podcast.xml", podcast(SHOW)), ("podcast-empty.xml", podcast(EMPTY)), ("announcements.atom", atom())],
)
def test_golden(name: str, data: bytes) -> None:
    if os.environ.get("REGENERATE_GOLDENS"):
        (GOLDEN / name).write_bytes(data)
    assert data == (GOLDEN / name).read_bytes()


def test_a_feed_reader_finds_the_episodes() -> None:
    feed = feedparser.parse(podcast(SHOW))
    assert not feed.bozo
    assert feed.version == "rss20"
    assert (feed.feed.title, feed.feed.link, feed.feed.language) == (SHOW.title, PAGE, "de")
    first, second = feed.entries
    assert (first.title, first.description) == (EPISODE.title, EPISODE.description)
    assert first.id == EPISODE.guid
    (sound,) = first.enclosures
    assert (sound.href, sound.length, sound.type) == (EPISODE.sound.url, "86400000", "audio/mpeg")
    assert first.itunes_duration == "7261"
    assert tuple(first.published_parsed)[:6] == (2026, 9, 21, 14, 13, 20)
    assert second.title == "Vorige"


def test_podcast_apps_find_chapters_people_funding_and_what_is_live() -> None:
    root = etree.fromstring(podcast(SHOW))
    channel = root.find("channel")
    assert channel is not None
    item = channel.find("item")
    assert item is not None
    chapters = item.find("podcast:chapters", SPACE)
    assert chapters is not None
    assert {str(name): str(value) for name, value in chapters.attrib.items()} == {
        "url": EPISODE.chapters,
        "type": "application/json+chapters",
    }
    people = [(node.text, node.get("role")) for node in item.findall("podcast:person", SPACE)]
    assert people == [("Ada Example", "host"), ("Bertolt Müller", "guest")]
    funding = channel.find("podcast:funding", SPACE)
    assert funding is not None
    assert (funding.get("url"), funding.text) == SHOW.funding[0]
    live = channel.find("podcast:liveItem", SPACE)
    assert live is not None
    assert {str(name): str(value) for name, value in live.attrib.items()} == {
        "status": "live", "start": "2026-09-28T14:13:20Z", "end": "2026-09-28T16:13:20Z"
    }  # fmt: skip
    assert [node.tag for node in live][:4] == ["title", "guid", "link", "enclosure"]
    # Apple takes no feed without these.
    for needed in ("itunes:category", "itunes:explicit", "itunes:image", "itunes:author"):
        assert channel.find(needed, SPACE) is not None


def test_the_podcast_keeps_its_guid_wherever_it_is_read_from() -> None:
    """podcast:guid: UUIDv5 of the address without scheme and slash, in the namespace's own space."""

    def guid(feed: str) -> str | None:
        return etree.fromstring(podcast(replace(SHOW, feed=feed))).findtext(
            "channel/podcast:guid", None, SPACE
        )

    # The example of the namespace's documentation.
    assert guid("https://mp3s.nashownotes.com/pc20rss.xml") == "917393e3-1b1e-5cef-ace4-edaa54e1f810"
    assert guid("http://mp3s.nashownotes.com/pc20rss.xml/") == "917393e3-1b1e-5cef-ace4-edaa54e1f810"


def test_announcements_are_read_newest_first() -> None:
    feed = feedparser.parse(atom())
    assert not feed.bozo
    assert feed.version == "atom10"
    assert [entry.title for entry in feed.entries] == [ENTRIES[1].title, ENTRIES[0].title]
    assert feed.feed.updated == "2026-09-21T14:14:20Z"
    assert len({entry.id for entry in feed.entries} | {feed.feed.id}) == 3
    assert feed.entries[0].summary == "Hören Sie zu."


@given(st.text(max_size=60), st.text(max_size=60))
def test_no_text_breaks_a_feed(title: str, name: str) -> None:
    show = replace(SHOW, title=title, episodes=(replace(EPISODE, title=title, people=(Person(name),)),))
    root = etree.fromstring(podcast(show))
    assert root.tag == "rss"
    entry = Announcement("x", title, name, PAGE, AT)
    etree.fromstring(announcements(title, PAGE, PAGE, (entry,), AT))
