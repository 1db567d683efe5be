"""`hustings bench hls` and `page`: answers a second and a core, beside nginx with the same bytes as files;
and how soon all who wait for a part have it."""

from __future__ import annotations

import asyncio
import contextlib
import re
import urllib.request
from urllib.parse import urlsplit

from hustings.bench import machine, peers
from hustings.bench.generator import generator
from hustings.bench.pound import Pounded, pound
from hustings.bench.results import Results
from hustings.bench.server import Stand, stand
from hustings.errors import Unavailable

_PART = re.compile(r'#EXT-X-PART:[^\n]*URI="([^"]+)"')
_HINT = re.compile(r'#EXT-X-PRELOAD-HINT:[^\n]*URI="[^"]*?(\d+)\.(\d+)\.m4s"')


async def measure(
    results: Results,
    against: list[str],
    *,
    connections: int,
    waiting: int,
    rounds: int,
    seconds: float,
    runs: int,
) -> None:
    """Playlist and part, then `waiting` blocking reloads at once, `rounds` times."""
    async with stand(per_address=100_000) as place:
        base = place.edge.url("/r/hall/hls/")
        index = (await _fetch(base + "index.m3u8")).decode()
        address = base + next(line for line in index.splitlines() if line.endswith("/opus.m3u8"))
        playlist = await _fetch(address)
        part_address = address.removesuffix("opus.m3u8") + _PART.findall(playlist.decode())[-1]
        part = await _fetch(part_address)
        results.add("hls", "playlist_bytes", [len(playlist)], "bytes")
        results.add("hls", "part_bytes", [len(part)], "bytes")
        targets = {"playlist.m3u8": (address, playlist), "part.m4s": (part_address, part)}
        await pounded(results, "hls", place, targets, against, connections, seconds, runs)
        await _release(results, place, address, waiting, rounds)


async def measure_page(
    results: Results, against: list[str], *, connections: int, seconds: float, runs: int
) -> None:
    """The room's page and its state, as the edge has them from the studio."""
    async with stand(per_address=100_000) as place:
        targets = {}
        for file, path in (("page.html", "/r/hall"), ("state.json", "/r/hall/state.json")):
            url = place.edge.url(path)
            targets[file] = (url, await _fetch(url))
            name = file.partition(".")[0]
            results.add("page", f"{name}_bytes", [len(targets[file][1])], "bytes")
        await pounded(results, "page", place, targets, against, connections, seconds, runs)


async def pounded(
    results: Results,
    bench: str,
    place: Stand,
    targets: dict[str, tuple[str, bytes]],
    against: list[str],
    connections: int,
    seconds: float,
    runs: int,
) -> None:
    """Each target's answers a second and a core's second, ours and nginx's in turns."""
    beside = peers.present("nginx", against, results)
    files = {file: data for file, (_, data) in targets.items()}
    with peers.nginx(files) if beside else contextlib.nullcontext() as peer:
        for file, (url, _) in targets.items():
            ours: list[Pounded] = []
            theirs: list[Pounded] = []
            for _ in range(runs):
                ours.append(
                    await pound(url, connections, seconds, lambda: machine.cpu_seconds(place.edge.pid))
                )
                if peer is not None:
                    address = f"http://127.0.0.1:{peer.port}/{file}"
                    theirs.append(await pound(address, connections, seconds, peer.cpu_seconds))
            name = file.partition(".")[0]
            _rows(results, bench, name, ours, "hustings")
            if theirs:
                _rows(results, bench, name, theirs, "nginx")
            each = f"{name}_requests_per_core_second"
            results.ratio(bench, each, "nginx", f"{each}_ratio")


def _rows(results: Results, bench: str, name: str, runs: list[Pounded], subject: str) -> None:
    results.add(bench, f"{name}_requests_per_second", [run.rate for run in runs], "requests/s", subject)
    results.add(bench, f"{name}_cpu_share", [100 * run.cpu for run in runs], "% of a core", subject)
    per_core = [run.rate / max(run.cpu, 1e-3) for run in runs]
    results.add(bench, f"{name}_requests_per_core_second", per_core, "requests/s", subject)
    results.generator(bench, [run.generator for run in runs], subject, f"{name}_generator_cpu_share")


async def _release(results: Results, place: Stand, address: str, waiting: int, rounds: int) -> None:
    """How long after the stage's chunk the first and the last of all who waited had the playlist."""
    path = urlsplit(address).path
    firsts, lasts, spreads, shares = [], [], [], []
    given = {"port": place.edge.port, "count": waiting}
    async with generator("reloaders", given) as load:
        for _ in range(rounds):
            hint = _HINT.search((await _fetch(address)).decode())
            if hint is None:
                raise Unavailable("the playlist hints at no part.")
            # One part further than the hinted one, so that everybody has asked before it comes.
            target = f"{path}?_HLS_msn={hint[1]}&_HLS_part={hint[2]}"
            load.begin()
            found = await load.ask(f"wait {target}")
            shares.append(load.share())
            if found["missing"] or found["failed"]:
                raise Unavailable(f"{found['missing']} who waited had no answer, {found['failed']} not 200.")
            sent = [at for at in place.house.published if found["asked"] <= at <= found["first"]]
            if not sent:
                continue  # the part came while some were still asking
            firsts.append(1000 * (found["first"] - sent[-1]))
            lasts.append(1000 * (found["last"] - sent[-1]))
            spreads.append(1000 * (found["last"] - found["first"]))
    results.add("hls", "reloads_waiting", [waiting], "requests")
    if not lasts:
        results.note("hls: no round of blocking reloads was complete before its part came; fewer would do.")
        return
    results.add("hls", "release_first", firsts, "ms after the stage's chunk")
    results.add("hls", "release_last", lasts, "ms after the stage's chunk")
    results.add("hls", "release_spread", spreads, "ms from the first to the last")
    results.generator("hls", shares, metric="release_generator_cpu_share")


async def _fetch(url: str) -> bytes:
    def read() -> bytes:
        with urllib.request.urlopen(url, timeout=10) as response:
            content: bytes = response.read()
            return content

    return await asyncio.to_thread(read)
