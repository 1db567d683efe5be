"""The wall clock of a live server is set wrong by an hour, both ways, and back. Never this machine's clock:
the server's processes ask wrong_clock.c for the time (LD_PRELOAD), and a file says how wrong it is.

Only CLOCK_REALTIME is wrong, as after settimeofday(2): CLOCK_MONOTONIC goes on. The bus is a static Go
program and keeps the right time, which it asks for nothing but its log. What the kernel itself waits for by
the wall clock is not moved.
"""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
import time
from datetime import datetime
from pathlib import Path

import httpx
from evening import PASSWORD, VOICES, Evening

SOURCE = Path(__file__).parent / "wrong_clock.c"
STEPS = (3_600, 0, -3_600, 0)
"""Seconds by which the clock is wrong, one after the other."""
EACH = 15.0
"""Seconds each lasts."""
_PDT = re.compile(r"#EXT-X-PROGRAM-DATE-TIME:(\S+)")
_LENGTH = re.compile(r"#EXTINF:([0-9.]+)")

type Row = tuple[str, str, str, bool]


def installed() -> bool:
    """Whether there is a C compiler."""
    return shutil.which("cc") is not None


def environment(file: Path) -> dict[str, str]:
    """Of a server whose clock is as `file` says."""
    if not installed():
        return {}
    set_wrong(file, 0)
    library = file.with_suffix(".so")
    subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", str(library), str(SOURCE)], check=True)
    return {"LD_PRELOAD": str(library), "WRONG_CLOCK": str(file)}


def set_wrong(file: Path, seconds: int) -> None:
    """In place: processes have the file in their memory."""
    with file.open("r+b" if file.exists() else "wb") as out:
        out.write(struct.pack("=q", seconds))


def slips(playlist: str) -> list[float]:
    """Seconds by which each dated segment is not where the one dated before it and the lengths say."""
    found: list[float] = []
    expected: float | None = None
    since = 0.0
    for line in playlist.splitlines():
        if dated := _PDT.match(line):
            at = datetime.fromisoformat(dated[1]).timestamp()
            if expected is not None:
                found.append(abs(at - expected - since))
            expected, since = at, 0.0
        elif length := _LENGTH.match(line):
            since += float(length[1])
    return found


def step(found: Evening, file: Path) -> list[Row]:
    """All steps; what a host, a guest and a player see after each."""
    url, rows = found.server.studio_url, []
    # An account of its own: of Clara's sessions the many that log in meanwhile (evening.People) push out the
    # longest unused, by the clock.
    _second_host(url)
    with httpx.Client(base_url=url, timeout=30.0, trust_env=False, headers={"Origin": url}) as host:
        for wrong in STEPS:
            host.post("/api/sessions", json={"name": "Thomas", "password": PASSWORD}).raise_for_status()
            before = _server_time(url)
            set_wrong(file, wrong)
            time.sleep(EACH)
            moved = _server_time(url) - before - EACH
            session = host.get("/api/sessions").status_code
            status = found.room.state()["status"]
            playlist = httpx.get(f"{found.room.audience_url}/hls/opus.m3u8", trust_env=False, timeout=30.0)
            slip = max(slips(playlist.text), default=0.0)
            speaking = found.speaking()
            good = status == "live" and session == 200 and slip < 0.1 and speaking == len(VOICES)
            seen = f"server's clock moved {moved:+.0f} s; {status}, session {session}, "
            seen += f"{speaking} speakers, playlist's dates slip {slip:.3f} s"
            rows.append((f"clock {wrong:+d} s", "live, session holds, dates whole", seen, good))
    return rows


def _second_host(url: str) -> None:
    with httpx.Client(base_url=url, timeout=30.0, trust_env=False, headers={"Origin": url}) as operator:
        operator.post("/api/sessions", json={"name": "Clara", "password": PASSWORD}).raise_for_status()
        invited = operator.post("/api/accounts/invitations", json={"name": "Thomas", "role": "host"})
        secret = invited.raise_for_status().json()["link"].partition("#")[2]
        body = {"secret": secret, "name": "Thomas", "password": PASSWORD}
        operator.post("/api/setup", json=body).raise_for_status()


def _server_time(url: str) -> float:
    """What a header of the studio's says the time is."""
    answer = httpx.get(f"{url}/healthz", trust_env=False, timeout=30.0)
    return datetime.strptime(answer.headers["Date"], "%a, %d %b %Y %H:%M:%S GMT").timestamp()  # noqa: DTZ007
