"""The hosts' pages as they come from the server: who sees which, and what they say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from accounts_support import another, first_operator
from studio_support import running_studio

WEEKLY: dict[str, Any] = {"at": "2026-12-01T20:00:00+01:00", "time_zone": "Europe/Berlin", "weekly": True}


async def test_whoever_is_not_logged_in_goes_to_the_log_in(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        await house.room()
        for path in ("/", "/rooms/new", "/rooms/town-hall", "/rooms/nowhere"):
            for client in (house.anyone, house.operator):  # a token is no person
                answer = await client.get(path)
                assert (answer.status_code, answer.headers["location"]) == (303, "/login"), path


async def test_hosts_see_their_rooms_operators_all(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        clara = await first_operator(house)
        thomas = await another(house, clara, "Thomas")
        mine = await thomas.ok("POST", "/api/rooms", 201, json={"title": "Thomas asks"})
        await house.room(title="Clara asks", **WEEKLY)
        his, hers = (await thomas.get("/")).text, (await clara.get("/?lang=de")).text
        assert "Thomas asks" in his
        assert "Clara asks" not in his
        assert "Thomas asks" in hers
        assert "Clara asks" in hers
        assert "jede Woche" in hers
        assert (await thomas.get("/rooms/town-hall")).status_code == 404
        assert (await clara.get(f"/rooms/{mine['slug']}")).status_code == 200
        assert (await clara.get("/rooms/No-Slug!")).status_code == 404


async def test_the_form_holds_what_the_room_has(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        clara = await first_operator(house)
        await house.room(
            **WEEKLY,
            description="One.\n\nTwo <b>bold</b>.",
            language="gsw-CH",
            topics=[{"title": "First & last", "minutes": 12}],
            links=[{"label": "Plans", "url": "https://example.org/?a=1&b=2"}],
            turn_seconds=75,
            moderated=True,
        )
        made = await house.invite("Ada", public=True)
        page = (await clara.get("/rooms/town-hall")).text
        for part in (
            'value="Town hall"',
            "Two &lt;b&gt;bold&lt;/b&gt;.",
            '<option value="gsw-CH" lang="gsw-CH" selected>',
            'value="First &amp; last"',
            'value="https://example.org/?a=1&amp;b=2"',
            'type="date" value="2026-12-01"',
            'type="time" value="20:00"',
            "<option selected>Europe/Berlin</option>",
            '<option value="75" selected>',
            'name="moderated" checked',
            f'data-id="{made["id"]}"',
        ):
            assert part in page, part
        assert 'name="green_room" checked' not in page
        assert made["ticket"] not in page


async def test_a_new_room_has_a_green_room_and_the_title_typed_before(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        clara = await first_operator(house)
        page = (await clara.get("/rooms/new", params={"title": '"><script>alert(1)</script>'})).text
        assert 'name="green_room" checked' in page
        assert "<script>alert" not in page
        assert 'data-chosen=""' in page, "the browser's own zone is chosen"


async def test_a_room_that_is_on_keeps_its_date(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        clara = await first_operator(house)
        await house.room(**WEEKLY)
        await house.command("open")
        page = (await clara.get("/rooms/town-hall")).text
        assert '<fieldset class="plainset" id="when" disabled>' in page
        assert 'id="cancel-card" aria-labelledby="cancel-title" hidden' in page


@pytest.mark.parametrize(
    ("local", "zone", "found"),
    [
        ("2026-12-01T20:00", "Europe/Berlin", ("2026-12-01T19:00:00Z", "2026-12-01T20:00", "+01:00", False)),
        ("2026-03-29T02:30", "Europe/Berlin", ("2026-03-29T01:30:00Z", "2026-03-29T03:30", "+02:00", True)),
        ("2026-10-25T02:30", "Europe/Berlin", ("2026-10-25T00:30:00Z", "2026-10-25T02:30", "+02:00", False)),
        (
            "2026-10-04T02:15",
            "Australia/Lord_Howe",
            ("2026-10-03T15:45:00Z", "2026-10-04T02:45", "+11:00", True),
        ),
    ],
)
async def test_times(tmp_path: Path, local: str, zone: str, found: tuple[Any, ...]) -> None:
    async with running_studio(tmp_path) as house:
        answer = await house.anyone.get("/api/times", params={"local": local, "zone": zone})
        assert tuple(answer.json()[name] for name in ("at", "local", "offset", "moved")) == found


@pytest.mark.parametrize(
    ("local", "zone"),
    [
        ("2026-02-30T20:00", "Europe/Berlin"),
        ("2026-12-01T25:00", "Europe/Berlin"),
        ("9999-12-31T23:59", "America/New_York"),
        ("tomorrow", "Europe/Berlin"),
        ("2026-12-01T20:00", "Europe/Nowhere"),
        ("2026-12-01T20:00", "../../etc/passwd"),
        ("２０２６-12-01T20:00", "Europe/Berlin"),
    ],
)
async def test_no_times(tmp_path: Path, local: str, zone: str) -> None:
    async with running_studio(tmp_path) as house:
        answer = await house.anyone.get("/api/times", params={"local": local, "zone": zone})
        assert answer.status_code == 422, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
