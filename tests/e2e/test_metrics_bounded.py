"""A real server's metrics after much has happened: bounded, and nothing personal in them."""

from __future__ import annotations

import contextlib
import re
import socket
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from harness import Server, serve, until
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

sys.path.insert(0, str(Path(__file__).parents[1] / "house"))
from metric_labels import LIBRARY, LIBRARY_SERIES, families, metrics, most_series, values

pytestmark = pytest.mark.e2e

SLUG, TITLE, NAME = "geheimer-plan-77", "Der geheime Plan 77", "Xaver Unverwechselbar"
AGENT, QUERY, HEADER = "StrangeAgent-4711", "gclid-81549300", "Referer-90125"
EDGES = 2


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(tmp_path_factory.mktemp("metrics"), edges=EDGES) as server:
        yield server


def read(server: Server) -> list[Sample]:
    """As Prometheus' own library for Python reads it, which refuses what is no text format."""
    text = httpx.get(server.metrics_url, trust_env=False, timeout=30).text
    return [sample for family in text_string_to_metric_families(text) for sample in family.samples]


def errors(server: Server) -> None:
    """Requests of every kind of wrong, with things in them that must not be kept."""
    headers = {
        "User-Agent": AGENT,
        "Referer": f"https://{HEADER}.example/",
        "X-Forwarded-For": "198.51.100.77",
    }
    with httpx.Client(headers=headers, trust_env=False, timeout=30, follow_redirects=False) as client:
        for door in (server.audience_url, server.studio_url):
            for n in range(40):
                client.get(f"{door}/{QUERY}/{n}/{'x' * n}?{QUERY}={n}")
            for method in ("DELETE", "PUT", "PATCH", "OPTIONS", "TRACE", "BREW"):
                client.request(method, f"{door}/r/{SLUG}?{QUERY}")
            client.get(f"{door}/static/../../{QUERY}")
            client.get(f"{door}/r/{QUERY}", headers={"Accept": "text/html"})
            client.get(f"{door}/", headers={"Authorization": f"Bearer t_{QUERY}"})
        for n in range(10):
            client.post(
                f"{server.studio_url}/api/sessions", json={"name": f"{NAME} {n}", "password": QUERY * 2}
            )
            client.post(
                f"{server.studio_url}/whip/{QUERY}-{n}", content="v=0", headers={"Authorization": QUERY}
            )
            client.post(f"{server.audience_url}/r/{SLUG}/question", json={"text": f"{NAME}?", "name": NAME})
            client.post(f"{server.audience_url}/r/{SLUG}/reaction", json={"kind": f"{QUERY}{n}"})
            client.post(
                f"{server.audience_url}/r/{SLUG}/hand", content=b"{", headers={"Origin": f"https://{QUERY}"}
            )


def garbage(server: Server) -> None:
    """What is no HTTP, at both doors, and no STUN at the speakers'."""
    for url in (server.audience_url, server.studio_url):
        parts = urlsplit(url)
        for raw in (
            b"\x16\x03\x01\x02\x00\x01",
            b"GET / HTTP/9.9\r\n\r\n",
            f"{QUERY} / HTTP/1.1\r\n\r\n".encode(),
        ):
            with (
                contextlib.suppress(OSError),
                socket.create_connection((parts.hostname, parts.port), 10) as door,
            ):
                door.sendall(raw)
                door.recv(1000)
    host, _, port = server.media.rpartition(":")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        for n in range(50):
            udp.sendto(QUERY.encode() * (n % 9 + 1), (host, int(port)))


