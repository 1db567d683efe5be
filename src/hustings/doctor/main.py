"""All checks in the order they are shown."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence

from hustings.config import Settings
from hustings.doctor import folders, lists, machine, network, relays, server
from hustings.doctor.findings import Check, Finding, examine, ok


def mail() -> Iterator[Finding]:
    """Nothing can be wrong with what is not there."""
    yield ok("mail", "Hustings sends none yet; hosts pass links on themselves, webhooks can")


def checks(
    settings: Settings, running: Mapping[str, str], here: machine.Machine, time_from: str = ""
) -> Sequence[tuple[str, Check]]:
    """By subject. `time_from`: a web address to compare the clock with."""
    data = settings.data.absolute()
    return (
        ("server", lambda: server.roles(data, running)),
        ("ports", lambda: network.ports(settings, running)),
        ("media", lambda: network.media(settings, running)),
        ("relays", lambda: relays.relays(settings)),
        ("links", lambda: network.links(settings, running)),
        ("certificate", lambda: network.certificates(settings, running, time.time())),
        ("proxies", lambda: network.proxies(settings, running)),
        ("data folder", lambda: folders.folder("data folder", data, private=True)),
        ("recordings", lambda: folders.recordings(data)),
        ("spare folder", lambda: folders.spare(data, settings.record_spare)),
        ("audience", lambda: lists.audience(settings, machine.utc_now().date())),
        ("descriptors", lambda: machine.descriptors(here)),
        ("memory", lambda: machine.memory(here)),
        ("processors", lambda: machine.processors(here)),
        ("scheduling", lambda: machine.scheduling(here)),
        ("kernel", lambda: machine.kernel(here)),
        ("clock", lambda: machine.clock(here, time_from, machine.utc_now)),
        ("time zones", lambda: machine.time_zones(here)),
        ("libraries", lambda: machine.libraries(here, own_bus=not settings.bus)),
        ("mail", mail),
    )


def diagnose(settings: Settings, time_from: str = "") -> list[Finding]:
    """What there is to say about this machine and these settings. Never raises."""
    running = server.running_server(settings.data.absolute())
    return examine(checks(settings, running, machine.Machine(), time_from))
