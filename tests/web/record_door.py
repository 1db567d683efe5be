"""The page of a public record at a real edge, without a stage and a studio: for tests and pictures.

`python tests/web/record_door.py FOLDER` photographs it.
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
from playwright.sync_api import Browser, Page

HERE = Path(__file__).parent
for folder in (HERE, HERE.parent / "archive", HERE.parent / "edge"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

from pages_browser import chromium  # noqa: E402 (the path is set just above)
from record_story import NEXT, SECOND_EVENING, SIGNER, SLUG, Record, signed, story  # noqa: E402
from replay_door import replay_door, until  # noqa: E402

from hustings.bus.messages import Page as Bytes  # noqa: E402
from hustings.bus.messages import RoomPublic  # noqa: E402
from hustings.studio.assets import Assets  # noqa: E402
from hustings.studio.i18n import load_texts  # noqa: E402
from hustings.studio.record_pages import RecordPages  # noqa: E402
from hustings.studio.renderer import Renderer  # noqa: E402


def server_pages() -> RoomPublic:
    """What all rooms have together, as the studio publishes it."""
    pages = RecordPages(Renderer(load_texts(), Assets()), NEXT.public, [SIGNER.public]).pages()["@"]
    return RoomPublic(slug="@", version=1, status="scheduled", broadcast_id="", pages=dict(pages))


def room_with(record: Record, data: Path, slug: str = SLUG) -> RoomPublic:
    """A room with this record."""
    head = Bytes(content_type="application/json", body=msgspec.json.encode(record.publish(data, slug)))
    pages = {"record.head": head}
    return RoomPublic(slug=slug, version=1, status="ended", broadcast_id=SECOND_EVENING, pages=pages)


@contextlib.contextmanager
def record_door(data: Path, record: Record) -> Iterator[str]:
    """The address of a room with this record."""
    with replay_door(data, server_pages(), room_with(record, data)) as room:
        yield room


def open_record(browser: Browser, room: str, *, lang: str = "en", path: str = "", **options: object) -> Page:
    """Its page, checked or not as the browser could."""
    context = browser.new_context(locale="de-DE" if lang == "de" else "en-GB", **options)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(f"{room}/record{path}?lang={lang}")
    until(page, "!['none', 'busy'].includes(document.getElementById('verdict').dataset.state)")
    return page


def believable() -> Record:
    """One evening, and what came before it."""
    return signed(story(both=False))


def damage(data: Path) -> None:
    """Somebody with the disk in his hands changes what was said."""
    file = data / "records" / f"{SLUG}.entries"
    file.write_bytes(file.read_bytes().replace(b"40 flats", b"30 flats", 1))


def photograph(folder: Path) -> None:
    """In both widths, colours and languages; whole and broken."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place, chromium() as browser:
        data = Path(place)
        with record_door(data, believable()) as room:
            for width in (360, 1440):
                for scheme, lang in (("light", "en"), ("dark", "de")):
                    size = {"width": width, "height": 780 if width < 600 else 1000}
                    page = open_record(browser, room, lang=lang, viewport=size, color_scheme=scheme)
                    page.screenshot(path=folder / f"record-{width}-{scheme}-{lang}.png", full_page=True)
                    page.context.close()
            damage(data)
            page = open_record(browser, room, viewport={"width": 900, "height": 1000})
            page.screenshot(path=folder / "record-broken.png", full_page=True)
            page.context.close()


if __name__ == "__main__":
    photograph(Path(sys.argv[1]))