def listeners(server: Server) -> None:
    """Some of each door, for as long as it takes to be counted."""
    kept: list[Iterator[bytes]] = []
    with contextlib.ExitStack() as stack:
        client = stack.enter_context(httpx.Client(headers={"User-Agent": AGENT}, trust_env=False, timeout=60))
        for path in ("live", "live?codec=aac", "stream.ogg", "stream.aac"):
            answer = stack.enter_context(client.stream("GET", f"{server.audience_url}/r/{SLUG}/{path}"))
            assert answer.status_code == 200
            sound = answer.iter_bytes()
            next(sound)
            kept.append(sound)  # once it is forgotten, the line is closed
        client.get(f"{server.audience_url}/r/{SLUG}/hls/index.m3u8")
        until(lambda: value(read(server), "hustings_edge_listeners", door="push") >= 2)
        until(lambda: value(read(server), "hustings_edge_listeners", door="stream") >= 2)


def value(samples: list[Sample], name: str, **labels: str) -> float:
    return sum(each.value for each in samples if each.name == name and labels.items() <= each.labels.items())


def test_series_are_bounded_and_hold_nothing_personal(server: Server) -> None:
    # All roles are there, the scribe last: what one of them brings is not new because the other was early.
    roles = {"supervisor", "stage", "studio", "scribe", *(f"edge-{n}" for n in range(EDGES))}
    until(lambda: {sample.labels.get("role") for sample in read(server)} >= roles)
    rooms = [server.room(TITLE, slug=SLUG, speakers=[NAME])]
    rooms += [server.room(f"{TITLE} {n}", slug=f"{SLUG}-{n}", speakers=[f"{NAME} {n}"]) for n in range(7)]
    for room in rooms:
        room.open()
        room.start()
    for room in rooms:
        room.wait_for_state("live", 30.0)
    until(lambda: value(read(server), "hustings_stage_live") == len(rooms))
    errors(server)
    garbage(server)
    listeners(server)
    until(lambda: value(read(server), "hustings_edge_replies_total", status="404") >= 40)
    once = read(server)
    _documented(once)
    _nothing_personal(server)
    for room in rooms:
        room.stop()
    errors(server)
    garbage(server)
    until(lambda: value(read(server), "hustings_stage_live") == 0)
    until(lambda: value(read(server), "hustings_edge_replies_total", status="404") >= 80)
    again = read(server)
    _documented(again)
    # The same once more makes no series that a first time has not made, but for ends.
    new = {_series(each) for each in again} - {_series(each) for each in once}
    assert len(new) <= 20, sorted(map(str, new))


def _series(sample: Sample) -> tuple[str, tuple[tuple[str, str], ...]]:
    return sample.name, tuple(sorted(sample.labels.items()))


def _documented(samples: list[Sample]) -> None:
    """Every series is of a documented metric, with its labels and values; not more than the bound."""
    documented = metrics()
    seen = Counter(map(_series, samples))
    assert max(seen.values()) == 1, "a series twice"
    library: Counter[str] = Counter()
    for sample in samples:
        if LIBRARY.fullmatch(sample.name):
            library[sample.labels["role"]] += 1
            continue
        name = re.sub(r"_(bucket|sum|count)$", "", sample.name)
        name = sample.name if sample.name in documented else name
        row = documented[name]
        assert sample.labels.keys() - {"le"} == {"role", *row.labels}, sample
        for label, text in sample.labels.items():
            if label != "le":
                assert any(re.fullmatch(each, text) for each in values(name, label)), (name, label, text)
    assert max(library.values()) <= LIBRARY_SERIES, library
    assert len(samples) <= most_series(EDGES, families())


def _nothing_personal(server: Server) -> None:
    text = httpx.get(server.metrics_url, trust_env=False, timeout=30).text
    tickets = [ticket for ticket in (server.token,) if ticket]
    kept = (SLUG, TITLE, NAME, AGENT, QUERY, HEADER, "198.51.100.77", "127.0.0.1", *tickets)
    for secret in kept:
        assert secret.lower() not in text.lower(), secret
    assert not re.search(r"\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}", re.sub(r" [0-9.e+-]+$", "", text, flags=re.M))
    assert not re.search(r"[^a-z](t|s|h|l)_[\w-]{20,}", text)
