"""The recording's page at a real edge, without a stage and a studio: for tests and pictures.

`python tests/web/replay_door.py FOLDER` photographs it.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
from playwright.sync_api import Browser, Page

HERE = Path(__file__).parent
for folder in (HERE, HERE.parent / "archive", HERE.parent / "edge", HERE.parents[1] / "benchmarks"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

from edge_memory import FakeBus  # noqa: E402 (the path is set just above)
from pages_browser import chromium  # noqa: E402
from recording_folder import BROADCAST, SLUG, write_recording  # noqa: E402

from hustings.archive.about import OfRoom, RoomRecordings  # noqa: E402
from hustings.archive.index import write_index  # noqa: E402
from hustings.archive.library import Library  # noqa: E402
from hustings.archive.model import EditedFrom, encode_index, read_index  # noqa: E402
from hustings.archive.withheld import Withheld, withhold  # noqa: E402
from hustings.bus.messages import Page as Bytes  # noqa: E402
from hustings.bus.messages import RoomPublic  # noqa: E402
from hustings.clock import SystemClock  # noqa: E402
from hustings.config import Settings  # noqa: E402
from hustings.edge.app import Edge  # noqa: E402
from hustings.studio import public  # noqa: E402
from hustings.studio.assets import Assets  # noqa: E402
from hustings.studio.clips import Clips  # noqa: E402
from hustings.studio.context import LANGS, LinksView, RoomView  # noqa: E402
from hustings.studio.i18n import load_texts  # noqa: E402
from hustings.studio.renderer import Renderer  # noqa: E402
from hustings.studio.replays import recordings_pages  # noqa: E402

TITLE = "One building, fifteen million questions: the new library"
DESCRIPTION = "The town asks, the council answers. Two hours, open to everybody, recorded."
HTML = "text/html; charset=utf-8"


def room_public(data: Path) -> RoomPublic:
    """The room as its studio would publish it."""
    library = Library(data)
    folder = library.folder(SLUG)
    assert folder is not None
    view = RoomView(
        slug=SLUG,
        title=TITLE,
        status="ended",
        description=DESCRIPTION,
        started_at="2026-09-21T14:13:20Z",
        ended_at="2026-09-21T16:13:20Z",
        broadcast=BROADCAST,
        duration_seconds=7200.0,
        links=LinksView(page=f"/r/{SLUG}", state=f"/r/{SLUG}/state.json", replay=f"/r/{SLUG}/replay/"),
        replay=RoomRecordings(library).about(SLUG, folder),
    )
    renderer = Renderer(load_texts(), Assets())
    pages = {"state.json": Bytes(content_type="application/json", body=public.state_json(view))}
    for lang in LANGS:
        pages[f"page.{lang}"] = Bytes(content_type=HTML, body=renderer.room(view, lang))
        pages[f"clip.{lang}"] = Bytes(content_type=HTML, body=Clips(renderer).render(view, lang))
    pages |= recordings_pages(renderer, view, OfRoom(last=view.replay, keep_days=None))
    return RoomPublic(slug=SLUG, version=1, status="ended", broadcast_id=BROADCAST, pages=pages)


@contextlib.contextmanager
def replay_door(data: Path, *rooms: RoomPublic) -> Iterator[str]:
    """The audience's door with one ended room whose recording lies below `data`, or with these; gives the
    room's address."""
    started, address = threading.Event(), [""]
    loop = asyncio.new_event_loop()
    stopping = asyncio.Event()

    async def serve() -> None:
        edge = Edge(
            Settings(data=data, listeners=1000), bus=FakeBus(), clock=SystemClock(), call_soon=loop.call_soon
        )
        for room in rooms or (room_public(data),):
            edge.book.update(room)
        edge.book.loaded = True
        server = await loop.create_server(edge.connection, "127.0.0.1", 0)
        address[0] = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/r/{SLUG}"
        started.set()
        await stopping.wait()
        server.close()
        await edge.close()
        for connection in list(edge.connections):
            connection.transport.abort()
        await asyncio.sleep(0.05)

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), daemon=True)
    thread.start()
    assert started.wait(20)
    try:
        yield address[0]
    finally:
        loop.call_soon_threadsafe(stopping.set)
        thread.join(10)
        loop.close()


