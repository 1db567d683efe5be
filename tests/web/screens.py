"""Pictures of every state of every page, of a real server: `python tests/web/screens.py FOLDER [STATE,...]`.

Each state in 360 and 1440 px, light and dark, German and English. People look at them; nothing compares.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
from playwright.sync_api import Browser, BrowserContext, Page, Route

sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))
from harness import HUSTINGS, Room, Server, serve
from pages_browser import check_microphone, chromium, chromium_refusing, desk_is, go_on_stage, player_is

import hustings

DEMO = Path(hustings.__file__).parent / "web" / "demo"
LOOKS = [
    (width, scheme, lang) for width in (360, 1440) for scheme in ("light", "dark") for lang in ("en", "de")
]
TITLE = "One building, fifteen million questions: the new library"


class Camera:
    """Takes each state in all looks, by opening it anew."""

    def __init__(self, browser: Browser, folder: Path, only: str) -> None:
        self.browser, self.folder, self.only = browser, folder, only

    @contextlib.contextmanager
    def page(self, width: int, scheme: str, lang: str, **options: object) -> Iterator[Page]:
        size = {"width": width, "height": 780 if width < 600 else 1000}
        context: BrowserContext = self.browser.new_context(
            viewport=size,  # type: ignore[arg-type]  # a plain dict is what it takes
            color_scheme=scheme,  # type: ignore[arg-type]
            locale="de-DE" if lang == "de" else "en-GB",
            timezone_id="Europe/Berlin",
            **options,  # type: ignore[arg-type]
        )
        try:
            yield context.new_page()
        finally:
            context.close()

    def take(
        self,
        name: str,
        arrange: Callable[[Page], None],
        *,
        after: Callable[[Page], None] | None = None,
        **options: object,
    ) -> None:
        """`after` cleans up in the page, so that the next look begins as this one did."""
        if self.only and name not in self.only.split(","):
            return
        for width, scheme, lang in LOOKS:
            with self.page(width, scheme, lang, **options) as page:
                arrange(page)
                page.wait_for_timeout(400)
                full = "error" in name or width > 600
                page.screenshot(path=self.folder / f"{name}-{width}-{scheme}-{lang}.png", full_page=full)
                if after:
                    after(page)
                    page.wait_for_timeout(500)
        print(name, flush=True)


@contextlib.contextmanager
def voices(server: Server, room: Room, who: dict[str, str]) -> Iterator[None]:
    """Speakers who talk on and on: name -> recording."""
    environment = {"HUSTINGS_STUDIO": server.studio_url, "PATH": "/usr/bin:/bin"}
    speaking = [
        subprocess.Popen(
            [
                *HUSTINGS,
                "speak",
                room.slug,
                "--ticket",
                room.tickets[name],
                "--file",
                str(DEMO / file),
                "--loop",
            ],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for name, file in who.items()
    ]
    try:
        yield
    finally:
        for process in speaking:
            process.terminate()
            process.wait()


def listen(url: str, until: str = "playing", door: str = "push") -> Callable[[Page], None]:
    """Opens the room and presses Play."""

    def arrange(page: Page) -> None:
        page.goto(f"{url}?door={door}")
        page.click("#play")
        player_is(page, until)
        if until == "playing":
            page.wait_for_timeout(2500)

    return arrange


def show(url: str) -> Callable[[Page], None]:
    """Only opens it."""

    def arrange(page: Page) -> None:
        page.goto(url)

    return arrange


def abort(route: Route) -> None:
    route.abort()


def break_off(server: Server, url: str) -> Callable[[Page], None]:
    """Plays, then loses the server, and does not get it back."""

    def arrange(page: Page) -> None:
        listen(url)(page)
        page.route("**/live?*", abort)
        for pid in server.pids("edge"):
            os.kill(pid, signal.SIGSTOP)
        try:
            player_is(page, "reconnecting")
        finally:
            for pid in server.pids("edge"):
                os.kill(pid, signal.SIGCONT)

    return arrange


def full(url: str) -> Callable[[Page], None]:
    def arrange(page: Page) -> None:
        page.route("**/live?*", lambda route: route.fulfill(status=503, headers={"Retry-After": "12"}))
        listen(url, "full")(page)

    return arrange


def on_stage(link: str, then: Callable[[Page], None] | None = None) -> Callable[[Page], None]:
    def arrange(page: Page) -> None:
        go_on_stage(page, link)
        page.wait_for_selector("#desk:is([data-state=stage], [data-state=heard], [data-state=muted])")
        if page.get_attribute("#desk", "data-state") == "muted":
            # The stage remembers a mute of before.
            page.keyboard.press("m")
            page.wait_for_selector("#desk:not([data-state=muted])")
        page.wait_for_timeout(2000)
        if then:
            then(page)

    return arrange


def mute(page: Page) -> None:
    page.keyboard.press("m")
    desk_is(page, "muted")


def lose(server: Server, room: Room, name: str) -> Callable[[Page], None]:
    """Another session takes the seat, and the way back is barred."""

    def then(page: Page) -> None:
        page.route("**/whip/**", abort)
        with voices(server, room, {name: "guest.opus"}):
            desk_is(page, "reconnecting")

    return then


def check(link: str, state: str) -> Callable[[Page], None]:
    def arrange(page: Page) -> None:
        check_microphone(page, link)
        desk_is(page, state)
        if state == "ready":
            page.wait_for_timeout(2500)

    return arrange


def command(room: Room, path: str, body: dict[str, object], method: str = "POST") -> None:
    """A host's command."""
    httpx.request(
        method,
        f"{room.server.studio_url}/api/rooms/{room.slug}{path}",
        json=body,
        headers={"Authorization": f"Bearer {room.server.token}"},
        trust_env=False,
        timeout=20,
    ).raise_for_status()


