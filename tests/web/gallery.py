"""Every state of every page, each on one sheet in docs/img/states: `gallery.py [FOLDER [PART [STATE,...]]]`.

PART is listener, console, server, desk, operator, edit, replay, record, lobby, audience or sheets (default
all); pictures stay in FOLDER. A sheet shows eight looks: 1440 px wide in light English, light German, dark
English, dark German, and below each the same at 360 px. docs/states.md lists the sheets; a test compares.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont
from playwright.sync_api import Browser, Page

sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))
import audience_fake
import console_screens
import console_troubles
import edit_fake
import listener_pages
import lobby_fake
import operator_fake
import record_door
import replay_door
from console_fake import context_of
from desk_support import PASSWORD, Door, studio_door
from pages_browser import chromium
from recording_folder import BROADCAST

HERE = Path(__file__).parent
SHEETS = HERE.parents[1] / "docs" / "img" / "states"
LOOKS = [(scheme, lang) for scheme in ("light", "dark") for lang in ("en", "de")]
MAX_BYTES = 180_000
COLUMN, GAP, LABEL = 400, 16, 22
SHEET_WIDTH = GAP + len(LOOKS) * (COLUMN + GAP)
PHONE = (COLUMN - GAP) // 2
"""A long phone's page is folded once, so two lie below a desk's."""
TALLEST = 1500
SERVER = {
    "rooms-none": "rooms-none",
    "rooms": "rooms",
    "room-unknown-error": "room-unknown",
    "room-open-waiting": "room-open-waiting",
    "room-live": "room-playing",
    "room-behind": "room-behind",
    "room-clip": "room-clip",
    "room-on-stage": "room-on-stage",
    "embed-error": "room-embed",
    "room-noscript": "room-noscript",
    "room-reconnecting": "room-reconnecting",
    "room-full": "room-full",
}
"""States that take a real server and real sound, and what their sheets are called."""

ACCOUNT = ("login", "own", "setup-used", "setup")
DESK = ("rooms-none", "rooms", "new", "manage", "link", "cancel", "fault", *ACCOUNT)

REPLAY = {
    "replay": "/replay/?lang={lang}#t=220",
    "clip": replay_door.CLIP + "?lang={lang}",
    "replay-edited": "/replay/?lang={lang}",
    "recordings": "/recordings?lang={lang}",
    "recording-edited": f"/replay/{BROADCAST}/?lang={{lang}}",
    "recording-being-edited": f"/replay/{BROADCAST}/?lang={{lang}}",
    "room-recorded": "?lang={lang}",
}
"""Pages of a room with a recording."""

RECORD = ("record", "record-broken")
"""The page of a public record: checked and whole; changed on the disk."""

type Taken = Callable[[Page], None]


def sheets() -> list[str]:
    """Names of all sheets."""
    console_states = [*console_screens.states(), *console_troubles.troubles()]
    return [
        *(f"room-{_dashed(state)}" for state in listener_pages.STATES),
        *(f"console-{state}" for state in console_states),
        *SERVER.values(),
        *(_desk_sheet(state) for state in DESK),
        *(f"operator-{kind}" for kind in operator_fake.KINDS),
        *edit_fake.STATES,
        *REPLAY,
        *RECORD,
        *lobby_fake.STATES,
        *(f"audience-{state}" for state in audience_fake.SHEETS),
    ]


def _dashed(state: str) -> str:
    return state.replace(" ", "-")


def _desk_sheet(state: str) -> str:
    return f"{'account' if state in ACCOUNT else 'desk'}-{state}"


def listener(folder: Path, only: list[str]) -> None:
    with chromium() as browser:
        for state in only or listener_pages.STATES:
            for width in (1440, 360):
                for scheme, lang in LOOKS:
                    page = listener_pages.opened(browser, scheme, width, _locale(lang))  # type: ignore[arg-type]
                    listener_pages.arrange(page, state)
                    _shot(page, folder, f"room-{_dashed(state)}", width, scheme, lang)
                    page.context.close()


def console(folder: Path, only: list[str]) -> None:
    with _voice() as wav, chromium(voice=wav) as browser:
        for state in only or [*console_screens.states(), *console_troubles.troubles()]:
            for width in (1440, 360):
                for scheme, lang in LOOKS:
                    context = context_of(browser, width, scheme, lang)
                    page = console_troubles.arranged(context, state)
                    _shot(page, folder, f"console-{state}", width, scheme, lang)
                    context.close()


def server(folder: Path, only: list[str]) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        states = ",".join(only or SERVER)
        subprocess.run([sys.executable, str(HERE / "screens.py"), scratch, states], check=True)
        for picture in Path(scratch).glob("*.png"):
            state, width, scheme, lang = picture.stem.rsplit("-", 3)
            picture.rename(folder / f"{SERVER[state]}-{width}-{scheme}-{lang}.png")


def desk(folder: Path, only: list[str]) -> None:
    """The hosts' pages and those of the accounts."""
    with chromium() as browser:
        with tempfile.TemporaryDirectory() as scratch, studio_door(Path(scratch)) as door:
            states = _desk_states(door)
            for state, (arrange, logged_in) in states.items():
                if state == "rooms":
                    _furnish(door)
                if only and state not in only:
                    continue
                for width in (1440, 360):
                    for scheme, lang in LOOKS:
                        look = {"viewport": {"width": width, "height": 800}, "color_scheme": scheme}
                        look |= {"locale": _locale(lang), "timezone_id": "Europe/Berlin"}
                        context = door.context(browser, **look) if logged_in else browser.new_context(**look)  # type: ignore[arg-type]
                        page = context.new_page()
                        arrange(page)
                        whole = state not in ("cancel",)
                        _shot(page, folder, _desk_sheet(state), width, scheme, lang, whole=whole)
                        context.close()
        if not only or "setup" in only:
            with tempfile.TemporaryDirectory() as scratch, studio_door(Path(scratch), account=False) as door:
                secret = (door.data / "keys" / "setup").read_text().strip()
                for width in (1440, 360):
                    for scheme, lang in LOOKS:
                        context = context_of(browser, width, scheme, lang)
                        page = context.new_page()
                        page.goto(f"{door.by_name}/setup#{secret}")
                        page.wait_for_selector("#passkey:not([disabled])")
                        _shot(page, folder, _desk_sheet("setup"), width, scheme, lang)
                        context.close()


