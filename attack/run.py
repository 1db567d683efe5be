"""Attacks on a live evening, each with what was asked and what was seen: `./dev attack [NAME ...] [--json]`.

They send to 127.0.0.0/8 only, are bounded in number and time, and end by themselves. `--scale 0.1` sends a
tenth (a machine that is busy, a test). docs/reliability.md has the table.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import clock_steps
import event_sockets
import handshakes
import joins
import loiter
import requests_flood
import slow
import slowhttptest
import udp
from evening import VOICES, Evening, People, Safety, evening, late_p99, lateness
from recording import finished, lost, whole

from hustings.config import host_port

type Row = tuple[str, str, str, bool]
"""What, asked, seen, good."""
SLOW_MODES: tuple[slow.Mode, ...] = ("headers", "body", "read")


def in_process(work: Callable[..., dict[str, Any]], *arguments: Any) -> dict[str, Any]:
    """`work(*arguments)` on a processor of its own."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(work, *arguments).result()


def p95(seconds: list[float]) -> float:
    """Of sorted values; NaN of none."""
    return seconds[min(len(seconds) - 1, int(len(seconds) * 0.95))] if seconds else float("nan")


def _joined(found: dict[str, Any], count: int) -> list[Row]:
    heard, refused = found["heard"], found["refused"]
    quick = sum(1 for seconds in heard if seconds < 3.0)
    lost_ = found["silent"] + refused["other"]
    return [
        (
            "hear sound in less than 3 s",
            ">= 99 %",
            f"{100 * quick / count:.2f} % (p95 {p95(heard):.2f} s)",
            quick >= 0.99 * count,
        ),
        (
            "the rest",
            "503 with Retry-After",
            f"{refused['503 with Retry-After']}; otherwise {lost_}",
            lost_ == 0,
        ),
    ]


def _named(prefix: str, rows: list[Row]) -> list[Row]:
    return [(f"{prefix}: {what}", asked, seen, good) for what, asked, seen, good in rows]


def crowd_comes(found: Evening, scale: float) -> list[Row]:
    """1: 5,000 joins in 10 s, then the same beside 20 s of connections from one address."""
    count, path = int(5_000 * scale), f"/r/{found.room.slug}/live"
    alone = in_process(joins.join, found.audience, path, count, 10.0)
    rows = _named(f"{count} joins in 10 s", _joined(alone, count))
    time.sleep(2.0)
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        flood = pool.submit(joins.flood, found.audience, 20.0, int(2_000 * scale))
        beside = pool.submit(joins.join, found.audience, path, count, 10.0).result()
        flooded = flood.result()
    rows += _named(f"beside {flooded['made']} connections of one address", _joined(beside, count))
    return rows


def slow_clients(found: Evening, scale: float) -> list[Row]:
    """2: 4,000 slow clients, three ways; a new listener meanwhile."""
    count, rows = int(4_000 * scale), []
    paths = {"headers": "/", "body": f"/r/{found.room.slug}/question", "read": f"/r/{found.room.slug}"}
    for mode in SLOW_MODES:
        with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
            attack = pool.submit(slow.slow, found.audience, mode, paths[mode], count, 5.0, 15.0, 150)
            time.sleep(3.0)
            new = pool.submit(joins.join, found.audience, f"/r/{found.room.slug}/live", 50, 10.0).result()
            seen = attack.result()
        longest = max(seen["lasted"], default=float("nan"))
        rows += [
            (
                f"slow {mode}, {count} connections",
                "closed after <= 10 s",
                f"longest {longest:.1f} s, {seen['still_open']} still open",
                seen["still_open"] == 0 and longest <= 10.5,
            ),
            (
                f"slow {mode}: a new listener",
                "p95 < 1 s",
                f"{len(new['heard'])} of 50, p95 {p95(new['heard']):.2f} s",
                len(new["heard"]) == 50 and p95(new["heard"]) < 1.0,
            ),
        ]
    return rows


def slowhttptest_comes(found: Evening, scale: float) -> list[Row]:
    """2: the same by slowhttptest, all connections from one address that may have as many."""
    return _slowhttptest(found, int(4_000 * scale), capped=False)


def slowhttptest_capped(found: Evening, scale: float) -> list[Row]:
    """2: slowhttptest against the usual cap for one address."""
    return _slowhttptest(found, int(4_000 * scale), capped=True)