def then(before: Callable[[Page], None], *deeds: Callable[[Page], None]) -> Callable[[Page], None]:
    """One after the other."""

    def arrange(page: Page) -> None:
        for deed in (before, *deeds):
            deed(page)
        page.wait_for_timeout(1200)

    return arrange


def raise_hand(page: Page) -> None:
    page.click("#hand")
    page.fill("#panel input[name=name]", "Ida Wells")
    page.keyboard.press("Enter")
    page.wait_for_selector("#panel[data-step=waiting]")


def bring_up(room: Room) -> Callable[[Page], None]:
    def call(page: Page) -> None:
        # The page says that one waits a moment before the room's state does.
        while not (queue := room.state()["hands"]["queue"]):
            page.wait_for_timeout(200)
        for request in queue:
            command(room, f"/requests/{request}/bring-up", {})
        page.wait_for_selector("#panel[data-step=called]")

    return call


def mark_clip(page: Page) -> None:
    """Three seconds, further back, so that the recording has them."""
    page.click("#back")
    page.wait_for_timeout(2000)
    page.keyboard.press("i")
    page.wait_for_selector(".panel.clip")
    page.wait_for_timeout(3000)
    page.keyboard.press("o")
    page.wait_for_selector("#clip-link:not([disabled])", timeout=40_000)


def go_up(page: Page) -> None:
    page.click("[data-do=speak]")
    page.wait_for_selector("form.hand[data-heard=heard]")


def listener_states(server: Server, room: Room, camera: Camera) -> None:
    """What a listener does in a live room."""
    topics = [
        {"title": "Why a new library"},
        {"title": "What it costs", "minutes": 20},
        {"title": "Questions"},
    ]
    pinned = [{"label": "The plans, 48 pages", "url": "https://example.org/plans"}]
    about = "The town asks, the council answers. Two hours, open to everybody."
    command(room, "", {"description": about, "topics": topics, "links": pinned}, "PATCH")
    # The audience's door knows a moment later than the studio.
    while not (known := room.state()["topics"]):
        time.sleep(0.2)
    for topic in known[:2]:
        command(room, "/topic", {"topic_id": topic["id"]})
    for text in ("What happens to the old building?", "Will it open on Sundays?"):
        sent = {"text": text, "device": f"screens{len(text):014d}"}
        httpx.post(f"{room.audience_url}/question", json=sent, trust_env=False).raise_for_status()
    playing = listen(room.audience_url)
    camera.take("room-behind", then(playing, lambda page: page.click("#back")))
    camera.take("room-clip", then(playing, mark_clip))
    camera.take("room-ask", then(playing, lambda page: page.click("#ask")))
    camera.take("room-hand-wish", then(playing, lambda page: page.click("#hand")))
    lower: Callable[[Page], None] = lambda page: page.click("#hand")  # noqa: E731  # beside its siblings
    camera.take("room-hand", then(playing, raise_hand), after=lower)
    camera.take("room-called", then(playing, raise_hand, bring_up(room)), after=lower)
    camera.take(
        "room-on-stage",
        then(playing, raise_hand, bring_up(room), go_up),
        after=lambda page: page.click("[data-do=leave]"),
    )
    camera.take("room-share", then(show(room.audience_url), lambda page: page.click("#show-share")))
    camera.take("room-keys", then(show(room.audience_url), lambda page: page.keyboard.press("?")))
    camera.take("embed-error", show(f"{room.audience_url}/embed"))


