"""Browsers that log in, for tests of accounts."""

from __future__ import annotations

from typing import Any

import httpx
from studio_support import House

ORIGIN = "http://localhost:8001"
PASSWORD = "four words in a row"


class Browser(httpx.AsyncClient):
    """Keeps cookies and names its page's origin, as a browser does."""

    def __init__(self, house: House, origin: str = ORIGIN, **headers: str) -> None:
        super().__init__(
            transport=httpx.ASGITransport(house.app, raise_app_exceptions=False),
            base_url=origin,
            headers={
                "Origin": origin,
                "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/140",
                **headers,
            },
        )

    async def __aenter__(self) -> Browser:
        return self  # may have been used before: `first_operator` logs it in

    async def ok(self, method: str, path: str, status: int = 200, **more: Any) -> Any:
        answer = await self.request(method, path, **more)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    async def set_up(self, secret: str, name: str = "Clara", password: str = PASSWORD) -> Any:
        body = {"secret": secret, "name": name, "password": password}
        return await self.ok("POST", "/api/setup", 201, json=body)

    async def log_in(self, name: str = "Clara", password: str = PASSWORD) -> httpx.Response:
        return await self.post("/api/sessions", json={"name": name, "password": password})

    async def prove(self, password: str = PASSWORD) -> None:
        """Shows again who is logged in."""
        await self.ok("POST", "/api/sessions/current", 200, json={"password": password})


def setup_secret(house: House) -> str:
    return (house.settings.data / "keys" / "setup").read_text().strip()


async def first_operator(house: House) -> Browser:
    """A browser in which the first operator, Clara, is logged in."""
    browser = Browser(house)
    await browser.set_up(setup_secret(house))
    return browser


async def another(house: House, operator: Browser, name: str = "Thomas", role: str = "host") -> Browser:
    """A browser in which somebody `operator` invited is logged in."""
    made = await operator.ok("POST", "/api/accounts/invitations", 201, json={"name": name, "role": role})
    browser = Browser(house)
    await browser.set_up(made["link"].partition("#")[2], name)
    return browser
