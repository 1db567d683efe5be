"""Requests as fast as a server answers them, over kept-alive connections: by wrk, which is made for it, and
where that is not installed by a loop of our own, which is slower than some servers and says so."""

from __future__ import annotations

import asyncio
import contextlib
import re
import resource
import selectors
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from hustings.bench import machine
from hustings.bench.generator import generator, order, say, settings
from hustings.errors import Unavailable


@dataclass(frozen=True, slots=True)
class Pounded:
    """One run: requests a second, the server's share of a core (1: all of it), the generator's in percent."""

    rate: float
    cpu: float
    generator: float


async def pound(url: str, connections: int, seconds: float, cpu: Callable[[], float]) -> Pounded:
    """`cpu`: the server's CPU seconds so far. Raises Unavailable when an answer was not 200."""
    before = cpu()
    if shutil.which("wrk"):
        rate, share = await asyncio.to_thread(_wrk, url, connections, seconds)
    else:
        rate, share = await _own(url, connections, seconds)
    return Pounded(rate, (cpu() - before) / seconds, share)


def _wrk(url: str, connections: int, seconds: float) -> tuple[float, float]:
    whole = max(1, round(seconds))
    command = ["wrk", "-t1", f"-c{connections}", f"-d{whole}s", url]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with machine.on_cores(machine.load_cores()):
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if "Non-2xx" in text or "Socket errors" in text:
        raise Unavailable(f"wrk met errors at {url}: {text}")
    found = re.search(r"Requests/sec:\s+([\d.]+)", text)
    if found is None:
        raise Unavailable(f"wrk said something unknown: {text}")
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return float(found[1]), 100 * used / whole


async def _own(url: str, connections: int, seconds: float) -> tuple[float, float]:
    parts = urlsplit(url)
    given = {"port": parts.port, "path": parts.path, "connections": connections, "seconds": seconds}
    async with generator("pound", given) as load:
        load.begin()
        rate = float(await load.ask("go"))
        if rate < 0:
            raise Unavailable(f"not every answer of {url} was 200.")
        return rate, load.share()


def main() -> None:
    """The loop of our own. Order: "go"; answers with requests a second, -1 when something was not 200."""
    given = settings()
    while (told := order(60)) is not None:
        if told:
            say(_loop(given))


def _loop(given: dict[str, object]) -> float:
    selector = selectors.EpollSelector()
    request = f"GET {given['path']} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
    length = 0
    with contextlib.ExitStack() as stack:
        for _ in range(int(str(given["connections"]))):
            sock = stack.enter_context(socket.create_connection(("127.0.0.1", int(str(given["port"])))))
            sock.sendall(request)
            if not length:
                length = _length(sock)
                sock.sendall(request)
            sock.setblocking(False)
            selector.register(sock, selectors.EVENT_READ, [length])
        done, start = 0, time.perf_counter()
        buffer = bytearray(256 * 1024)
        while (elapsed := time.perf_counter() - start) < float(str(given["seconds"])):
            for key, _ in selector.select(0.1):
                sock = key.fileobj  # type: ignore[assignment]  # only sockets were registered
                size = sock.recv_into(buffer)
                left = key.data
                if left[0] == length and buffer[:12] != b"HTTP/1.1 200":
                    return -1.0
                if not size:
                    return -1.0
                left[0] -= size
                if left[0] <= 0:
                    left[0] = length
                    done += 1
                    sock.send(request)
        selector.close()
        return done / elapsed


def _length(sock: socket.socket) -> int:
    """Bytes of one whole answer, head and body, which are the same each time."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += sock.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    found = re.search(rb"(?i)content-length: (\d+)", head)
    size = int(found[1]) if found else 0
    rest = size - len(body)
    while rest > 0:
        rest -= len(sock.recv(min(65536, rest)))
    return len(head) + 4 + size


if __name__ == "__main__":
    main()
