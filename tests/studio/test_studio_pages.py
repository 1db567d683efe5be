"""Pages and static files at the studio door."""

from __future__ import annotations

import re
from pathlib import Path

from studio_support import running_studio

HTML = {"Accept": "text/html,application/xhtml+xml"}


async def test_the_speaker_page_knows_its_addresses_and_no_ticket(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        await house.room()
        ticket = (await house.invite())["ticket"]
        for lang, header in (("de", "de-DE"), ("en", "en")):
            answer = await house.anyone.get("/s/town-hall", headers={**HTML, "Accept-Language": header})
            assert answer.status_code == 200
            assert f'<html lang="{lang}"' in answer.text
            assert "Town hall" in answer.text
            assert "/whip/town-hall" in answer.text
            assert ticket not in answer.text


async def test_no_page_holds_inline_script_or_asks_elsewhere(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        await house.room()
        for path in ("/", "/s/town-hall", "/s/no", "/nothing"):
            text = (await house.anyone.get(path, headers=HTML)).text
            for tag in re.findall(r"<script\b[^>]*>", text):
                assert "src=" in tag or 'type="application/json"' in tag, tag
            assert not re.findall(r"\son[a-z]+=", text), "event handlers are script, too"
            assert not re.findall(r'(?:src|href)="(?:https?:)?//(?!127\.0\.0\.1)', text)
            assert " style=" not in text, "the policy forbids style attributes"


async def test_unknown_pages_are_pages_for_people_and_problems_for_programs(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        for path in ("/s/no", "/s/No!", "/nothing"):
            answer = await house.anyone.get(path, headers=HTML)
            assert answer.status_code == 404
            assert answer.headers["content-type"].startswith("text/html")
        for path, headers in (("/nothing", {}), ("/api/nothing", HTML)):
            answer = await house.anyone.get(path, headers=headers)
            assert answer.headers["content-type"] == "application/problem+json"


async def test_static_files_are_cached_by_their_version(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        address = house.app.state.assets.address("css/hustings.css")
        answer = await house.anyone.get(address)
        assert answer.headers["content-type"] == "text/css; charset=utf-8"
        assert "immutable" in answer.headers["cache-control"]
        assert answer.headers["content-encoding"] == "gzip"
        plain = await house.anyone.get("/static/css/hustings.css", headers={"Accept-Encoding": "identity"})
        assert plain.headers["cache-control"] == "no-cache"
        assert plain.content == answer.content
        etag = {"If-None-Match": plain.headers["etag"]}
        assert (await house.anyone.get(address, headers=etag)).status_code == 304
        for name in ("demo/host.opus", "../studio/app.py", "%2e%2e/studio/app.py", "css", ""):
            assert (await house.anyone.get(f"/static/{name}")).status_code == 404
        head = await house.anyone.head(address)
        assert (head.status_code, head.headers["etag"]) == (200, plain.headers["etag"])


async def test_health(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        for method in ("GET", "HEAD"):
            assert (await house.anyone.request(method, "/healthz")).status_code == 200