def _furnish(door: Door) -> None:
    """A host's rooms: one planned with everything, one live, one over, one cancelled."""
    topics = [
        {"title": "Why a new library", "minutes": 20},
        {"title": "What it costs", "minutes": 30},
        {"title": "Questions from the queue", "minutes": 30},
    ]
    door.room(
        listener_pages.PLANNED.title,
        slug="library",
        at="2031-03-05T20:00:00+01:00",
        time_zone="Europe/Berlin",
        weekly=True,
        description="The town asks, the council answers.\n\nTwo hours, open to everybody.",
        language="en",
        green_room=True,
        topics=topics,
        links=[{"label": "The plans", "url": "https://example.org/plans.pdf"}],
        turn_seconds=120,
    )
    for name, public in (
        ("Building councillor", True),
        ("Library friends", False),
        ("Head of finance", True),
    ):
        _post(door, "library/invitations", {"name": name, "public": public, "role": "speaker"})
    mayor = _post(door, "library/invitations", {"name": "Ada Byron", "public": True, "role": "cohost"})
    word = {"word": "Gladly, but not on a Wednesday.", "proposed_at": "2031-03-06T20:00:00+01:00"}
    _post(door, "library/me/answer", {"answer": "declined"}, mayor["ticket"])
    _post(door, "library/me/word", word, mayor["ticket"])
    door.room("Morning show", slug="morning")
    door.room("The old library", slug="old")
    for deed in ("morning/open", "morning/start", "old/open", "old/start", "old/stop"):
        _post(door, deed, None)
    door.room("Called off", slug="off", at="2031-01-03T20:00:00+01:00")
    _post(door, "off/cancel", None)


