"""The page of who listened in Chromium, with made-up figures: what it says, saves, and how it keeps up."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any, Literal

import pytest
from audience_fake import (
    AFTER,
    EARLIER,
    EARLIER_ONE,
    HOME,
    LIVE,
    PAGE,
    SINCE,
    STATES,
    VIEW,
    Fake,
    arrange,
    audience,
    broadcast,
    door_of,
    entries,
    fake,
    iso,
    minutes,
    ready,
    timeline,
)
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]  # it ships no types
from pages_browser import chromium, complaints
from playwright.sync_api import Browser, Page, Request

pytestmark = pytest.mark.e2e

SMALL = """[...document.querySelectorAll('a, button, select, summary, input')]
    .filter((element) => element.checkVisibility() && !element.classList.contains('skip'))
    .map((element) => [element.id || element.textContent.trim(), element.getBoundingClientRect().height])
    .filter(([, height]) => height < 43.5)"""
HOSTILE = "<img src=x onerror=\"document.title='owned'\">"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as made:
        yield made


def opened(browser: Browser, lang: str = "en", **options: Any) -> Page:
    """An empty page of a reader in Berlin."""
    size = {"width": 1440, "height": 1000}
    locale = "de-DE" if lang == "de" else "en-GB"
    context = browser.new_context(
        **{"viewport": size, "locale": locale, "timezone_id": "Europe/Berlin", **options}
    )
    return context.new_page()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    made = opened(browser)
    yield made
    made.context.close()


def figure(page: Page, name: str) -> tuple[str, str]:
    box = page.locator(f'[data-figure="{name}"]')
    value, more = (box.locator(f'[data-part="{part}"]').inner_text() for part in ("value", "more"))
    return value, more


def rows(page: Page, table: str) -> list[list[str]]:
    found: list[list[str]] = page.eval_on_selector_all(
        f"#{table} tbody tr", "all => all.map((row) => [...row.cells].map((cell) => cell.innerText.trim()))"
    )
    return found


def plain(text: str | None) -> str:
    """Without the marks around names (Unicode TR 9, 2.4)."""
    return (text or "").replace("\u2068", "").replace("\u2069", "")


def look(page: Page) -> None:
    """Makes the page ask at once."""
    with page.expect_response("**/audience.json"):
        page.evaluate("window.dispatchEvent(new Event('online'))")


def pure(page: Page, work: str, *given: object) -> Any:
    """What a function of the pure module gives."""
    return page.evaluate(
        "async ([work, ...given]) => {"
        " const module = await import('/static/js/audience_model.js'); return module[work](...given); }",
        [work, *given],
    )


# --- what it says ------------------------------------------------------------------------------------------


def test_the_net_figures_stand_apart_from_all_others(page: Page) -> None:
    found = complaints(page)
    arrange(page, "ended")
    evening = STATES["ended"]["broadcasts"][0]  # type: ignore[index]
    totals = evening["totals"]
    assert figure(page, "peak")[0] == f"{totals['net']['peak']:,}"
    assert figure(page, "unique") == (f"{totals['net']['unique']:,}", "± 2 %")
    assert figure(page, "listening")[0] == f"{totals['net']['listening_seconds'] / 3600:.0f} h"
    assert figure(page, "requests")[0] == f"{totals['gross']['requests']:,}"
    last = evening["minutes"][-2]
    assert figure(page, "now") == (f"{last['concurrent']:,}", "at 22:35")
    assert [row[0] for row in rows(page, "doors")] == [
        "Browser, at once (push)",
        "HLS",
        "Radios and players (stream)",
        "WebRTC (WHEP)",
    ]
    assert rows(page, "doors")[0][-1] == "70 %"
    assert [row[:2] for row in rows(page, "apart")] == [
        ["Reported by players", str(totals["apart"]["beacon"]["peak"])],
        ["Programs, data centres", "3"],
    ]
    assert "60 seconds of sound" in page.inner_text("#net-text")
    assert "60 seconds of sound have really been delivered" in page.inner_text("#method")
    assert "error of 2 %" in page.inner_text("#method-more")
    assert found == []


def test_german_figures_are_written_as_germans_write_them(browser: Browser) -> None:
    page = opened(browser, "de")
    arrange(page, "large", lang="de")
    peak = STATES["large"]["broadcasts"][0]["totals"]["net"]["peak"]  # type: ignore[index]
    assert figure(page, "peak")[0] == f"{peak:,}".replace(",", ".")
    assert figure(page, "peak")[1] == "um 21:33"
    assert page.inner_text("#left-out").startswith("30 frühere Minuten")
    labels = page.evaluate("import('/static/js/audience_chart.js').then((m) => m.short('de')(1234567))")
    assert labels.replace("\u00a0", " ") == "1,2 Mio."
    page.context.close()


def test_one_listener_is_one_and_half_a_listener_is_on_average_only(page: Page) -> None:
    arrange(page, "one-listener")
    assert figure(page, "peak")[0] == "1"
    assert re.fullmatch(r"\d(\.\d)?", figure(page, "average")[0])
    assert page.inner_text("#stops-says").startswith("In no minute before the end")
    assert page.locator("#stops").is_hidden()


def test_where_most_stopped_is_said_with_chapter_speaker_and_a_link_there(page: Page) -> None:
    arrange(page, "ended")
    first = rows(page, "stops")[0]
    evening = STATES["ended"]["broadcasts"][0]  # type: ignore[index]
    row = evening["minutes"][43]
    assert first[:2] == ["21:43", "43:00"]
    assert first[2].startswith(f"{row['left']} of ")
    assert first[3] == "Questions from the queue"
    assert plain(first[4]) == "أصدقاء المكتبة, Elmstead Radio"
    link = page.get_by_role("link", name="Listen from 43:00")
    assert link.get_attribute("href") == f"/r/library/replay/{LIVE}/?lang=en#t=2580"
    assert "22:36" not in [row[0] for row in rows(page, "stops")], "that all leave at the end says nothing"
    chapters = rows(page, "parts")
    assert [row[0] for row in chapters] == [
        "Why a new library",
        "What it costs",
        "Questions from the queue",
    ]
    assert chapters[1][1] == "14:00"


def test_before_the_first_minute_is_final_there_is_a_curve_and_there_are_no_totals(page: Page) -> None:
    evening = broadcast(LIVE, SINCE, minutes(SINCE, 2, 40, open_minutes=2))
    fake(page, Fake(audience(evening)))
    page.goto(f"{PAGE}?lang=en")
    ready(page)
    for name in ("now", "peak", "average", "unique", "listening"):
        assert figure(page, name) == ("–", ""), "0 would be a figure"
    assert page.inner_text("#readout").startswith("21:01: listening ")
    assert "still being counted" in page.inner_text("#readout")


def test_where_they_listened_from_is_a_table_by_time_with_the_rest_last(page: Page) -> None:
    found = complaints(page)
    arrange(page, "few-countries")
    totals = STATES["few-countries"]["broadcasts"][0]["totals"]["net"]["countries"]  # type: ignore[index]
    shown = rows(page, "countries")
    names = ["Germany", "Austria", "Switzerland", "France", "United Kingdom", "Other countries", "Unknown"]
    assert [row[0] for row in shown] == names
    assert [row[1] for row in shown] == ["70 %", "11 %", "8 %", "4 %", "2 %", "2 %", "3 %"]
    assert [row[3] for row in shown][:2] == [str(totals[code]["listeners"]) for code in ("DE", "AT")]
    assert page.get_by_role("heading", name="Where they listened from").is_visible()
    assert "at least 10 listened from there" in page.inner_text("#countries-box")
    assert page.locator("#countries-all").is_hidden()
    assert page.locator("#countries meter").first.get_attribute("aria-hidden") == "true"
    assert plain(page.inner_text("#method-countries")).split("\n") == [
        "Countries by DBIP-Country-Lite of 3 Nov 2026.",
        "IP Geolocation by DB-IP",
    ]
    link = page.get_by_role("link", name="IP Geolocation by DB-IP")
    assert link.get_attribute("href") == "https://db-ip.com"
    assert found == []


def test_many_countries_are_shown_when_asked_for_and_stay(browser: Browser) -> None:
    page = opened(browser, "de")
    arrange(page, "countries", lang="de")
    button = page.get_by_role("button", name="Alle 22 Länder")
    assert button.get_attribute("aria-expanded") == "false"
    first = rows(page, "countries")
    assert len(first) == 12 + 2
    assert [row[0] for row in first][:3] == ["Deutschland", "Österreich", "Schweiz"]
    assert [row[0] for row in first][-2:] == ["Andere Länder", "Unbekannt"]
    button.press("Enter")
    assert len(rows(page, "countries")) == 22 + 2
    assert page.evaluate("document.activeElement.id") == "countries-all"
    look(page)
    button = page.get_by_role("button", name="Weniger Länder")
    assert (button.get_attribute("aria-expanded"), len(rows(page, "countries"))) == ("true", 24)
    button.press("Enter")
    assert len(rows(page, "countries")) == 14
    assert "GeoLite Data created by MaxMind" in page.inner_text("#method-countries")
    page.context.close()


def test_without_a_database_there_is_nothing_but_a_line_in_the_method(page: Page) -> None:
    arrange(page, "ended")
    assert page.locator("#countries-box").is_hidden()
    assert page.locator("#csv-countries").is_hidden()
    assert page.inner_text("#method-countries") == "Countries are not counted on this server."


def test_what_was_heard_again_is_a_table_of_days(page: Page) -> None:
    arrange(page, "ended")
    first, *others = rows(page, "replays")
    assert first[0] == "28 Nov 2026, goes on"
    assert first[1:] == ["21 Nov 2026, 21:00", "41", "19.5 h"]
    assert len(others) == 5
    assert page.inner_text("#replay-text").startswith("156 plays")


@pytest.mark.parametrize(
    ("state", "says"),
    [
        ("none", "has not been on air yet"),
        ("soon", "On air since 21:00"),
        ("nobody", "Nobody has heard 60 seconds so far"),
        ("unpublished", "publishes no figures"),
        ("unreachable", "tries again by itself"),
    ],
)
def test_where_there_are_no_figures_it_says_why_and_shows_none(page: Page, state: str, says: str) -> None:
    found = complaints(page)
    arrange(page, state)
    assert says in page.inner_text("#empty-says")
    assert page.locator("#counted").is_hidden()
    assert page.locator("#again").is_visible() == (state == "unreachable")
    assert page.locator("#method-box").is_visible() == (state not in ("unpublished", "unreachable"))
    assert [each for each in found if "503" not in each and "404" not in each] == []


def test_without_a_script_there_is_the_way_to_the_data(browser: Browser) -> None:
    page = opened(browser, java_script_enabled=False)
    fake(page, door_of("ended"))
    page.goto(f"{PAGE}?lang=en")
    assert page.locator(".plain a").first.get_attribute("href") == "/r/library/audience.json"
    assert page.locator(".plain p").is_visible()
    page.context.close()


# --- the pictures, and reading them without eyes -----------------------------------------------------------


def test_the_curve_is_read_minute_by_minute_with_the_keyboard(page: Page) -> None:
    arrange(page, "ended")
    slider = page.get_by_role("slider", name="Minute")
    slider.focus()
    slider.press("Home")
    first = STATES["ended"]["broadcasts"][0]["minutes"][0]  # type: ignore[index]
    text = f"21:00: listening {first['concurrent']}, came {first['joined']}, went 0"
    assert (
        plain(slider.get_attribute("aria-valuetext"))
        == f"{text} · Why a new library · Elmstead Radio, Building councillor"
    )
    for _ in range(14):
        slider.press("ArrowRight")
    assert page.inner_text("#readout").startswith("21:14: ")
    assert "What it costs" in page.inner_text("#readout")
    slider.press("End")
    assert page.inner_text("#readout").startswith("22:36: listening 0")


def test_the_pictures_are_drawn_on_one_line_of_time(page: Page) -> None:
    arrange(page, "ended")
    drawn = page.evaluate(
        """() => [...document.querySelectorAll('#curve canvas')].map((canvas) => {
            const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
            return data.some((value, i) => i % 4 === 3 && value > 0);
        })"""
    )
    assert drawn == [True, True, True]
    boxes = page.evaluate(
        "['plot', 'voices', 'comings'].map((id) => document.getElementById(id).getBoundingClientRect().width)"
    )
    assert max(boxes) - min(boxes) <= 1
    marks = page.locator("#marks span")
    assert marks.count() == 3
    # Chapter 2 begins in minute 14: where the slider's thumb is then.
    page.get_by_role("slider").evaluate(
        "s => { s.value = Number(s.min) + 14 * 60 - 30; s.dispatchEvent(new Event('input')); }"
    )
    at = page.locator("#at").bounding_box()
    mark = marks.nth(1).bounding_box()
    assert at
    assert mark
    assert abs(at["x"] - mark["x"]) < 8


def test_doors_are_shown_when_asked_for_with_a_legend(page: Page) -> None:
    arrange(page, "ended")
    button = page.get_by_role("button", name="Show doors")
    legend = page.locator("#legend li")
    assert legend.all_inner_texts() == ["All doors", "came", "went"]
    button.press("Enter")
    assert button.get_attribute("aria-pressed") == "true"
    doors = ["Browser, at once (push)", "HLS", "Radios and players (stream)", "WebRTC (WHEP)"]
    assert legend.all_inner_texts() == ["All doors", *doors, "came", "went"]
    button.press("Enter")
    assert legend.count() == 3


def test_everything_drawn_is_in_a_table_too(page: Page) -> None:
    arrange(page, "live")
    assert rows(page, "minutes") == []
    page.click("#minutes-box summary")
    page.wait_for_selector("#minutes tbody tr")
    found = rows(page, "minutes")
    evening = STATES["live"]["broadcasts"][0]  # type: ignore[index]
    assert len(found) == len(evening["minutes"])
    assert found[0][0] == "22:36, still being counted"
    assert found[2][0] == "22:34"
    row = evening["minutes"][-3]
    assert found[2][1:6] == [f"{row[name]:,}" for name in ("concurrent", "peak", "joined", "left", "unique")]
    assert found[2][-2] == "Questions from the queue"


def test_gaps_and_what_is_still_counted_are_drawn_as_such(page: Page) -> None:
    arrange(page, "none")
    some = minutes(SINCE, 4, 10, open_minutes=1)
    later = minutes(SINCE + timedelta(minutes=9), 1, 10)
    made = pure(page, "series", [*some[:2], *later])
    assert len(made["x"]) == 4, "one empty place for all that is missing"
    assert made["final"][2] is None
    assert made["minutes"][2] is None
    made = pure(page, "series", some)
    assert made["open"] == [None, None, some[2]["concurrent"], some[3]["concurrent"]], "it hangs together"
    assert made["left"] == [-row["left"] for row in some]


@pytest.mark.parametrize("listed", [0, 40])
def test_minutes_that_are_not_listed_any_more_are_in_the_public_record(page: Page, listed: int) -> None:
    all_rows = minutes(SINCE, 97, 812)
    evening = broadcast(LIVE, SINCE, all_rows, ended=True, minutes_left_out=len(all_rows) - listed)
    evening["minutes"] = all_rows[len(all_rows) - listed :]
    door = fake(page, Fake(audience(evening)))
    page.goto(f"{PAGE}?lang=en")
    ready(page)
    assert figure(page, "peak")[0] == f"{evening['totals']['net']['peak']:,}", "totals are of all minutes"
    assert page.locator("#curve-box").is_visible() == bool(listed)
    fetch = page.get_by_role("button", name="Fetch them from the public record")
    fetch.click()
    page.wait_for_function(
        "() => document.getElementById('left-out').textContent.includes('cannot be reached')"
    )
    door.record = entries(EARLIER, minutes(SINCE, 9, 5)) + entries(LIVE, all_rows)
    fetch.click()
    page.wait_for_selector("#left-out-box", state="hidden")
    _, content = saved(page, "Minutes as CSV")
    read = list(csv.DictReader(io.StringIO(content.decode(), newline=""), strict=True))
    assert [(line["minute"], int(line["concurrent"]), int(line["hls"])) for line in read] == [
        (row["at"], row["concurrent"], row["by_door"]["hls"]) for row in all_rows
    ]
    assert read[20]["chapter"] == "What it costs"
    look(page)
    assert page.locator("#left-out-box").is_hidden(), "they stay"


# --- files -------------------------------------------------------------------------------------------------


def saved(page: Page, name: str) -> tuple[str, bytes]:
    with page.expect_download() as waiting:
        page.get_by_role("button", name=name).click()
    path = waiting.value.path()
    return waiting.value.suggested_filename, path.read_bytes()


def test_the_minutes_as_csv_are_what_was_published(page: Page) -> None:
    door = door_of("ended")
    hostile = '=cmd|" /C calc"!A0, "quoted"\r\nsecond line; Müller'
    door.timelines[LIVE]["chapters"][0]["title"] = hostile
    fake(page, door)
    page.goto(f"{PAGE}?lang=de")
    ready(page)
    name, content = saved(page, "Minuten als CSV")
    assert name == f"library-{LIVE}.csv"
    text = content.decode("utf-8")
    assert text.endswith("\r\n")
    read = list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
    evening = door.figures["broadcasts"][0]  # type: ignore[index]
    assert len(read) == len(evening["minutes"])
    for line, minute in zip(read, evening["minutes"], strict=True):
        assert line["minute"] == minute["at"]
        assert line["final"] == "true"
        for column, field in (
            ("concurrent", "concurrent"),
            ("peak", "peak"),
            ("joined", "joined"),
            ("left", "left"),
            ("unique_so_far", "unique"),
            ("listening_seconds", "listening_seconds"),
            ("beacon_apart", "beacon"),
            ("bots_apart", "bots"),
        ):
            assert int(line[column]) == minute[field]
        assert {door: int(line[door]) for door in minute["by_door"]} == minute["by_door"]
    assert read[0]["chapter"] == f"'{hostile}", "no spreadsheet takes it for a formula"
    assert read[20]["seconds_since_live"] == "1200"
    assert read[0]["speakers"] == "Elmstead Radio; Building councillor"


def test_what_was_heard_again_as_csv_too(page: Page) -> None:
    door = arrange(page, "ended")
    name, content = saved(page, "Heard again as CSV")
    assert name == "library-replay.csv"
    read = list(csv.DictReader(io.StringIO(content.decode(), newline=""), strict=True))
    published = door.figures["replay"]  # type: ignore[index]
    assert [(row["day"], int(row["plays"]), int(row["listening_seconds"])) for row in read] == [
        (row["day"], row["plays"], row["listening_seconds"]) for row in published
    ]
    json_link = page.get_by_role("link", name="Everything as JSON")
    assert json_link.get_attribute("href") == "/r/library/audience.json"


def test_countries_as_csv_are_what_was_published(page: Page) -> None:
    door = arrange(page, "countries")
    name, content = saved(page, "Countries as CSV")
    assert name == f"library-{LIVE}-countries.csv"
    read = list(csv.DictReader(io.StringIO(content.decode(), newline=""), strict=True))
    published = door.figures["broadcasts"][0]["totals"]["net"]["countries"]  # type: ignore[index]
    assert {
        row["country"]: {
            "listeners": int(row["most_in_one_minute"]),
            "listening_seconds": int(row["listening_seconds"]),
        }
        for row in read
    } == published
    assert (read[0]["country"], read[0]["broadcast"]) == ("DE", LIVE)


# --- while it goes on --------------------------------------------------------------------------------------


def test_it_keeps_up_by_itself_and_stays_where_one_reads(page: Page) -> None:
    page.clock.install(time=AFTER)
    door = arrange(page, "live")
    assert page.get_attribute("#badge", "data-status") == "live"
    slider = page.get_by_role("slider")
    assert "22:36" in page.inner_text("#readout"), "it begins with the newest"
    one_more = minutes(SINCE, 98, 812, open_minutes=2)
    door.figures = audience(broadcast(LIVE, SINCE, one_more), as_of=AFTER + timedelta(minutes=1))
    with page.expect_response("**/audience.json"):
        page.clock.run_for(20_000)
    page.wait_for_function("() => document.getElementById('readout').textContent.startsWith('22:37')")
    slider.focus()
    slider.press("Home")
    door.figures = audience(
        broadcast(LIVE, SINCE, minutes(SINCE, 99, 812, open_minutes=2)), as_of=AFTER + timedelta(minutes=2)
    )
    with page.expect_response("**/audience.json"):
        page.clock.run_for(20_000)
    page.wait_for_function("() => document.getElementById('as-of').textContent.includes('22:39')")
    assert page.inner_text("#readout").startswith("21:00")
    assert page.evaluate("document.activeElement.id") == "minute"


def test_a_lost_line_is_said_and_the_figures_stay(page: Page) -> None:
    door = arrange(page, "live")
    good = door.figures
    peak = figure(page, "peak")
    door.figures = 503
    look(page)
    page.wait_for_selector("#stale:not([hidden])")
    assert "not reached since 22:37:50" in page.inner_text("#stale")
    assert figure(page, "peak") == peak
    door.figures = good
    look(page)
    page.wait_for_selector("#stale", state="hidden")


def test_who_could_not_be_reached_is_found_again_with_a_button(page: Page) -> None:
    door = arrange(page, "unreachable")
    door.figures = STATES["ended"]
    page.get_by_role("button", name="Try again").click()
    page.wait_for_selector("#counted:not([hidden])")
    assert page.locator("#empty").is_hidden()


def test_the_end_is_told_and_the_last_count_is_that_before_all_left(page: Page) -> None:
    door = arrange(page, "live")
    assert page.locator('[data-figure="now"] dt').inner_text() == "Listening"
    door.figures = STATES["ended"]
    look(page)
    page.wait_for_selector("#counted[data-state=ended]")
    assert page.locator('[data-figure="now"] dt').inner_text() == "Listening at the end"
    assert figure(page, "now")[0] != "0"
    assert page.get_attribute("#badge", "data-status") == "ended"


def test_one_of_several_broadcasts_is_chosen_and_has_an_address(page: Page) -> None:
    door = arrange(page, "live")
    choice = page.get_by_label("Broadcast")
    assert choice.locator("option").count() == 2
    choice.select_option(EARLIER)
    page.wait_for_selector("#counted[data-state=ended]")
    assert page.url.endswith(f"#{EARLIER}")
    assert figure(page, "peak")[0] == f"{EARLIER_ONE['totals']['net']['peak']:,}"
    assert page.locator("#unsaid").is_visible(), "nothing of it was recorded"
    assert f"/r/library/replay/{EARLIER}/timeline.json" in door.requests
    page.goto(f"{PAGE}?lang=en#{LIVE}")
    page.reload()
    ready(page)
    page.wait_for_selector("#counted[data-state=live]")


def test_chapters_of_what_is_not_recorded_come_from_the_rooms_state(page: Page) -> None:
    door = door_of("live")
    door.timelines.clear()
    door.state = {
        "broadcast": LIVE,
        "chapters": [{"title": "Only told", "at": iso(SINCE), "media_time": 0.0}],
    }
    fake(page, door)
    page.goto(f"{PAGE}?lang=en")
    ready(page)
    assert page.locator("#marks span").all_inner_texts() == ["Only told"]
    assert page.locator("#unsaid").is_visible()
    assert page.locator("#voices").is_hidden()


def test_a_crowd_that_reads_along_asks_for_little(page: Page) -> None:
    """audience.json four times a minute at most, what was said once a minute, the page and its files once."""
    page.clock.install(time=AFTER)
    door = arrange(page, "live")
    door.requests.clear()
    under_way: set[Request] = set()
    page.on("request", lambda request: under_way.add(request))
    for ended in ("requestfinished", "requestfailed"):
        page.on(ended, lambda request: under_way.discard(request))
    for _ in range(24):
        page.clock.run_for(5_000)
        page.wait_for_timeout(20)
        while under_way:  # the page's clock is not to run away from what it asked
            page.wait_for_timeout(20)
    asked = {
        name: sum(path.endswith(name) for path in door.requests)
        for name in ("audience.json", "timeline.json")
    }
    assert 6 <= asked["audience.json"] <= 9
    assert 1 <= asked["timeline.json"] <= 3
    assert {path.rpartition("/")[2] for path in door.requests} == {"audience.json", "timeline.json"}


# --- for everybody -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize(("scheme", "width"), [("light", 1440), ("dark", 360)])
def test_axe_finds_nothing_and_everything_can_be_touched(
    browser: Browser, state: str, scheme: Literal["light", "dark"], width: int
) -> None:
    page = opened(browser, viewport={"width": width, "height": 800}, color_scheme=scheme)
    arrange(page, state)
    if state == "live":
        page.click("#by-door")
    if state == "one-listener":
        page.click("#minutes-box summary")
    results = Axe().run(page)
    small = page.evaluate(SMALL)
    wide = page.evaluate("document.documentElement.scrollWidth")
    page.context.close()
    assert results.violations_count == 0, results.generate_report()
    assert small == []
    assert wide <= width


@pytest.mark.parametrize("lang", ["en", "de"])
def test_nothing_is_cut_off_when_text_is_twice_as_large(browser: Browser, lang: str) -> None:
    page = opened(browser, lang, viewport={"width": 360, "height": 780})
    arrange(page, "ended", lang=lang)
    page.evaluate("document.documentElement.style.fontSize = '200%'")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.context.close()


def test_names_of_others_are_text(page: Page) -> None:
    door = Fake(
        audience(broadcast(LIVE, SINCE, minutes(SINCE, 20, 50), ended=True, title=HOSTILE), EARLIER_ONE)
    )
    door.timelines[LIVE] = timeline(1200.0)
    door.timelines[LIVE]["chapters"][0]["title"] = HOSTILE
    door.timelines[LIVE]["speakers"][0]["name"] = HOSTILE
    door.view = replace(VIEW, title=HOSTILE)
    fake(page, door)
    page.goto(f"{PAGE}?lang=en")
    ready(page)
    page.click("#minutes-box summary")
    page.wait_for_selector("#minutes tbody tr")
    assert page.locator("main img").count() == 0
    assert page.title() != "owned"
    assert f"\u2068{HOSTILE}\u2069" in page.inner_text("#readout"), "nor does it turn the words around it"


def test_the_rooms_page_leads_there(page: Page) -> None:
    from listener_pages import VIEWS
    from listener_pages import fake as fake_room

    fake_room(page, VIEWS["ended"])
    page.goto(f"{HOME}/r/library")
    link = page.get_by_role("contentinfo").get_by_role("link", name="Who listened")
    assert (link.get_attribute("href") or "").startswith("/r/library/audience")
