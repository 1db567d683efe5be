"""The server that runs on the data folder, if one does: its roles, by its metrics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families

from hustings.doctor.findings import Finding, ok, warning, wrong
from hustings.errors import HustingsError
from hustings.supervisor.folder import read_addresses


def running_server(data: Path) -> dict[str, str]:
    """Its addresses; empty when none is ready there."""
    try:
        return read_addresses(data)
    except HustingsError:
        return {}


def roles(data: Path, running: Mapping[str, str]) -> Iterator[Finding]:
    """Which run, which died."""
    if not running:
        yield ok("server", f"none is ready on {data}; the doors' settings are looked at instead")
        return
    url = running.get("metrics", "")
    try:
        answer = httpx.get(url, trust_env=False, timeout=5)
        answer.raise_for_status()
        samples = _samples(answer.text)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        yield wrong("server", f"its metrics at {url} cannot be read ({type(error).__name__})", "See its log.")
        return
    up = {label: value for (name, label), value in samples.items() if name == "hustings_role_up"}
    away = sorted(name for name, value in up.items() if not value)
    if away:
        yield wrong("server", f"not alive: {', '.join(away)}", "Look at their lines in the server's log.")
    alive = sorted(name for name, value in up.items() if value)
    if alive:
        yield ok("server", f"alive: {', '.join(alive)}")
    if any(value for (name, _), value in samples.items() if name == "hustings_certificate_failing"):
        todo = "The log says why (certificates); after mending it, SIGHUP to hustings serve tries at once."
        yield wrong("server", "the certificate cannot be renewed; the old one is still shown", todo)
    yield from separation(samples)
    died = {
        label: int(value)
        for (name, label), value in samples.items()
        if name == "hustings_role_restarts_total" and value
    }
    if died:
        said = ", ".join(f"{name} {count}x" for name, count in sorted(died.items()))
        yield warning("server", f"started again since the server began: {said}", "The log says why.")


def separation(samples: Mapping[tuple[str, str], float]) -> Iterator[Finding]:
    """How the roles are kept from taking each other's processor and memory."""
    cpu, memory = (samples.get(("hustings_role_cgroups", name)) for name in ("cpu", "memory"))
    if cpu is None or memory is None:
        return
    processor = "by cgroups" if cpu else "by niceness"
    bound = "by cgroups, and watched" if memory else "watched"
    yield ok("separation", f"processor {processor}, memory {bound}; the log's line 'separation' says why")
    killed = {
        label: int(value)
        for (name, label), value in samples.items()
        if name == "hustings_role_memory_kills_total" and value
    }
    if killed:
        said = ", ".join(f"{name} {count}x" for name, count in sorted(killed.items()))
        yield warning("separation", f"had too much memory: {said}", "More memory, or fewer listeners.")


def _samples(text: str) -> dict[tuple[str, str], float]:
    """Samples by metric and the role they are about. Raises ValueError."""
    found: dict[tuple[str, str], float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[sample.name, sample.labels.get("name", "")] = sample.value
    return found
