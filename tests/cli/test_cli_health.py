"""`hustings health`: the operator's page as lines, and an exit code for scripts."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "studio"))
from operator_support import ask, edge, gathered, node
from studio_support import running_studio

from hustings.cli import remote
from hustings.cli.app import run


async def _state(folder: Path, **changes: Any) -> dict[str, Any]:
    async with running_studio(folder) as house:
        room = await house.room()
        await house.operator.post(f"/api/rooms/{room['slug']}/open")
        for _ in range(2):
            await edge(house, "hustings_edge_places_free 15\n")
            await node(house, **changes)
            gathered(house).look()
        return await ask(house, "?history=false")


class Api:
    def __init__(self, state: dict[str, Any]) -> None:
        self.state = state

    def __enter__(self) -> Api:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def health(self) -> dict[str, Any]:
        return self.state


def _code(*arguments: str) -> int:
    try:
        return run(arguments)
    except SystemExit as end:
        return int(end.code or 0)


@pytest.mark.parametrize(("up", "code"), [(True, 0), (False, 1)])
async def test_it_says_what_is_so_and_ends_accordingly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], up: bool, code: int
) -> None:
    state = await _state(tmp_path, edge_0=up)
    monkeypatch.setattr(remote, "studio_api", lambda _data: Api(state))
    assert _code("health") == code
    said = capsys.readouterr().out
    assert ("server      well" in said) is up
    assert ("wrong       not alive: edge-0" in said) is not up
    assert ("-> Look at their lines in the server's log." in said) is not up
    assert "stage       up, 25.0 % of a core, 57 of 572 MB, died 1x" in said
    assert "room        town-hall: open, nobody, recording unknown" in said
    assert "disk        50.0 GB free" in said
    assert _code("health", "--json") == code
    assert f'"level": "{state["level"]}"' in capsys.readouterr().out
