"""docs/api.md names every operation there is, and none that is not."""

from __future__ import annotations

import re
from pathlib import Path

from studio_support import running_studio

DOCS = Path(__file__).parents[2] / "docs" / "api.md"


async def test_the_docs_name_every_operation(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        document = house.app.openapi()
    existing = {
        f"{method.upper()} {path}" for path, methods in document["paths"].items() for method in methods
    }
    named = set(re.findall(r"`((?:GET|POST|PUT|PATCH|DELETE) /[^`]+)`", DOCS.read_text()))
    assert named == existing


async def test_every_body_has_an_example(tmp_path: Path) -> None:
    async with running_studio(tmp_path) as house:
        schemas = house.app.openapi()["components"]["schemas"]
    for name in (
        "NewRoom",
        "NewInvitation",
        "Answer",
        "Mute",
        "RoomState",
        "InvitationMade",
        "Me",
        "Problem",
    ):
        assert schemas[name]["examples"], name
