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
import httpx
import joins
import loiter
import requests_flood
import rush
import slow
import slowhttptest
import udp
from evening import VOICES, Evening, People, Safety, counted, evening, late_p99, lateness, replies
from recording import finished, lost, whole

from hustings.config import host_port
from hustings.edge.capacity import Capacity

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
        # Under the cap they get in one after the other, most between two looks: all that tried are counted.
        each = (seen["grew"] + max(0, seen["kernel"])) / (count if capped else max(1, most))
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
                f"{each / 1e3:.1f} kB each{' that tried' if capped else ''} ({parts})",
                each <= 64e3,
            ),
            (
                f"slowhttptest {mode}: a new listener",
                "p95 < 1 s",
                f"{len(new['heard'])} of 50, p95 {p95(new['heard']):.2f} s",
                len(new["heard"]) == 50 and p95(new["heard"]) < 1.0,
            ),
        ]
    return rows


PEAK = 50
"""Connections over which the peak is measured: enough to keep the door busy."""
SHARES = (0.9, 0.8)
"""Of the peak, over three times the connections (as asked) and over 650: there every server pays for a memory
that is in no cache any more, nginx a tenth of its answers."""


def requests(found: Evening, scale: float) -> list[Row]:
    """3: page, playlist and joins, first by as many as keep the door busy, then by three times that, then by
    many more."""
    seconds, room = max(3, int(15 * scale)), found.room
    more = 3 * PEAK + int(500 * scale)
    rows: list[Row] = []
    for what, url in (("page", room.audience_url), ("playlist", f"{room.audience_url}/hls/opus.m3u8")):
        peak = requests_flood.ask(url, PEAK, 5)
        before = replies(found.server)
        floods = [requests_flood.ask(url, connections, seconds) for connections in (3 * PEAK, more)]
        rows.append(_normal_again(what, found))
        after = replies(found.server)
        # Again afterwards, so that a machine that became slower meanwhile is not taken for a door that did.
        peak = requests_flood.mean(peak, requests_flood.ask(url, PEAK, 5))
        strange = {
            status: int(count - before.get(status, 0))
            for status, count in after.items()
            if status not in ("200", "304", "429", "503") and count > before.get(status, 0)
        }
        for connections, flooded, share in zip((3 * PEAK, more), floods, SHARES, strict=True):
            told = f"{what}, {connections} connections"
            rows.append(_held(told, share, flooded.good, peak.good, flooded.refused, flooded.failed, strange))
    path = f"/r/{room.slug}/live"
    few = in_process(joins.churn, found.audience, path, PEAK, 5.0)
    many = in_process(joins.churn, found.audience, path, more, float(seconds), 50_000)
    rows.append(_normal_again("joins", found))
    again = in_process(joins.churn, found.audience, path, PEAK, 5.0)
    refused, lost_ = many["503"] + many["429"], many["other"] + many["unanswered"]
    peak_ = (few["heard"] + again["heard"]) / (few["seconds"] + again["seconds"])
    held = many["heard"] / many["seconds"]
    told = f"joins, {more} connections"
    rows.append(_held(told, SHARES[0], held, peak_, refused / many["seconds"], lost_, many["errors"]))
    return rows


def _held(
    what: str, share: float, good: float, peak: float, refused: float, failed: int, strange: dict[str, int]
) -> Row:
    seen = f"{100 * good / peak:.0f} % of {peak:,.0f}/s; {refused:,.0f}/s got 429 or 503"
    seen += f", {failed} unanswered or cut" + (f", {strange}" if strange else "")
    fine = good >= share * peak and not failed and not strange
    return (
        f"{what}: good answers",
        f">= {100 * share:.0f} % of the peak, the rest 429 or 503",
        seen,
        fine,
    )


