"""One dialog asks one question after another, and no answer is taken for that to the next. In Chromium."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pages_browser import chromium
from playwright.sync_api import Page, Route

import hustings

JS = Path(hustings.__file__).parent / "web" / "js"
PAGE = """<!doctype html><title>dialog</title><dialog id="ask"><form method="dialog"><p id="text"></p>
<button value="no">no</button><button value="yes">yes</button></form></dialog>"""

pytestmark = pytest.mark.e2e


def _files(route: Route) -> None:
    path = route.request.url.removeprefix("http://hustings.test")
    if path == "/":
        route.fulfill(body=PAGE, content_type="text/html")
    else:
        route.fulfill(body=(JS / path.removeprefix("/")).read_bytes(), content_type="text/javascript")


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with chromium() as browser:
        page = browser.new_page()
        page.route("http://hustings.test/**", _files)
        page.goto("http://hustings.test/")
        page.evaluate(
            """async () => {
              const { answerOf } = await import("/dialog.js");
              window.dialog = document.getElementById("ask");
              const put = (text) => (document.getElementById("text").textContent = text);
              window.ask = (text) => answerOf(dialog, () => put(text));
              window.shown = async () => {
                while (!dialog.open) await new Promise((done) => setTimeout(done));
              };
            }"""
        )
        yield page


def answers(page: Page, script: str) -> object:
    """What the function `script` gives, or an error after a while: evaluate itself waits for ever."""
    late = "new Promise((_, no) => setTimeout(() => no(new Error('nothing came of it')), 30000))"
    return page.evaluate(f"() => Promise.race([({script})(), {late}])")


def test_the_answer_to_one_question_is_not_taken_for_the_next(page: Page) -> None:
    """The second one is asked while the "close" of the first is still on its way."""
    said = answers(
        page,
        """async () => {
          const first = ask("first");
          await shown();
          dialog.close("yes");
          let early = "";
          const second = ask("second").then((answer) => (early = `second: ${answer}`));
          const one = await first;
          await shown();
          const before = [one, early, dialog.open, document.getElementById("text").textContent];
          dialog.close("no");
          await second;
          return [...before, early];
        }""",
    )
    assert said == ["yes", "", True, "second", "second: no"]


def test_a_second_question_does_not_take_an_open_dialog(page: Page) -> None:
    said = answers(
        page,
        """async () => {
          const first = ask("first");
          await shown();
          const second = await ask("second");
          const text = document.getElementById("text").textContent;
          dialog.close("yes");
          return [second, text, await first];
        }""",
    )
    assert said == ["", "first", "yes"]


def test_of_two_that_wait_one_is_asked(page: Page) -> None:
    said = answers(
        page,
        """async () => {
          const first = ask("first");
          await shown();
          dialog.close("yes");
          const waiting = [ask("second"), ask("third")];
          const third = await waiting[1];
          const text = document.getElementById("text").textContent;
          dialog.close("no");
          return [await first, third, text, await waiting[0]];
        }""",
    )
    assert said == ["yes", "", "second", "no"]


def test_every_page_asks_by_this_one() -> None:
    """None listens for a dialog's answer on its own."""
    asks = {path.name for path in JS.glob("*.js") if re.search(r"\breturnValue\b", path.read_text())}
    assert asks == {"dialog.js"}
    users = {path.name for path in JS.glob("*.js") if "./dialog.js" in path.read_text()}
    assert {"account_list.js", "console_context.js", "desk_room.js", "edit.js"} <= users