def open_replay(browser: Browser, room: str, *, lang: str = "en", hash: str = "", **options: object) -> Page:
    """The recording's page, its script ready."""
    context = browser.new_context(locale="de-DE" if lang == "de" else "en-GB", **options)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(f"{room}/replay/?lang={lang}{hash}")
    page.wait_for_selector("html[data-ready]", state="attached")
    return page


def until(page: Page, expression: str, within: float = 20.0) -> None:
    """Waits until `expression` is true. (The page's policy forbids what `wait_for_function` does.)"""
    end = time.monotonic() + within
    while not page.evaluate(expression):
        assert time.monotonic() < end, f"never: {expression}"
        page.wait_for_timeout(30)


CLIP = f"/clip/{BROADCAST}/200000-245000"
"""Below the room's address: 45 s of what `record` makes."""


def record(data: Path) -> None:
    """Ten minutes of two voices below `data`, and what was recorded in the weeks before."""
    write_index(write_recording(data, 600.0, turn=17.0).folder)
    record_earlier(data, 24)


def record_earlier(data: Path, weeks: int) -> list[str]:
    """One recording a week, the newest first; all the same 20 s, though they say that they are longer."""
    day = datetime.strptime(BROADCAST[:8], "%Y%m%d").replace(hour=19, tzinfo=UTC)
    named = [f"{day - timedelta(weeks=week):%Y%m%d}T190000-abc123" for week in range(1, weeks + 1)]
    first = write_recording(data, 20.0, broadcast=named[0]).folder
    index = write_index(first)
    for week, name in enumerate(named, start=1):
        folder = first if name == first.name else shutil.copytree(first, first.with_name(name))
        since = (day - timedelta(weeks=week)).timestamp()
        length = (5400 + 660 * (week % 5)) * 48_000
        index = msgspec.structs.replace(index, broadcast=name, live_since=since, duration=length)
        (folder / "recording.json").write_bytes(encode_index(index))
    return named


def edit(data: Path, *, done: bool = True) -> None:
    """What `record` made has an edited version in its place; or, not `done`, nothing for the time being."""
    original = data / "rooms" / SLUG / BROADCAST
    name = f"{BROADCAST[:15]}-5e0c1d"
    edition = original.with_name(name)
    shutil.rmtree(edition, ignore_errors=True)
    if not done:
        withhold(original, Withheld(why="being_edited", since="2026-11-28T21:20:00Z"))
        return
    withhold(original, None)
    shutil.copytree(original, edition)
    index = read_index(original)
    made = EditedFrom(
        broadcast=BROADCAST,
        origin=BROADCAST,
        sha256="",
        at=index.ended_at + 5_000,
        number=1,
        trimmed=True,
        cuts=2,
        removed=94.5,
        gains=1,
    )
    index = msgspec.structs.replace(index, broadcast=name, edited_from=made)
    (edition / "recording.json").write_bytes(encode_index(index))
    withhold(original, Withheld(why="edited", since="2026-11-28T21:20:00Z", instead=name))


def photograph(folder: Path) -> None:
    """The page in both widths, colours and languages."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place, chromium() as browser:
        data = Path(place)
        record(data)
        with replay_door(data) as room:
            for width in (360, 1440):
                for scheme in ("light", "dark"):
                    lang = "de" if scheme == "dark" else "en"
                    size = {"width": width, "height": 780 if width < 600 else 1000}
                    page = open_replay(
                        browser, room, lang=lang, hash="#t=220", viewport=size, color_scheme=scheme
                    )
                    page.wait_for_timeout(500)
                    page.screenshot(path=folder / f"replay-{width}-{scheme}-{lang}.png", full_page=True)
                    page.screenshot(path=folder / f"replay-{width}-{scheme}-{lang}-view.png")
                    page.goto(f"{room}/recordings?lang={lang}")
                    page.screenshot(path=folder / f"recordings-{width}-{scheme}-{lang}.png", full_page=True)
                    page.goto(f"{room}?lang={lang}")
                    page.wait_for_timeout(300)
                    page.screenshot(path=folder / f"room-{width}-{scheme}-{lang}.png", full_page=True)
                    page.context.close()


if __name__ == "__main__":
    photograph(Path(sys.argv[1]))