def all_states(server: Server, camera: Camera, refusing: Camera) -> None:
    audience = server.audience_url
    camera.take("rooms-none", show(f"{audience}/"))
    scheduled = Room(
        server, server.api.create_room(TITLE, slug="scheduled", at="2026-12-24T19:00:00Z")["slug"]
    )
    scheduled.invite("Head of finance", public=True)
    scheduled.invite("Elmstead Radio", role="cohost")
    camera.take("room-scheduled", show(scheduled.audience_url))
    cancelled = Room(server, server.api.create_room(TITLE, slug="off", at="2026-12-24T19:00:00Z")["slug"])
    command(cancelled, "/cancel", {})
    camera.take("room-cancelled", show(cancelled.audience_url))
    camera.take("room-unknown-error", show(f"{audience}/r/nowhere"))
    camera.take("studio-unknown-error", show(f"{server.studio_url}/s/nowhere"))
    camera.take("speaker-before", show(scheduled.links["Elmstead Radio"]))
    camera.take("speaker-no-ticket", show(f"{server.studio_url}/s/scheduled"))
    camera.take("speaker-bad-ticket", show(f"{server.studio_url}/s/scheduled#wrong"))
    camera.take("speaker-ready", check(scheduled.links["Elmstead Radio"], "ready"))
    refusing.take("speaker-refused", check(scheduled.links["Elmstead Radio"], "refused"))

    room = server.room(TITLE, slug="library", speakers=[])
    room.invite("Elmstead Radio", role="cohost")
    for name in ("Building councillor", "Library friends", "Ada Byron"):
        room.invite(name)
    room.invite("Head of finance", public=True)
    room.open()
    who = {
        "Elmstead Radio": "host.opus",
        "Building councillor": "guest.opus",
        "Library friends": "guest.opus",
    }
    with voices(server, room, who):
        camera.take("room-open", show(room.audience_url))
        camera.take("room-open-waiting", listen(room.audience_url, "waiting"))
        camera.take("speaker-stage", on_stage(room.links["Ada Byron"]))
        room.start()
        room.wait_for_state("live")
        camera.take("room-live-before", show(room.audience_url))
        camera.take("room-live", listen(room.audience_url))
        listener_states(server, room, camera)
        camera.take("room-live-hls", listen(room.audience_url, door="hls"))
        camera.take("room-noscript", show(room.audience_url), java_script_enabled=False)
        camera.take("room-reconnecting", break_off(server, room.audience_url))
        camera.take("room-full", full(room.audience_url))
        camera.take("rooms", show(f"{audience}/"))
        camera.take("studio", show(f"{server.studio_url}/"))
        camera.take("speaker-heard", on_stage(room.links["Ada Byron"]))
        camera.take("speaker-muted", on_stage(room.links["Ada Byron"], mute))
        camera.take(
            "speaker-reconnecting", on_stage(room.links["Ada Byron"], lose(server, room, "Ada Byron"))
        )
    room.stop()
    room.wait_for_state("ended")
    camera.take("room-ended", show(room.audience_url))
    camera.take("speaker-ended", show(room.links["Ada Byron"]))


def main() -> None:
    folder = Path(sys.argv[1])
    only = sys.argv[2] if len(sys.argv) > 2 else ""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        wav = Path(scratch) / "voice.wav"
        subprocess.run(["ffmpeg", "-v", "error", "-i", DEMO / "host.opus", "-ar", "48000", wav], check=True)
        with (
            serve(Path(scratch)) as server,
            chromium(voice=wav) as browser,
            chromium_refusing(browser) as refusing,
        ):
            all_states(server, Camera(browser, folder, only), Camera(refusing, folder, only))


if __name__ == "__main__":
    main()
