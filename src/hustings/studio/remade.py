"""What hosts send, made anew by a decoder in a process of its own (picture.py, hold_sound.py), and kept."""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
from pathlib import Path
from typing import NamedTuple

REFUSED = 2
"""Exit code of a decoder that says why it does not take a file. Not imported from there: no decoder is to be
loaded into this process."""


class Remade(NamedTuple):
    """What a decoder left. `code` is below zero when the kernel ended it, for its time or its memory."""

    code: int
    out: bytes
    reason: str
    """The last line it said."""


async def remade(module: str, data: bytes, seconds: float) -> Remade:
    """Runs `python -m module` with `data` at its standard input. Raises TimeoutError, the process ended."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-m", module),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"PATH": os.environ.get("PATH", ""), "LANG": "C.UTF-8", "OPENBLAS_NUM_THREADS": "1"},
    )
    try:
        async with asyncio.timeout(seconds):
            out, said = await process.communicate(data)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    reason = said.decode("ascii", "replace").strip().rpartition("\n")[2]
    return Remade(process.returncode or 0, out, reason)


def keep(path: Path, data: bytes) -> None:
    """Writes a file whole or not at all. Raises OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_suffix(f".{secrets.token_hex(4)}.part")
    try:
        fresh.write_bytes(data)
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
