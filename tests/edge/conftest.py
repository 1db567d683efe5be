"""Makes an edge in memory; also puts this folder and the benchmarks' fakes within reach."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
for folder in (HERE, HERE.parent / "archive", HERE.parent / "cmaf", HERE.parents[1] / "benchmarks"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

from edge_memory import House, make_house  # noqa: E402 (the path is set just above)


@pytest.fixture
def web(tmp_path: Path) -> Path:
    """A small web folder."""
    (tmp_path / "js").mkdir()
    (tmp_path / "js" / "player.js").write_text("export const play = 1;\n" * 100)
    (tmp_path / "logo.png").write_bytes(b"\x89PNG" + bytes(200))
    (tmp_path / "voice.opus").write_bytes(b"OggS")
    return tmp_path


@pytest.fixture
async def house(web: Path) -> AsyncIterator[House]:
    """An edge without rooms."""
    made = make_house(web)
    yield made
    await made.end()
