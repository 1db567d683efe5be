"""An evening with every kind of secret in it, some of it going wrong: none of them is in any log line, not
even before the line is scrubbed (`hustings.log`)."""

from __future__ import annotations

import logging
from pathlib import Path

import httpx
import pytest
import structlog
from accounts_support import PASSWORD, Browser, another, first_operator, setup_secret
from studio_support import OFFER, House, running_studio

from hustings.errors import Refused, Unavailable
from hustings.store.tokens import operator_token

ADDRESS = "192.0.2.77"
DEVICE = "device-identifier-of-nobody"
WORD = "a word that only the invited says"


async def evening(house: House, secrets: list[str]) -> None:
    """Everything that makes or shows a secret."""
    secrets += [setup_secret(house), PASSWORD, operator_token(house.settings.data), ADDRESS, DEVICE, WORD]
    clara = await first_operator(house)
    thomas = await another(house, clara)
    for browser in (clara, thomas):
        secrets.append(browser.cookies["hustings_session"])
        made = await browser.ok("POST", "/api/tokens", 201, json={"name": "Deck", "scope": "rooms"})
        secrets.append(made["token"])
    await thomas.ok("POST", "/api/rooms", 201, json={"title": "T", "slug": "town-hall"})
    hook = await thomas.ok(
        "POST", "/api/webhooks", 201, json={"url": "https://hooks.example.org/s3cr3t-path"}
    )
    secrets += [hook["secret"], "s3cr3t-path"]
    invitation = await clara.ok("POST", "/api/accounts/invitations", 201, json={"name": "Ida"})
    secrets.append(invitation["link"].partition("#")[2])
    made = await thomas.ok("POST", "/api/rooms/town-hall/invitations", 201, json={"name": "Ada"})
    secrets += [made["ticket"], made["link"].rpartition("=")[2]]
    secrets.append((await thomas.ok("POST", "/api/rooms/town-hall/host-seat"))["ticket"])
    await thomas.ok("POST", "/api/rooms/town-hall/open")
    guest = {"Authorization": f"Bearer {made['ticket']}", "Hustings-Device": DEVICE}
    transport = httpx.ASGITransport(house.app, raise_app_exceptions=False, client=(ADDRESS, 4711))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8001") as ada:
        for path, body in (
            ("/api/rooms/town-hall/me", {}),
            ("/api/rooms/town-hall/me/word", {"word": WORD}),
            ("/api/rooms/town-hall/me/consent", {"agree": True}),
        ):
            await ada.post(path, json=body, headers=guest)
        sdp = {**guest, "Content-Type": "application/sdp"}
        assert (await ada.post("/whip/town-hall", content=OFFER, headers=sdp)).status_code == 201
        # What goes wrong.
        house.stage.refuse = Refused(503, "Full")
        await ada.post("/whip/town-hall", content=OFFER, headers=sdp)
        house.stage.stop()
        await ada.post("/whip/town-hall", content=OFFER, headers=sdp)
        for secret in ("t_made-up-and-wrong-ticket-0123456789", "h_made-up-and-wrong-token-0123456789"):
            secrets.append(secret)
            await ada.get("/api/rooms/town-hall", headers={"Authorization": f"Bearer {secret}"})
        secrets.append("wrong words in a row")
        await ada.post("/api/sessions", json={"name": "Clara", "password": "wrong words in a row"})
        await ada.post(
            "/api/setup", json={"secret": "i_wrong-and-made-up-secret", "name": "X", "password": PASSWORD}
        )
        await ada.post("/api/rooms/town-hall/redeem", json={"link": "l_wrong-and-made-up-link-0123"})
        secrets += ["i_wrong-and-made-up-secret", "l_wrong-and-made-up-link-0123"]


async def test_none_is_in_any_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets: list[str] = []
    caplog.set_level(logging.WARNING)  # as in configure_logging
    with structlog.testing.capture_logs() as lines:
        async with running_studio(tmp_path) as house:
            await evening(house, secrets)

            # And with the database gone, in the middle of what has secrets in it.
            async def gone(*_arguments: object) -> None:
                raise Unavailable("the database does not answer")

            monkeypatch.setattr(house.app.state.accounts.store, "find_session", gone)
            monkeypatch.setattr(house.app.state.accounts.store, "find_token", gone)
            async with Browser(house) as browser:
                bearer = {"Authorization": f"Bearer {secrets[2]}"}
                assert (await browser.get("/api/rooms", headers=bearer)).status_code == 503
                cookie = {"Cookie": f"hustings_session={secrets[6]}"}
                assert (await browser.get("/api/rooms", headers=cookie)).status_code == 503
    logged = "\n".join([*map(str, lines), *(record.getMessage() for record in caplog.records), caplog.text])
    assert "unavailable" in logged, "this test looks at no log"
    assert len(secrets) > 20
    assert all(len(secret) > 8 for secret in secrets)
    assert [secret for secret in secrets if secret in logged] == []
