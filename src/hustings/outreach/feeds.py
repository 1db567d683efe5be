"""Feeds: recordings as a podcast (RSS 2.0 with Apple's and the podcast namespace), and what a room
announces as Atom (RFC 4287). Addresses are absolute; times are Unix seconds.
"""

from __future__ import annotations

import unicodedata
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import TYPE_CHECKING, Final, Literal

# Imported where it is used: a studio without any recording needs no XML.
if TYPE_CHECKING:
    from lxml.etree import _Element

RSS_TYPE: Final = "application/rss+xml; charset=utf-8"
ATOM_TYPE: Final = "application/atom+xml; charset=utf-8"
_ITUNES: Final = "http://www.itunes.com/dtds/podcast-1.0.dtd"
_PODCAST: Final = "https://podcastindex.org/namespace/1.0"
_ATOM: Final = "http://www.w3.org/2005/Atom"
_PODCAST_GUIDS: Final = uuid.UUID("ead4c236-bf58-58c6-a2c6-a6b28d128cb6")
"""Given by the podcast namespace for podcast:guid."""
_GENERATOR: Final = "Hustings"

type LiveStatus = Literal["pending", "live", "ended"]


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who is heard. `role` in words of podcast taxonomy: host, guest, reporter ..."""

    name: str
    role: str = "guest"


@dataclass(frozen=True, slots=True)
class Enclosure:
    """A file of sound. `size` in bytes."""

    url: str
    size: int
    type: str


@dataclass(frozen=True, slots=True)
class Episode:
    """One recording that can be downloaded."""

    guid: str
    title: str
    description: str
    page: str
    published_at: float
    seconds: float
    sound: Enclosure
    people: tuple[Person, ...] = ()
    chapters: str = ""
    """Address of its chapters (JSON), "" without any."""
    image: str = ""


@dataclass(frozen=True, slots=True)
class Live:
    """What is on now or comes next."""

    guid: str
    title: str
    status: LiveStatus
    starts_at: float
    ends_at: float
    page: str
    sound: Enclosure
    people: tuple[Person, ...] = ()


@dataclass(frozen=True, slots=True)
class Show:
    """A room, a host's rooms or all of a server as a podcast. `feed`: the address it is read from."""

    title: str
    description: str
    page: str
    feed: str
    author: str
    language: str = ""
    image: str = ""
    funding: tuple[tuple[str, str], ...] = ()
    """(address, words) of where to give."""
    episodes: tuple[Episode, ...] = ()
    """Newest first."""
    live: tuple[Live, ...] = ()
    built_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Announcement:
    """One thing a room announces. `key` names it for ever within the room."""

    key: str
    title: str
    text: str
    page: str
    updated_at: float


def podcast(show: Show) -> bytes:
    """The RSS feed. Podcasting 2.0: guid, medium, funding, liveItem, person, chapters."""
    from lxml import etree

    names = {"itunes": _ITUNES, "podcast": _PODCAST, "atom": _ATOM}
    rss = etree.Element("rss", nsmap=names)
    rss.set("version", "2.0")
    channel = _add(rss, "channel")
    _add(channel, "title", show.title)
    _add(channel, "link", show.page)
    _add(channel, "description", show.description or show.title)
    if show.language:
        _add(channel, "language", show.language)
    _add(channel, "generator", _GENERATOR)
    if show.built_at:
        _add(channel, "lastBuildDate", _rfc822(show.built_at))
    _add(channel, f"{{{_ATOM}}}link", rel="self", type="application/rss+xml", href=show.feed)
    _add(channel, f"{{{_ITUNES}}}author", show.author)
    _add(channel, f"{{{_ITUNES}}}category", text="Society & Culture")
    _add(channel, f"{{{_ITUNES}}}explicit", "false")
    if show.image:
        _add(channel, f"{{{_ITUNES}}}image", href=show.image)
        image = _add(channel, "image")
        for name, value in (("url", show.image), ("title", show.title), ("link", show.page)):
            _add(image, name, value)
    _add(channel, f"{{{_PODCAST}}}guid", str(uuid.uuid5(_PODCAST_GUIDS, _bare(show.feed))))
    _add(channel, f"{{{_PODCAST}}}medium", "podcast")
    for address, words in show.funding:
        _add(channel, f"{{{_PODCAST}}}funding", words[:128], url=address)
    for live in show.live:
        _live(channel, live)
    for episode in show.episodes:
        _episode(channel, episode)
    return _bytes(rss)