def _normal_again(what: str, found: Evening) -> Row:
    """How long until page and sound are there at once, three times in a row."""
    begun, since, in_a_row = time.monotonic(), 0.0, 0
    while in_a_row < 3 and time.monotonic() - begun < 30.0:
        asked = time.monotonic()
        page = httpx.get(found.room.audience_url, trust_env=False, timeout=10.0).status_code
        one = joins.join(found.audience, f"/r/{found.room.slug}/live", 1, 0.0, patience=5.0)
        quick = page == 200 and bool(one["heard"]) and time.monotonic() - asked < 1.0
        since = since if quick and in_a_row else asked - begun
        in_a_row = in_a_row + 1 if quick else 0
        time.sleep(0.2)
    seen = f"{since:.1f} s" if in_a_row == 3 else "not within 30 s"
    return f"{what}: normal again", "<= 5 s", seen, in_a_row == 3 and since <= 5.0


RUSH_CONNECTIONS = 800
"""Connections of the edge in the attack `lobby`."""


def lobby(found: Evening, scale: float) -> list[Row]:
    """More than there are places for: they wait, in order, and come back spread; then some leave."""
    count, leaving = int(1_400 * scale), int(200 * scale)
    # Without the listener from before.
    places = Capacity(connections=int(RUSH_CONNECTIONS * scale), memory=0).room - 1
    path = f"/r/{found.room.slug}/live"
    key = (found.server.data / "keys" / "gate-key").read_text().strip()
    seen = in_process(rush.rush, found.audience, path, key, count, 10.0, (25.0, leaving), 75.0)
    expected = places + leaving
    return [
        (
            f"{count} come to {places} places, {leaving} leave after 25 s",
            "all places taken again",
            f"{seen['heard']} heard, {seen['inside']} inside at the end",
            abs(seen["heard"] - expected) <= 0.03 * expected + 3,
        ),
        (
            "in earlier than somebody who came before",
            "<= 12 s (a wave, and what the way takes)",
            f"{seen['overtaken']:.1f} s (with those who were cut {seen['overtaken_with_cut']:.1f} s)",
            seen["overtaken"] <= 12.0,
        ),
        (
            "came back in one second, at most",
            "<= 800 (400 are told each second)",
            f"{seen['most_in_a_second']} of {seen['returns']}",
            seen["most_in_a_second"] <= 800,
        ),
        (
            "refused",
            "503 with Retry-After",
            f"{seen['impolite']} otherwise, {seen['lost']} cut; {seen['tests']} effort tests done",
            not seen["impolite"],
        ),
    ]


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


def _datagrams(port: int, scale: float, where: str) -> Row:
    wanted = 20_000 * scale
    sent = in_process(udp.flood, port, int(wanted), 60.0)["per_second"]
    return f"datagrams a second at the {where}", f"{wanted:,.0f}", f"{sent:,.0f}", sent >= 0.9 * wanted


def udp_flood(found: Evening, scale: float) -> list[Row]:
    """5: 20,000 datagrams a second at the media port for 60 s."""
    return [_datagrams(host_port(found.server.media)[1], scale, "media port")]


def relay_flood(found: Evening, scale: float) -> list[Row]:
    """5: the same at the relay door, which the stage reads itself."""
    flood = _datagrams(host_port(found.server.media)[1] + 1, scale, "relay door")
    time.sleep(2.5)  # roles report every two seconds
    read = counted(found.server, "hustings_stage_relay_dropped_total", "cause").get("other", 0.0)
    return [
        flood,
        ("of these read and dropped", "4,000 a second at most", f"{read:,.0f}", 0 < read < 4_200 * 61),
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
    "requests": (requests, 145.0),
    "lobby": (lobby, 90.0),
    "loiter": (loiterers, 60.0),
    "udp": (udp_flood, 80.0),
    "relay": (relay_flood, 80.0),
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
    # Nobody is there: it is for the stage to open its relay door.
    "relay": {"HUSTINGS_TURN": "turns:127.0.0.1:9?transport=tcp", "HUSTINGS_TURN_SECRET": "of this attack"},
}


def attack(name: str, scale: float) -> list[Row]:
    """One attack on an evening of its own: what was asked of it, and whether the stage was safe."""
    work, seconds = ATTACKS[name]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        more = dict(SETTINGS.get(name, {}))
        if name == "lobby":
            more["HUSTINGS_LISTENERS"] = str(int(RUSH_CONNECTIONS * scale))
        if name == "clocks":
            more |= clock_steps.environment(place / CLOCK)
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