def _post(door: Door, path: str, body: object, ticket: str = "") -> dict[str, str]:
    headers = {"Authorization": f"Bearer {ticket}"} if ticket else {}
    answer = door.api.post(f"/api/rooms/{path}", json=body, headers=headers)
    answer.raise_for_status()
    return answer.json() if answer.content else {}


def _desk_states(door: Door) -> dict[str, tuple[Taken, bool]]:
    """By name: what is done, and whether one is logged in."""

    def home(page: Page) -> None:
        page.goto(door.url)
        page.wait_for_selector("#now:not([disabled])")

    def new(page: Page) -> None:
        page.goto(f"{door.url}/rooms/new")
        page.wait_for_selector("#when-says:not(:empty)")
        page.click("#add-topic")

    def manage(page: Page) -> None:
        page.goto(f"{door.url}/rooms/library")
        page.wait_for_selector("#invite-button:not([disabled])")

    def link(page: Page) -> None:
        manage(page)
        page.fill("#invite-name", "Elmstead Radio")
        page.click("#invite-button")
        page.wait_for_selector("#secret-qr:not([hidden])")

    def cancel(page: Page) -> None:
        manage(page)
        page.click("#cancel")

    def fault(page: Page) -> None:
        manage(page)
        page.fill("#title", "")
        page.click("#save")

    def login(page: Page) -> None:
        page.goto(f"{door.by_name}/login")
        page.wait_for_selector("#with-password:not([disabled])")

    def wrong(page: Page) -> None:
        login(page)
        page.fill("#name", "Elmstead Radio")
        page.fill("#password", f"not {PASSWORD}")
        page.click("#with-password")
        page.wait_for_selector("#problem:not([hidden])")

    def used(page: Page) -> None:
        page.goto(f"{door.by_name}/setup#{'x' * 32}")

    def own(page: Page) -> None:
        page.goto(f"{door.url}/account")
        page.wait_for_selector("#sessions .entry")

    return {
        "rooms-none": (home, True),
        "rooms": (home, True),
        "new": (new, True),
        "manage": (manage, True),
        "link": (link, True),
        "cancel": (cancel, True),
        "fault": (fault, True),
        "login": (login, False),
        "setup-used": (used, False),
        "own": (own, True),
    }


def edit(folder: Path, only: list[str]) -> None:
    """The hosts' page for edits."""
    with (
        chromium() as browser,
        tempfile.TemporaryDirectory() as scratch,
        studio_door(Path(scratch)) as door,
    ):
        edit_fake.record(door)
        for state in only or edit_fake.STATES:
            for width in (1440, 360):
                for scheme, lang in LOOKS:
                    look = {"viewport": {"width": width, "height": 900}, "color_scheme": scheme}
                    context = door.context(browser, locale=_locale(lang), **look)
                    page = context.new_page()
                    edit_fake.arrange(page, door, state)
                    _shot(page, folder, state, width, scheme, lang, whole=state != "edit-remove")
                    context.close()


def operator(folder: Path, only: list[str]) -> None:
    """The operator's page."""
    with (
        chromium() as browser,
        tempfile.TemporaryDirectory() as scratch,
        studio_door(Path(scratch)) as door,
    ):
        for kind in only or operator_fake.KINDS:
            for width in (1440, 360):
                for scheme, lang in LOOKS:
                    look = {"viewport": {"width": width, "height": 900}, "color_scheme": scheme}
                    context = door.context(browser, locale=_locale(lang), **look)
                    page = context.new_page()
                    operator_fake.shown(page, door.url, kind, lang)
                    _shot(page, folder, f"operator-{kind}", width, scheme, lang)
                    context.close()


