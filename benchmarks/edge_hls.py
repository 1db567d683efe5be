"""Playlists and parts a second from one edge, by wrk; nginx with the same bytes as files beside it.

`python benchmarks/edge_hls.py [--seconds 5] [--connections 100]`. Needs wrk; nginx is left out where
it is not installed.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import re
import shutil
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from edge_common import Results, cpu_seconds, raise_descriptor_limit, stand
from edge_fakes import free_port

_NGINX = """
daemon off; worker_processes 1; pid {folder}/pid; error_log /dev/null;
events {{ worker_connections 1024; }}
http {{
  access_log off; sendfile on; tcp_nopush on; open_file_cache max=100; keepalive_requests 100000000;
  types {{ application/vnd.apple.mpegurl m3u8; audio/mp4 m4s; }}
  client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
  uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
  server {{ listen 127.0.0.1:{port} backlog=4096; root {folder}; }}
}}
"""


@contextlib.contextmanager
def nginx(files: dict[str, bytes]) -> Iterator[tuple[int, int] | None]:
    """(port, master's pid) of an nginx that serves `files`; None where there is none."""
    binary = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
    if binary is None:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="edge-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        for file, data in files.items():
            (folder / file).write_bytes(data)
        port = free_port()
        (folder / "conf").write_text(_NGINX.format(folder=folder, port=port))
        process = subprocess.Popen([binary, "-p", name, "-c", f"{name}/conf"], stderr=subprocess.DEVNULL)
        time.sleep(0.7)
        try:
            yield (port, process.pid) if process.poll() is None else None
        finally:
            process.terminate()
            process.wait()


def fetch(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=10) as response:
        content: bytes = response.read()
        return content


def wrk(url: str, connections: int, seconds: int) -> float:
    """Requests a second; fails when any reply was not 200."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", url]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in text or "Socket errors" in text:
        raise SystemExit(text)
    found = re.search(r"Requests/sec:\s+([\d.]+)", text)
    assert found is not None, text
    return float(found[1])


async def measure(connections: int, seconds: int, runs: int, results: Results) -> None:
    async with stand(per_address=100_000) as place:
        base = place.edge.url("/r/hall/hls/")
        index = (await asyncio.to_thread(fetch, base + "index.m3u8")).decode()
        playlist_name = next(line for line in index.splitlines() if line.endswith("/opus.m3u8"))
        folder = base + playlist_name.removesuffix("opus.m3u8")
        playlist = await asyncio.to_thread(fetch, base + playlist_name)
        part_name = re.findall(r'#EXT-X-PART:[^\n]*URI="([^"]+)"', playlist.decode())[-1]
        part = await asyncio.to_thread(fetch, folder + part_name)
        print(f"playlist {len(playlist)} bytes, part {len(part)} bytes")
        targets = {"playlist": base + playlist_name, "part": folder + part_name}
        files = {"playlist.m3u8": playlist, "part.m4s": part}
        with nginx(files) as peer:
            for name, url in targets.items():
                rates, shares, theirs = [], [], []
                for _ in range(runs):
                    before, at = cpu_seconds(place.edge.pid), time.monotonic()
                    rates.append(await asyncio.to_thread(wrk, url, connections, seconds))
                    shares.append((cpu_seconds(place.edge.pid) - before) / (time.monotonic() - at) * 100)
                    if peer is not None:
                        file = next(each for each in files if each.startswith(name))
                        address = f"http://127.0.0.1:{peer[0]}/{file}"
                        theirs.append(await asyncio.to_thread(wrk, address, connections, seconds))
                results.add(f"{name}_requests_per_second", rates, "requests/s")
                results.add(f"{name}_cpu_share", shares, "% of a core")
                per_core = [rate / share * 100 for rate, share in zip(rates, shares, strict=True)]
                results.add(f"{name}_requests_per_core_second", per_core, "requests/s")
                if theirs:
                    results.add(f"{name}_requests_per_second", theirs, "requests/s", subject="nginx")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=100)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is missing: apt-get install wrk")
    raise_descriptor_limit()
    results = Results("hls")
    asyncio.run(measure(options.connections, options.seconds, options.runs, results))
    results.finish()


if __name__ == "__main__":
    main()
