"""The page of who listened, at the audience's door."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from edge_memory import House, make_house

from hustings.bus.messages import Page
from hustings.studio.assets import Assets
from hustings.studio.audience_page import audience_pages
from hustings.studio.context import RoomView
from hustings.studio.i18n import load_texts
from hustings.studio.renderer import Renderer

HTML = "Accept: text/html"
HOSTILE = "<script>alert(1)</script>\x02slug\x03"


async def publish(house: House, title: str = "Town hall") -> None:
    """The room with its page, as the studio publishes it."""
    await house.room("ended")
    house.version += 1
    view = RoomView(slug="hall", title=title, status="ended", audience_url="https://hear.example/r/hall")
    known = house.bus.rooms["hall"]
    pages = {**known.pages, **audience_pages(Renderer(load_texts(), Assets()), view)}
    house.edge.book.update(msgspec.structs.replace(known, version=house.version, pages=pages))


@pytest.fixture
async def house(web: Path) -> AsyncIterator[House]:
    made = make_house(web)
    await publish(made)
    yield made
    await made.end()


async def test_it_is_there_in_both_languages_and_asks_for_the_rooms_own_figures(house: House) -> None:
    english = house.client().ask("/r/hall/audience", HTML)
    assert english.status == 200
    assert english.headers["content-language"] == "en"
    assert english.headers["cache-control"] == "public, max-age=5"
    assert english.headers["vary"] == "Accept-Language, Accept-Encoding"
    text = english.body.decode()
    assert 'data-base="/r/hall"' in text
    assert '<link rel="canonical" href="https://hear.example/r/hall/audience">' in text
    assert "<title>Who listened: Town hall" in text
    assert 'href="/r/hall/audience.json"' in text, "without a script, too"
    german = house.client().ask("/r/hall/audience", HTML, "Accept-Language: de")
    assert german.headers["content-language"] == "de"
    assert "Publikum" in german.body.decode()


async def test_nobody_else_may_frame_it_and_nothing_in_it_runs_but_our_scripts(house: House) -> None:
    policy = house.client().ask("/r/hall/audience", HTML).headers["content-security-policy"]
    assert "frame-ancestors 'self'" in policy
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy


async def test_what_a_host_called_his_room_is_text(house: House) -> None:
    await publish(house, HOSTILE)
    text = house.client().ask("/r/hall/audience", HTML).body.decode()
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)" in text


async def test_it_is_read_and_nothing_else(house: House) -> None:
    assert house.client().ask("/r/hall/audience", HTML, method="HEAD").status == 200
    refused = house.client().post("/r/hall/audience", {})
    assert (refused.status, refused.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
    assert house.client().ask("/r/none/audience", HTML).status == 404
    assert house.client().ask("/r/hall/audience/more", HTML).status == 404


async def test_a_copy_that_is_still_right_costs_no_bytes(house: House) -> None:
    first = house.client().ask("/r/hall/audience", HTML)
    again = house.client().ask("/r/hall/audience", HTML, f"If-None-Match: {first.headers['etag']}")
    assert (again.status, again.body) == (304, b"")


async def test_a_room_that_keeps_its_figures_says_so(house: House) -> None:
    known = house.bus.rooms["hall"]
    kept = Page(content_type="text/plain", body=b"hosts")
    house.version += 1
    pages = {**known.pages, "figures.hosts": kept}
    house.edge.book.update(msgspec.structs.replace(known, version=house.version, pages=pages))
    for path in ("/r/hall/audience", "/r/hall/audience.json"):
        page = house.client().ask(path, HTML, "Accept-Language: de")
        assert (page.status, page.headers["content-language"]) == (404, "de")
        assert "sehen nur die Gastgeber" in page.body.decode()
        assert page.headers["cache-control"] == "no-store"
        problem = house.client().ask(path)
        assert (problem.status, problem.headers["content-type"]) == (404, "application/problem+json")
        assert "keeps its audience figures to its hosts" in problem.json()["detail"]
    for path in ("/r/hall/figures.hosts", "/r/hall/questions.json", "/r/hall/audience/more"):
        assert "hosts" not in house.client().ask(path).body.decode()
    await publish(house)
    assert house.client().ask("/r/hall/audience", HTML).status == 200, "changed back"


async def test_its_texts_are_a_part_of_the_catalogue() -> None:
    house = make_house(Path(__file__).parents[2] / "src" / "hustings" / "web")
    answer = house.client().ask("/static/i18n/audience.de.json")
    assert answer.status == 200
    assert answer.json()["audience.peak"] == "Meiste zugleich"
    assert all(key.startswith("audience.") for key in answer.json())
    await house.end()
