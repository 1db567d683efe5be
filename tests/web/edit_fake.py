"""The hosts' page for edits at a real studio's door; its answers about versions are made up."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, Route

HERE = Path(__file__).parent
for folder in (HERE.parent / "archive", HERE.parent / "e2e"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

from desk_support import Door  # noqa: E402 (the path is set just above)
from recording_folder import VOICES, write_recording  # noqa: E402

from hustings.archive.index import write_index  # noqa: E402

SLUG, BROADCAST = "library", "20261101T190000-abc123"
ADA, BERT = (voice.participant_id for voice in VOICES)
TITLE = "One building, fifteen million questions: the new library"


def record(door: Door, seconds: float = 600.0, slug: str = SLUG, turn: float = 17.0) -> None:
    """A room with a recording of two voices."""
    door.room(TITLE, slug=slug)
    write_index(write_recording(door.data, seconds, slug=slug, broadcast=BROADCAST, turn=turn).folder)


class FakeEdits:
    """Answers what the page asks of the API about versions; files come from the real studio."""

    def __init__(self, page: Page, slug: str = SLUG, seconds: float = 600.0) -> None:
        self.slug = slug
        self.seconds = seconds
        self.edits: list[dict[str, Any]] = []
        self.public: str | None = BROADCAST
        self.orders: list[dict[str, Any]] = []
        self.refuses: dict[str, Any] | None = None
        page.route(
            re.compile(rf"/api/rooms/{slug}/recordings/{BROADCAST}/edits(/\d+(/publish)?)?$"), self._answer
        )

    def add(self, state: str = "made", **more: Any) -> dict[str, Any]:
        """One more version."""
        number = len(self.edits) + 1
        edit = {
            "number": number,
            "edition": f"20261101T190000-{number:06x}",
            "state": state,
            "progress": 1.0 if state == "made" else 0.0,
            "problem": "",
            "public": False,
            "asked_at": "2026-11-02T09:12:00Z",
            "asked_by": "Elmstead Radio",
            "published_at": None,
            "from": None,
            "to": None,
            "cuts": [],
            "gains": {},
            "without": [],
            "take_down": False,
            "seconds": 553.5,
            "preview": f"/api/rooms/{self.slug}/recordings/{BROADCAST}/edits/0/program.m4a"
            if state == "made"
            else None,
            "replay": None,
            **more,
        }
        self.edits.append(edit)
        if edit["public"]:
            self.publish(number)
        return edit

    def publish(self, number: int) -> None:
        for edit in self.edits:
            edit["public"] = edit["number"] == number
            edit["replay"] = (
                f"http://room.test/r/{self.slug}/replay/{edit['edition']}/" if edit["public"] else None
            )
        self.public = next((edit["edition"] for edit in self.edits if edit["public"]), BROADCAST)

    def listing(self) -> dict[str, Any]:
        base = f"/api/rooms/{self.slug}/recordings/{BROADCAST}/edits"
        return {
            "broadcast": BROADCAST,
            "begins": 0.0,
            "ends": self.seconds,
            "public": self.public,
            "preview": f"{base}/0/program.m4a",
            "speakers": [
                {"id": ADA, "name": "Ada Example", "track": True, "speaking": 302.4},
                {"id": BERT, "name": "Bertolt Müller", "track": True, "speaking": 285.1},
            ],
            "edits": self.edits,
        }

    def _answer(self, route: Route) -> None:
        request = route.request
        number = re.search(r"/edits/(\d+)", request.url)
        if self.refuses is not None and request.method != "GET":
            body = json.dumps(self.refuses)
            route.fulfill(status=self.refuses["status"], body=body, content_type="application/problem+json")
        elif request.method == "POST" and number is None:
            order = request.post_data_json or {}
            self.orders.append(order)
            if order.get("take_down"):
                self.public = None
            route.fulfill(status=202, json=self.add("waiting", **order))
        elif request.method == "POST" and number is not None:
            self.publish(int(number[1]))
            route.fulfill(json=self.listing())
        elif request.method == "DELETE" and number is not None:
            self.edits = [edit for edit in self.edits if edit["number"] != int(number[1])]
            route.fulfill(status=204)
        else:
            route.fulfill(json=self.listing())


def opened(page: Page, door: Door, slug: str = SLUG) -> None:
    """The page, its script ready."""
    page.goto(f"{door.url}/rooms/{slug}/recordings/{BROADCAST}")
    page.wait_for_selector("html[data-ready]", state="attached")


def cut(page: Page, begin: str, end: str) -> None:
    """Cuts a stretch out by typing its times."""
    page.fill("#mark-from", begin)
    page.fill("#mark-to", end)
    page.press("#mark-to", "Enter")


type Arrange = Callable[[Page, FakeEdits], None]


def _begun(page: Page, _: FakeEdits) -> None:
    cut(page, "1:00", "1:34")
    cut(page, "5:10", "5:30.5")
    page.fill("#whole-from", "0:12.5")
    page.press("#whole-from", "Tab")
    page.get_by_role("slider").nth(2).focus()
    for _step in range(12):
        page.keyboard.press("ArrowRight")
    page.fill("#mark-from", "3:20")
    page.fill("#mark-to", "3:48")
    page.press("#mark-to", "Tab")
    page.evaluate("document.activeElement.blur()")


def _versions(page: Page, fake: FakeEdits) -> None:
    cuts: dict[str, Any] = {"cuts": [[60.0, 94.0], [310.0, 330.5]], "from": 12.5}
    fake.add(**cuts, public=True, published_at="2026-11-02T10:00:00Z")
    fake.add("failed", gains={BERT: 6.0}, problem="The disk is full.")
    fake.add("making", **cuts, gains={BERT: 4.5}, progress=0.42)
    fake.add("waiting", without=[BERT])
    page.evaluate("scrollTo(0, 0)")


def _removing(page: Page, fake: FakeEdits) -> None:
    fake.add("making", without=[BERT], take_down=True, progress=0.2)
    fake.public = None


def _remove(page: Page, _: FakeEdits) -> None:
    page.select_option("#remove-who", BERT)
    page.click("#remove")


STATES: dict[str, tuple[Arrange | None, Arrange | None]] = {
    # What the server says before the page opens, and what is done then.
    "edit": (None, _begun),
    "edit-versions": (_versions, None),
    "edit-remove": (None, _remove),
    "edit-removing": (_removing, None),
}


def arrange(page: Page, door: Door, state: str) -> FakeEdits:
    """The page in this state."""
    fake = FakeEdits(page)
    before, after = STATES[state]
    if before is not None:
        before(page, fake)
    opened(page, door)
    if after is not None:
        after(page, fake)
    return fake