def _slowhttptest(found: Evening, count: int, *, capped: bool) -> list[Row]:
    if not slowhttptest.installed():
        print("slowhttptest is not installed; nothing shown. As root: apt-get install slowhttptest")
        return []
    rows: list[Row] = []
    base = found.room.audience_url
    urls = {"headers": base, "body": f"{base}/question", "read": base}
    pids = found.server.pids("edge")
    for mode in slowhttptest.MODES:
        with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
            attack = pool.submit(slowhttptest.slow, urls[mode], mode, count, 20.0, pids)
            time.sleep(2.0)
            new = pool.submit(joins.join, found.audience, f"/r/{found.room.slug}/live", 50, 10.0).result()
            seen = attack.result()
        longest, most = max(seen["lasted"], default=0.0), seen["seen"]
        parts = f"edge {seen['grew'] / 1e6:+.1f} MB, kernel {seen['kernel'] / 1e6:+.1f} MB"
        each = (seen["grew"] + max(0, seen["kernel"])) / max(1, most)
        said = f"{most} seen, longest {longest:.1f} s, {seen['still_open']} still open"
        least = 100 if capped else 0.95 * count
        rows += [
            (
                f"slowhttptest {mode}, {count} connections",
                "closed after <= 10 s",
                said,
                seen["still_open"] == 0 and longest <= 10.0 + 2 * slowhttptest.EVERY and most >= least,
            ),
            (
                f"slowhttptest {mode}: memory of the edge and its sockets",
                "<= 64 kB each",
                f"{each / 1e3:.1f} kB each ({parts})",
                capped or each <= 64e3,
            ),
            (
                f"slowhttptest {mode}: a new listener",
                "p95 < 1 s",
                f"{len(new['heard'])} of 50, p95 {p95(new['heard']):.2f} s",
                len(new["heard"]) == 50 and p95(new["heard"]) < 1.0,
            ),
        ]
    return rows


def requests(found: Evening, scale: float) -> list[Row]:
    """3: wrk asks for the page and a playlist over 50 connections, then over 650."""
    seconds = max(3, int(15 * scale))
    rows: list[Row] = []
    base = found.room.audience_url
    for what, url in (("page", base), ("playlist", f"{base}/hls/opus.m3u8")):
        peak = requests_flood.ask(url, 50, 5)
        flooded = requests_flood.ask(url, int(600 * scale) + 50, seconds)
        share = flooded.good / peak.good
        seen = f"{100 * share:.0f} % of {peak.good:,.0f}/s; {flooded.refused:,.0f}/s refused"
        seen += f", {flooded.failed} sockets failed"
        good = share >= 0.9 and not flooded.failed
        rows.append((f"{what}: good answers", ">= 90 % of the peak", seen, good))
        after = in_process(joins.join, found.audience, f"/r/{found.room.slug}/live", 20, 5.0)
        rows += _named(f"{what}: in the 5 s after it, listeners", _joined(after, 20))
    return rows


def loiterers(found: Evening, scale: float) -> list[Row]:
    """4: 5,000 idle and 1,000 slow-reading listeners."""
    idle, slowly = int(5_000 * scale), int(1_000 * scale)
    before = _edge_memory(found)
    seen = in_process(loiter.loiter, found.audience, f"/r/{found.room.slug}/live", idle, slowly, 10.0, 30.0)
    grown = _edge_memory(found) - before
    each = grown / max(1, idle + slowly)
    return [
        (
            f"{idle} idle connections",
            "closed",
            f"{seen['idle_still_open']} still open after 30 s",
            seen["idle_still_open"] == 0,
        ),
        (
            f"{slowly} slow readers: memory of the edge",
            "flat",
            f"{grown / 1e6:+.1f} MB ({each / 1e3:.1f} kB each)",
            grown < 64e6,
        ),
    ]


def udp_flood(found: Evening, scale: float) -> list[Row]:
    """5: 20,000 datagrams a second at the media port for 60 s."""
    _, port = host_port(found.server.media)
    seen = in_process(udp.flood, port, int(20_000 * scale), 60.0)
    wanted = 20_000 * scale
    return [
        (
            "datagrams a second at the media port",
            f"{wanted:,.0f}",
            f"{seen['per_second']:,.0f}",
            seen["per_second"] >= 0.9 * wanted,
        )
    ]