def replay(folder: Path, only: list[str]) -> None:
    """The recording's page, and that of the room it is of."""
    with chromium() as browser, tempfile.TemporaryDirectory() as scratch:
        replay_door.record(Path(scratch))
        states = [state for state in only or REPLAY if "edited" not in state]
        _replay_states(browser, Path(scratch), folder, states)
        for state in (state for state in only or REPLAY if "edited" in state):
            replay_door.edit(Path(scratch), done=state != "recording-being-edited")
            _replay_states(browser, Path(scratch), folder, [state])


def record(folder: Path, only: list[str]) -> None:
    """The page of a public record, as far as its first entries."""
    with (
        chromium() as browser,
        tempfile.TemporaryDirectory() as scratch,
        record_door.record_door(Path(scratch), record_door.believable()) as room,
    ):
        for state in only or RECORD:
            if state == "record-broken":
                record_door.damage(Path(scratch))
            for width in (1440, 360):
                for scheme, lang in LOOKS:
                    page = record_door.open_record(
                        browser,
                        room,
                        lang=lang,
                        viewport={"width": width, "height": 1900 if width > 600 else 3000},
                        color_scheme=scheme,
                    )
                    _shot(page, folder, state, width, scheme, lang, whole=False)
                    page.context.close()


def _replay_states(browser: Browser, data: Path, folder: Path, states: list[str]) -> None:
    if states:
        with replay_door.replay_door(data) as room:
            for state in states:
                for width in (1440, 360):
                    for scheme, lang in LOOKS:
                        context = context_of(browser, width, scheme, lang)
                        page = context.new_page()
                        page.goto(room + REPLAY[state].format(lang=lang))
                        page.wait_for_timeout(700)
                        _shot(page, folder, state, width, scheme, lang)
                        context.close()


def lobby(folder: Path, only: list[str]) -> None:
    """The page of those who have to wait."""
    with chromium() as browser:
        for state in only or lobby_fake.STATES:
            for width in (1440, 360):
                for scheme, lang in LOOKS:
                    context = context_of(browser, width, scheme, lang)
                    page = context.new_page()
                    lobby_fake.arrange(page, state, lang)
                    _shot(page, folder, state, width, scheme, lang)
                    context.close()


def audience(folder: Path, only: list[str]) -> None:
    """Who listened."""
    with chromium() as browser:
        for state in only or audience_fake.SHEETS:
            for width in (1440, 360):
                for scheme, lang in LOOKS:
                    context = context_of(browser, width, scheme, lang)
                    page = context.new_page()
                    audience_fake.arrange(page, state, lang=lang)
                    _shot(page, folder, f"audience-{state}", width, scheme, lang)
                    context.close()
        for path in folder.glob("audience-*.png"):
            _cut(path)


def _cut(path: Path) -> None:
    """A page of tables is told by its upper half, or where countries are by its lower one; whole, the sheets
    are too heavy."""
    with Image.open(path) as picture:
        wide, tall = picture.size
        most = min(tall, 2000 if wide > 600 else 2600)
        top = tall - most if "countries" in path.name else 0
        cut = picture.crop((0, top, wide, top + most))
    cut.save(path)


@contextmanager
def _voice() -> Iterator[Path]:
    """What a microphone hears."""
    with tempfile.TemporaryDirectory() as scratch:
        wav = Path(scratch) / "voice.wav"
        source = console_screens.DEMO / "host.opus"
        subprocess.run(["ffmpeg", "-v", "error", "-i", source, "-ar", "48000", wav], check=True)
        yield wav


def _locale(lang: str) -> str:
    return "de-DE" if lang == "de" else "en-GB"


