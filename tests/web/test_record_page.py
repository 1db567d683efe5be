"""The page of a public record in Chromium, at a real edge: checked there, in words, for everybody."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
for folder in (HERE, HERE.parent / "archive", HERE.parent / "edge"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]  # noqa: E402
from pages_browser import chromium, complaints  # noqa: E402
from playwright.sync_api import Browser, Page  # noqa: E402
from record_door import open_record, record_door  # noqa: E402
from record_story import SLUG, Record, signed, story  # noqa: E402
from replay_door import until  # noqa: E402

from hustings.archive.record_keys import check  # noqa: E402
from hustings.rooms.record import canonical, verify  # noqa: E402

pytestmark = pytest.mark.e2e
RECORD = signed(story())
NO_ED25519 = (
    "const importKey = SubtleCrypto.prototype.importKey;"
    "SubtleCrypto.prototype.importKey = function (format, data, algorithm, ...rest) {"
    " if (algorithm === 'Ed25519') throw new DOMException('none', 'NotSupportedError');"
    " return importKey.call(this, format, data, algorithm, ...rest); };"
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def room(data: Path) -> Iterator[str]:
    with record_door(data, RECORD) as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as made:
        yield made


def says(page: Page) -> tuple[str, str]:
    verdict = page.locator("#verdict")
    return str(verdict.get_attribute("data-state")), verdict.inner_text()


def served(page: Page, body: bytes) -> None:
    """The page gets another record than the edge has."""
    page.route("**/record.jsonl", lambda route: route.fulfill(body=body, content_type="application/jsonl"))


def checked_anew(page: Page) -> None:
    page.reload()
    until(page, "!['none', 'busy'].includes(document.getElementById('verdict').dataset.state)")


def test_it_is_checked_in_the_browser_and_says_so(browser: Browser, room: str) -> None:
    page = open_record(browser, room)
    found = complaints(page)
    assert says(page)[0] == "whole"
    assert f"Whole: {len(RECORD.lines)} entries" in says(page)[1]
    assert page.locator("[data-broken]").count() == 0
    served(page, RECORD.whole.replace(b"40 flats", b"30 flats", 1))
    checked_anew(page)
    state, text = says(page)
    broken = next(n for n, line in enumerate(RECORD.lines) if b"40 flats" in line and b"correction" in line)
    assert (state, text) == ("broken", f"Broken at entry {broken}.")
    assert "signature does not hold" in page.locator("#verdict-more").inner_text()
    assert page.locator(f"#e{broken}[data-broken]").count() == 1
    assert page.locator(f"#e{broken - 1}[data-broken]").count() == 0
    assert found == []
    page.context.close()


def test_another_record_than_the_page_shows_is_noticed(browser: Browser, room: str) -> None:
    page = open_record(browser, room)
    other = [fact for fact in story() if fact.kind != "statement"]
    served(page, signed(other).whole)
    checked_anew(page)
    assert says(page)[0] == "broken"
    assert "something else than the record says" in page.locator("#verdict-more").inner_text()
    page.context.close()


def test_who_comes_back_learns_whether_history_was_changed(browser: Browser, room: str) -> None:
    page = open_record(browser, room)
    page.get_by_role("button", name="Remember this state").click()
    assert "Remembered." in page.locator("#since-visit").inner_text()
    checked_anew(page)
    assert page.locator("#since-visit").get_attribute("data-state") == "whole"
    # Whole by itself, signed by the right key, and yet not what was there before.
    facts = story()
    served(page, signed([*facts[:-1], facts[-2]]).whole)
    checked_anew(page)
    assert page.locator("#since-visit").get_attribute("data-state") == "broken"
    assert "second history" in page.locator("#since-visit").inner_text()
    page.context.close()


def test_browsers_that_cannot_check_say_what_they_cannot(browser: Browser, room: str) -> None:
    context = browser.new_context(locale="en-GB")
    context.add_init_script(NO_ED25519)
    page = context.new_page()
    page.goto(f"{room}/record?lang=en")
    until(page, "document.getElementById('verdict').dataset.state === 'part'")
    assert "cannot check signatures" in says(page)[1]
    served(page, RECORD.whole.replace(b"40 flats", b"30 flats", 1))
    checked_anew(page)
    assert says(page)[0] == "broken", "the chain shows it all the same"
    context.close()
    context = browser.new_context(locale="en-GB")
    context.add_init_script("Object.defineProperty(Crypto.prototype, 'subtle', { value: undefined });")
    page = context.new_page()
    page.goto(f"{room}/record?lang=en")
    until(page, "document.getElementById('verdict').dataset.state === 'part'")
    assert "unencrypted" in page.locator("#verdict-more").inner_text()
    context.close()


def test_without_script_it_can_be_read(browser: Browser, room: str) -> None:
    context = browser.new_context(locale="en-GB", java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{room}/record?lang=en")
    text = page.inner_text("main")
    for said in ("Not checked here yet.", "Statement by Clara Weiss:", "Clara Weiss has accepted.", "32:52"):
        assert said in text
    context.close()


@pytest.mark.parametrize("lang", ["en", "de"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_use_it(browser: Browser, room: str, lang: str, scheme: str) -> None:
    page = open_record(browser, room, lang=lang, viewport={"width": 360, "height": 780}, color_scheme=scheme)
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= 360, f"{wide} px wide"
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.context.close()


def damaged(rng: random.Random, record: Record) -> bytes:
    """Something was done to it: a byte, a line, a member."""
    lines = [*record.lines, record.head]
    at = rng.randrange(len(lines))
    match rng.randrange(6):
        case 0:
            whole = bytearray(record.whole)
            whole[rng.randrange(len(whole))] ^= 1 << rng.randrange(7)
            return bytes(whole)
        case 1:
            del lines[at]
        case 2:
            lines.insert(rng.randrange(len(lines)), lines[at])
        case 3:
            other = rng.randrange(len(lines))
            lines[at], lines[other] = lines[other], lines[at]
        case 4:
            return record.whole[: rng.randrange(len(record.whole))]
        case _:
            members = json.loads(lines[at])
            members[rng.choice(sorted(members))] = rng.choice([None, 0, 7, "x", True, [], {}])
            lines[at] = canonical(members)
    return b"".join(line + b"\n" for line in lines)


def test_the_browser_and_verify_say_the_same_of_whatever_was_done_to_it(browser: Browser, room: str) -> None:
    """400 mutations of a record of 12 entries, judged by both."""
    short = signed([fact for fact in story() if fact.kind != "audience"][:11])
    rng = random.Random(20261129)
    texts = [damaged(rng, short) for _ in range(400)]
    page = open_record(browser, room)
    judged = page.evaluate(
        """async (texts) => {
            const { check, cryptoOf } = await import("/static/js/record_check.js");
            const crypt = await cryptoOf(crypto.subtle);
            const found = [];
            for (const text of texts) {
                const { ok, bad, why } = await check(text, crypt);
                found.push([ok, bad, why]);
            }
            return found;
        }""",
        [text.decode(errors="replace") for text in texts],
    )
    for text, (ok, bad, why) in zip(texts, judged, strict=True):
        verdict = verify(text, check)
        if text == short.whole:
            assert (ok, verdict.ok) == (True, True)
        else:
            assert (ok, bad) == (False, verdict.first_bad), (why, verdict.reason)
    assert sum(ok for ok, _, _ in judged) < 20
    page.context.close()


def test_the_record_of_the_story_is_whole(tmp_path: Path) -> None:
    assert verify(RECORD.whole, check).ok
    RECORD.publish(tmp_path)
    assert (tmp_path / "records" / f"{SLUG}.entries").exists()