def racing(found: Evening, scale: float) -> list[Row]:
    """5: 1,000 handshakes beside strangers' ClientHellos, from their addresses, then from the client's."""
    rows: list[Row] = []
    _, port = host_port(found.server.media)
    count = int(1_000 * scale)
    for forge in (False, True):
        given = (found.room.whep_url, port, count if not forge else count // 5, 2_000, forge)
        seen = in_process(handshakes.race, *given)
        for failure in seen["failures"][:3]:
            print(f"  {failure}", file=sys.stderr)
        made, told = len(seen["seconds"]), f"{seen['sent']} ClientHellos and STUN requests"
        told += f", {seen['forged']} in the client's name" if forge else ""
        rows.append(
            (
                f"{given[2]} handshakes beside {told}",
                "all connect, no speaker dropped",
                f"{made}, p95 {p95(seen['seconds']):.2f} s; speakers {found.speaking()}",
                made == given[2] and found.speaking() == len(VOICES),
            )
        )
    return rows


def clocks(found: Evening, _scale: float) -> list[Row]:
    """10: the server's wall clock is wrong by an hour, both ways, and right again."""
    if not clock_steps.installed():
        print("There is no C compiler; nothing shown. As root: apt-get install gcc libc6-dev")
        return []
    return clock_steps.step(found, found.folder / CLOCK)


def studio_sockets(found: Evening, scale: float) -> list[Row]:
    """6: the studio's event socket."""
    path = f"/api/rooms/{found.room.slug}/events"
    count = int(5_000 * scale)
    idle = in_process(event_sockets.idle, found.studio, path, count, 10.0, 15.0)
    big = in_process(event_sockets.oversize, found.studio, path, int(200 * scale), 1 << 20, 15.0)
    many = in_process(event_sockets.chatter, found.studio, path, 100, int(10_000 * scale), 10.0)
    foreign = in_process(event_sockets.foreign, found.studio, path, 20)
    return [
        (
            f"{count} idle sockets",
            "gone after 15 s",
            f"{idle['open']} open, {idle['refused']} refused",
            idle["open"] == 0,
        ),
        (
            "frames of 1 MB",
            "refused",
            f"{big['still_open']} of {big['made']} still open",
            big["still_open"] == 0,
        ),
        (
            f"{10_000 * scale:,.0f} messages a second",
            "capped or refused",
            f"{many['still_open']} of {many['made']} sockets still open",
            many["still_open"] == 0,
        ),
        ("foreign origins", "refused", str(foreign["answers"]), set(foreign["answers"]) <= {"403"}),
    ]


def _edge_memory(found: Evening) -> int:
    """Bytes in memory of all edges."""
    page = resource.getpagesize()
    pids = found.server.pids("edge")
    return sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * page for pid in pids)


ATTACKS: dict[str, tuple[Callable[[Evening, float], list[Row]], float]] = {
    "joins": (crowd_comes, 70.0),
    "slow": (slow_clients, 110.0),
    "slowhttptest": (slowhttptest_comes, 110.0),
    "slowhttptest-capped": (slowhttptest_capped, 110.0),
    "requests": (requests, 90.0),
    "loiter": (loiterers, 60.0),
    "udp": (udp_flood, 80.0),
    "handshakes": (racing, 120.0),
    "clocks": (clocks, 75.0),
    "sockets": (studio_sockets, 90.0),
}
"""Name: what it does, and seconds it takes at most."""
CLOCK = "clock"
# wrk and slowhttptest have one address: these attacks are about requests and slowness, the others about who
# holds too many connections.
SETTINGS = {
    "requests": {"HUSTINGS_PER_ADDRESS": "2000"},
    "slowhttptest": {"HUSTINGS_PER_ADDRESS": "10000"},
}


def attack(name: str, scale: float) -> list[Row]:
    """One attack on an evening of its own: what was asked of it, and whether the stage was safe."""
    work, seconds = ATTACKS[name]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        more = clock_steps.environment(place / CLOCK) if name == "clocks" else SETTINGS.get(name, {})
        with evening(place, seconds, **more) as found:
            ticks, begun = lateness(found.server), time.time()
            with People(found, seconds) as people:
                rows = work(found, scale)
                left = seconds - (time.time() - begun)
                time.sleep(max(0.0, left))
            ended = time.time()
            late = late_p99(ticks, lateness(found.server))
            heard = found.heard()
            found.room.stop()
            recorded, index = finished(found.server.data, found.room.slug)
            names = ("Clara", "Thomas")
            quiet = lost(recorded, index, names, begun - 5.0, begun)
            added = max(0.0, lost(recorded, index, names, begun, ended) - quiet)
            safety = Safety(added, late, whole(index), people.logins, people.joins, heard)
        for each in (people.logins, people.joins):
            for failure in each.failures[:3]:
                print(f"  {failure}", file=sys.stderr)
        return [*rows, *safety.rows()]


def main() -> int:
    """0 when everything was as asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(ATTACKS))
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - ATTACKS.keys():
        parser.error(f"no attack {', '.join(sorted(unknown))}; there are: {', '.join(ATTACKS)}")
    good = True
    for name in arguments.names or ATTACKS:
        rows = attack(name, arguments.scale)
        good &= all(row[3] for row in rows)
        if arguments.json:
            print(json.dumps({"attack": name, "scale": arguments.scale, "rows": rows}))
            continue
        print(f"{name}: {(ATTACKS[name][0].__doc__ or '').strip()}")
        for what, asked, seen, fine in rows:
            print(f"  {'ok  ' if fine else 'FAIL'} {what}: {seen} (asked: {asked})", flush=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
