"""`hustings serve` and the first account: the address is printed until there is one."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import httpx
import pytest
from harness import HUSTINGS, serve

CSRF = {"Hustings-CSRF": "1"}

pytestmark = pytest.mark.e2e

LINE = re.compile(r"^setup     (http://localhost:\d+/setup)#(\S{32})$", re.MULTILINE)


def printed(log: Path) -> list[tuple[str, str]]:
    return LINE.findall(log.read_text())


def test_the_set_up_address_is_printed_until_there_is_an_account(tmp_path: Path) -> None:
    with serve(tmp_path) as server:
        ((address, secret),) = printed(server.log)
    with serve(tmp_path) as server:
        ((address, again),) = printed(server.log)
        assert again == secret
        door = address.removesuffix("/setup")
        body = {"secret": secret, "name": "Clara", "password": "four words in a row"}
        with httpx.Client(base_url=door, trust_env=False) as browser:
            made = browser.post("/api/setup", json=body)
            assert (made.status_code, made.json()["role"]) == (201, "operator"), made.text
            assert browser.get("/api/accounts/me").status_code == 200
            command = [*HUSTINGS, "account", "reset", "clara", f"--data={server.data}", "--json"]
            shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            link = json.loads(shown)["link"]
            assert link.startswith(f"{address}#r_")
            look = browser.post("/api/setup/look", json={"secret": link.partition("#")[2]}, headers=CSRF)
            assert (look.json()["kind"], look.json()["name"]) == ("reset", "Clara")
    with serve(tmp_path) as server:
        assert printed(server.log) == []
