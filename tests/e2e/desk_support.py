"""A studio door for the hosts' pages: the real application over HTTP, with a bus and a stage in memory."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import httpx
import uvicorn
from playwright.sync_api import Browser, BrowserContext

from hustings.bus.client import Bus
from hustings.clock import SystemClock
from hustings.config import Settings
from hustings.store.tokens import operator_token
from hustings.studio.main import server_config, studio_app
from hustings.studio.urls import Urls

sys.path.insert(0, str(Path(__file__).parents[1] / "studio"))
from fake_bus import FakeBus
from studio_support import FakeStage

PASSWORD = "korrekt pferd batterie klammer"


@dataclass
class Door:
    """A running studio door with one operator's account, logged in."""

    url: str
    data: Path
    cookie: str
    api: httpx.Client
    """With the data folder's token."""

    @property
    def by_name(self) -> str:
        """Where passkeys work."""
        return self.url.replace("127.0.0.1", "localhost")

    def context(self, browser: Browser, **options: Any) -> BrowserContext:
        """A browser that is logged in."""
        options = {"locale": "en-GB", "timezone_id": "Europe/Berlin", **options}
        context = browser.new_context(**options)
        name, _, value = self.cookie.partition("=")
        context.add_cookies([{"name": name, "value": value, "url": self.url}])
        return context

    def room(self, title: str = "Town hall", **more: Any) -> dict[str, Any]:
        answer = self.api.post("/api/rooms", json={"title": title, **more})
        assert answer.status_code == 201, answer.text
        return cast(dict[str, Any], answer.json())

    def state(self, slug: str) -> dict[str, Any]:
        answer = self.api.get(f"/api/rooms/{slug}")
        assert answer.status_code == 200, answer.text
        return cast(dict[str, Any], answer.json())


@contextlib.contextmanager
def studio_door(folder: Path, *, account: bool = True) -> Iterator[Door]:
    """Serves in a thread of its own until the end; without `account` nobody has one yet."""
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as door:
        port = door.getsockname()[1]
        settings = Settings.model_validate(
            {"data": folder, "studio_door": f"127.0.0.1:{port}", "audience_door": "127.0.0.1:8000"}
        )
        ready, stop = threading.Event(), asyncio.Event()
        loops: list[asyncio.AbstractEventLoop] = []

        async def serve() -> None:
            loops.append(asyncio.get_running_loop())
            bus = FakeBus()
            async with studio_app(cast(Bus, bus), settings, SystemClock(), Urls(settings)) as app:
                await FakeStage(bus).start()
                server = uvicorn.Server(server_config(app))
                serving = asyncio.create_task(server._serve(sockets=[door]))
                while not server.started:
                    await asyncio.sleep(0.01)
                ready.set()
                await stop.wait()
                server.should_exit = True
                await serving

        thread = threading.Thread(target=lambda: asyncio.run(serve()))
        thread.start()
        try:
            assert ready.wait(20)
            url = f"http://127.0.0.1:{port}"
            headers = {"Authorization": f"Bearer {operator_token(folder)}"}
            with httpx.Client(base_url=url, headers=headers, trust_env=False, timeout=30) as api:
                yield Door(url, folder, log_in(url, folder) if account else "", api)
        finally:
            loops[0].call_soon_threadsafe(stop.set)
            thread.join(20)


def log_in(url: str, folder: Path) -> str:
    """Makes the first account; its session's cookie."""
    secret = (folder / "keys" / "setup").read_text().strip()
    body = {"secret": secret, "name": "Elmstead Radio", "password": PASSWORD}
    answer = httpx.post(f"{url}/api/setup", json=body, headers={"Origin": url}, trust_env=False, timeout=60)
    assert answer.status_code == 201, answer.text
    return answer.headers["set-cookie"].partition(";")[0]