def _shot(
    page: Page, folder: Path, state: str, width: int, scheme: str, lang: str, *, whole: bool = True
) -> None:
    if whole:
        # As high as the page is: what sticks to the window's end would else lie over its middle.
        high = page.evaluate("document.documentElement.scrollHeight")
        page.set_viewport_size({"width": width, "height": min(max(high, 780), 8000)})
    page.wait_for_timeout(300)
    page.screenshot(path=folder / f"{state}-{width}-{scheme}-{lang}.png", full_page=whole)
    print(state, width, scheme, lang, flush=True)


def sheet(pictures: dict[str, Path]) -> Image.Image:
    """One state's looks, by `{width}-{scheme}-{lang}`."""
    columns = [f"{scheme}-{lang}" for scheme, lang in LOOKS]
    wide = [_narrowed(Image.open(pictures[f"1440-{name}"]), COLUMN) for name in columns]
    phones = [_folded(_narrowed(Image.open(pictures[f"360-{name}"]), PHONE)) for name in columns]
    middle = LABEL + max(each.height for each in wide) + GAP
    height = middle + LABEL + max(each.height for each in phones) + GAP
    made = Image.new("RGB", (SHEET_WIDTH, height), "#8d8d8d")
    draw, font = ImageDraw.Draw(made), ImageFont.load_default(14)
    for at, (name, desk_, phone) in enumerate(zip(columns, wide, phones, strict=True)):
        left = GAP + at * (COLUMN + GAP)
        said = name.replace("light-", "light, ").replace("dark-", "dark, ")
        for top, picture, size in ((0, desk_, "1440 px"), (middle, phone, "360 px")):
            draw.text((left, top + 3), f"{size}, {said}", "#000000", font)
            made.paste(picture, (left, top + LABEL))
    return made


def _narrowed(picture: Image.Image, width: int) -> Image.Image:
    height = round(picture.height * width / picture.width)
    size = (width, height)
    return (
        picture.convert("RGB")
        .resize(size, Image.Resampling.LANCZOS)
        .crop((0, 0, width, min(height, 2 * TALLEST)))
    )


def _folded(phone: Image.Image) -> Image.Image:
    """In two columns where it is long."""
    if phone.height <= 800:
        return phone
    half = (phone.height + 1) // 2
    made = Image.new("RGB", (COLUMN, half), "#8d8d8d")
    made.paste(phone.crop((0, 0, PHONE, half)), (0, 0))
    made.paste(phone.crop((0, half, PHONE, phone.height)), (PHONE + GAP, 0))
    return made


def assemble(folder: Path) -> None:
    """Makes the sheets of all states whose eight looks are in `folder`."""
    SHEETS.mkdir(parents=True, exist_ok=True)
    states: dict[str, dict[str, Path]] = {}
    for picture in sorted(folder.glob("*.png")):
        state, look = picture.stem.rsplit("-", 3)[0], "-".join(picture.stem.rsplit("-", 3)[1:])
        states.setdefault(state, {})[look] = picture
    for state, pictures in states.items():
        if len(pictures) < 8:
            print(f"{state}: only {len(pictures)} looks", file=sys.stderr)
            continue
        made, path = sheet(pictures), SHEETS / f"{state}.webp"
        for quality in (60, 45, 35, 25, 15):
            made.save(path, quality=quality, method=6)
            if path.stat().st_size <= MAX_BYTES:
                break


PARTS = {
    "listener": listener,
    "console": console,
    "server": server,
    "desk": desk,
    "operator": operator,
    "edit": edit,
    "replay": replay,
    "record": record,
    "lobby": lobby,
    "audience": audience,
}


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(sys.argv[1] if len(sys.argv) > 1 else scratch)
        folder.mkdir(parents=True, exist_ok=True)
        only = sys.argv[3].split(",") if len(sys.argv) > 3 else []
        for name in [sys.argv[2]] if len(sys.argv) > 2 else PARTS:
            if name != "sheets":
                PARTS[name](folder, only)
        assemble(folder)


if __name__ == "__main__":
    main()
