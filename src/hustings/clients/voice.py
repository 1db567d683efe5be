"""`speak` in a process of its own, told what to say on stdin: for the demo and for measurements.

The ticket comes by stdin rather than by argument, where every user of the machine could read it; and
when stdin ends, whoever started this voice is gone, and so it ends too.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import IO, Any

from hustings.clients.speak import speak
from hustings.errors import HustingsError


def start_voice(
    slug: str,
    *,
    ticket: str,
    file: Path,
    name: str,
    studio_url: str,
    origin: float,
    loop: bool = False,
    return_out: Path | None = None,
    log: IO[bytes] | int | None = None,
) -> subprocess.Popen[str]:
    """Starts the process; arguments as `speak`. It speaks until its file ends, SIGTERM or stdin's end."""
    told = {
        "slug": slug,
        "ticket": ticket,
        "file": str(file),
        "name": name,
        "studio_url": studio_url,
        "origin": origin,
        "loop": loop,
        "return_out": str(return_out) if return_out else "",
    }
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "hustings.clients.voice"],
        stdin=subprocess.PIPE,
        stdout=log,
        stderr=log,
        text=True,
        start_new_session=True,
    )
    assert process.stdin is not None
    with suppress(BrokenPipeError):
        process.stdin.write(json.dumps(told) + "\n")
        process.stdin.flush()
    return process


def main() -> int:
    """Reads one line of JSON, as `start_voice` writes it, and speaks."""
    stop = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    line = sys.stdin.readline()
    if not line:
        return 0
    told: dict[str, Any] = json.loads(line)
    threading.Thread(target=_until_alone, args=(stop,), daemon=True).start()
    try:
        speak(
            told["slug"],
            ticket=told["ticket"],
            file=Path(told["file"]),
            name=told["name"],
            loop=told["loop"],
            studio_url=told["studio_url"],
            origin=told["origin"],
            return_out=Path(told["return_out"]) if told["return_out"] else None,
            stop=stop,
        )
    except HustingsError as error:
        print(f"{told['name']}: {error}", file=sys.stderr, flush=True)
        return 1
    return 0


def _until_alone(stop: threading.Event) -> None:
    sys.stdin.read()
    stop.set()


if __name__ == "__main__":
    sys.exit(main())