def _live(channel: _Element, live: Live) -> None:
    item = _add(
        channel,
        f"{{{_PODCAST}}}liveItem",
        status=live.status,
        start=_rfc3339(live.starts_at),
        end=_rfc3339(live.ends_at),
    )
    _add(item, "title", live.title)
    _add(item, "guid", live.guid, isPermaLink="false")
    _add(item, "link", live.page)
    _enclosure(item, live.sound)
    _people(item, live.people)
    _add(item, f"{{{_PODCAST}}}contentLink", live.title, href=live.page)


def _episode(channel: _Element, episode: Episode) -> None:
    item = _add(channel, "item")
    _add(item, "title", episode.title)
    _add(item, "link", episode.page)
    _add(item, "guid", episode.guid, isPermaLink="false")
    _add(item, "pubDate", _rfc822(episode.published_at))
    _add(item, "description", episode.description or episode.title)
    _enclosure(item, episode.sound)
    _add(item, f"{{{_ITUNES}}}duration", str(round(episode.seconds)))
    _add(item, f"{{{_ITUNES}}}episodeType", "full")
    if episode.image:
        _add(item, f"{{{_ITUNES}}}image", href=episode.image)
    if episode.chapters:
        _add(item, f"{{{_PODCAST}}}chapters", url=episode.chapters, type="application/json+chapters")
    _people(item, episode.people)


def _enclosure(item: _Element, sound: Enclosure) -> None:
    _add(item, "enclosure", url=sound.url, length=str(sound.size), type=sound.type)


def _people(item: _Element, people: tuple[Person, ...]) -> None:
    for person in people:
        _add(item, f"{{{_PODCAST}}}person", person.name[:128], role=person.role)


def announcements(
    title: str, page: str, feed: str, entries: tuple[Announcement, ...], updated_at: float, language: str = ""
) -> bytes:
    """The Atom feed, newest entry first. `updated_at`: when there are no entries."""
    from lxml import etree

    root = etree.Element(f"{{{_ATOM}}}feed", nsmap={None: _ATOM})  # type: ignore[dict-item]  # None: the default one
    if language:
        root.set("{http://www.w3.org/XML/1998/namespace}lang", language)
    ordered = sorted(entries, key=lambda entry: -entry.updated_at)
    _add(root, f"{{{_ATOM}}}id", _urn(feed))
    _add(root, f"{{{_ATOM}}}title", title)
    _add(root, f"{{{_ATOM}}}updated", _rfc3339(ordered[0].updated_at if ordered else updated_at))
    _add(root, f"{{{_ATOM}}}link", rel="self", type="application/atom+xml", href=feed)
    _add(root, f"{{{_ATOM}}}link", rel="alternate", type="text/html", href=page)
    _add(root, f"{{{_ATOM}}}generator", _GENERATOR)
    _add(_add(root, f"{{{_ATOM}}}author"), f"{{{_ATOM}}}name", title)
    for entry in ordered:
        node = _add(root, f"{{{_ATOM}}}entry")
        _add(node, f"{{{_ATOM}}}id", _urn(f"{feed}#{entry.key}"))
        _add(node, f"{{{_ATOM}}}title", entry.title)
        _add(node, f"{{{_ATOM}}}updated", _rfc3339(entry.updated_at))
        _add(node, f"{{{_ATOM}}}link", rel="alternate", type="text/html", href=entry.page)
        _add(node, f"{{{_ATOM}}}summary", entry.text, type="text")
    return _bytes(root)


def _add(parent: _Element, tag: str, content: str = "", /, **attributes: str) -> _Element:
    from lxml import etree

    node = etree.SubElement(parent, tag)
    if content:
        node.text = _plain(content)
    for name, value in attributes.items():
        node.set(name, _plain(value))
    return node


def _bytes(root: _Element) -> bytes:
    from lxml import etree

    return bytes(etree.tostring(root, encoding="utf-8", xml_declaration=True, pretty_print=True))


def _bare(address: str) -> str:
    """As podcast:guid wants it: without scheme and slashes at the end."""
    return address.partition("://")[2].rstrip("/")


def _urn(name: str) -> str:
    return uuid.uuid5(uuid.NAMESPACE_URL, name).urn


def _plain(text: str) -> str:
    """Without what XML 1.0 forbids (section 2.2)."""
    return "".join(
        char
        for char in text
        if char in "\n\t" or (unicodedata.category(char) not in ("Cc", "Cs") and char not in "\ufffe\uffff")
    )


def _rfc822(seconds: float) -> str:
    return format_datetime(datetime.fromtimestamp(int(seconds), UTC), usegmt=True)


def _rfc3339(seconds: float) -> str:
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
