"""Doors, certificates and addresses: can everybody who should get in?"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from hustings.addresses import address_key
from hustings.clients.trust import only
from hustings.config import Settings, host_port
from hustings.doctor.findings import Finding, ok, warning, wrong
from hustings.errors import HustingsError
from hustings.supervisor.doors import doors
from hustings.tls.files import read_certificate

LOCAL = ("localhost", "127.0.0.1", "::1")
_SOON = 10
"""Days."""


def ports(settings: Settings, running: Mapping[str, str]) -> Iterator[Finding]:
    """Free, or, when a server runs on the folder, answered by it. `running`: its addresses."""
    if running:
        yield from _answers(running)
        return
    try:
        found = doors(settings)
    except HustingsError as error:
        what, _, todo = str(error).partition(". ")
        yield wrong("ports", what, todo or "Choose another.")
        return
    yield ok("ports", "free: " + ", ".join(f"{name} {door.address}" for name, door in found.items()))


def _answers(running: Mapping[str, str]) -> Iterator[Finding]:
    certificate = running.get("certificate")
    verify = only(Path(certificate)) if certificate else True
    for name in ("audience", "studio"):
        url = running.get(name, "")
        try:
            status = httpx.get(f"{url}/healthz", verify=verify, trust_env=False, timeout=5).status_code
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            what = f"the {name} door {url} does not answer ({type(error).__name__})"
            yield wrong("ports", what, "Look at the server's log.")
            continue
        if status == 200:
            yield ok("ports", f"the {name} door answers at {url}")
        else:
            yield wrong("ports", f"the {name} door {url} says {status}", "Look at the server's log.")


def media(settings: Settings, running: Mapping[str, str]) -> Iterator[Finding]:
    """Whether datagrams get to the media port on this machine."""
    host, port = host_port(running.get("media") or settings.media_door)
    local = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  # compared with
    family = socket.AF_INET6 if ":" in local else socket.AF_INET
    if running:
        yield _taken(family, local, port)
    else:
        yield _through(family, host, local, port)
    yield from _from_outside(settings, host)


def _taken(family: int, local: str, port: int) -> Finding:
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((local, port))
        except OSError:
            return ok("media", f"the stage holds UDP port {port}")
    return wrong("media", f"nobody holds UDP port {port}", "Look at the stage's lines in the log.")


def _through(family: int, host: str, local: str, port: int) -> Finding:
    try:
        with (
            socket.socket(family, socket.SOCK_DGRAM) as taker,
            socket.socket(family, socket.SOCK_DGRAM) as sender,
        ):
            taker.bind((host, port))
            taker.settimeout(2)
            sender.sendto(b"doctor", (local, taker.getsockname()[1]))
            if taker.recv(64) == b"doctor":
                return ok("media", f"datagrams get to UDP port {port} on this machine")
    except OSError as error:
        todo = "Choose another port with --media, or look at the firewall."
        return wrong("media", f"UDP port {port}: {error.strerror or 'nothing arrives'}", todo)
    return wrong("media", f"UDP port {port}: something else arrives", "Choose another with --media.")


def _from_outside(settings: Settings, host: str) -> Iterator[Finding]:
    """How speakers are told to reach the port."""
    for each in filter(None, (part.strip() for part in settings.public_ip.split(","))):
        try:
            ipaddress.ip_address(each)
        except ValueError:
            todo = "Give addresses, commas between, such as 203.0.113.7."
            yield wrong("media", f"HUSTINGS_PUBLIC_IP: '{each}' is no address", todo)
    own = _own_address() if host in ("0.0.0.0", "::") else host  # noqa: S104  # compared with
    if not settings.public_ip and own and ipaddress.ip_address(own.strip("[]")).is_private:
        what = f"speakers are told {own}, which only this network reaches"
        yield warning(
            "media", what, "For speakers elsewhere: HUSTINGS_PUBLIC_IP, and the UDP port forwarded."
        )


def _own_address() -> str:
    """The address this machine would use towards the world; no packet is sent."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect(("192.0.2.1", 9))
            return str(probe.getsockname()[0])
    except OSError:
        return ""


def certificates(settings: Settings, running: Mapping[str, str], now: float) -> Iterator[Finding]:
    """Whether the certificate is good, for long enough, and for the names in the links."""
    files = settings.certificate_files
    if "certificate" in running:
        files = Path(running["certificate"]), Path(running["certificate_key"])
    if files is None:
        return
    cert = files[0]
    if settings.domain and not running and not cert.exists():
        yield ok("certificate", f"none yet for {settings.domain}: the server will get one when it starts")
        return
    try:
        found = read_certificate(*files)
    except HustingsError as error:
        what, _, todo = str(error).partition(". ")
        yield wrong("certificate", what, todo or "Give another with --tls-cert.")
        return
    left = found.days_left(now)
    if found.self_signed and cert.name.startswith("tls-"):
        todo = "The log says why (certificates): does the name lead here, and is port 80 open to everybody?"
        yield wrong("certificate", "the authority's is not there yet; browsers refuse ours", todo)
    elif left <= 0:
        yield wrong("certificate", f"{cert} expired {-left:.0f} days ago", "Renew it.")
    elif left < min(_SOON, (found.not_after - found.not_before) / 86400 / 4):
        yield warning("certificate", f"{cert} ends in {left:.1f} days", "Renew it.")
    else:
        yield ok("certificate", f"{cert} is good for {left:.0f} days: {', '.join(found.names) or 'no name'}")
    for name in ("audience_url", "studio_url"):
        host = urlsplit(running.get(name) or getattr(settings, name)).hostname or ""
        if host and not found.covers(host):
            todo = "Get one for that name, or correct the address."
            yield wrong("certificate", f"is not for {host}, where links lead (HUSTINGS_{name.upper()})", todo)


def links(settings: Settings, running: Mapping[str, str]) -> Iterator[Finding]:
    """Whether links lead in, and give a page the microphone."""
    tls = bool(settings.certificate_files or running.get("certificate"))
    audience = running.get("audience_url") or settings.audience_url
    studio = running.get("studio_url") or settings.studio_url
    for name, url in (("audience", audience), ("studio", studio)):
        parts = urlsplit(url)
        if url and (parts.scheme not in ("http", "https") or not parts.hostname):
            todo = "Write it whole, such as https://talk.example.org."
            yield wrong("links", f"HUSTINGS_{name.upper()}_URL: '{url}' is no web address", todo)
            return
    host = urlsplit(studio).hostname or host_port(settings.studio_door)[0]
    secure = urlsplit(studio).scheme == "https" if studio else tls
    if not secure and host not in LOCAL:
        todo = (
            "Give --tls-cert, or HUSTINGS_STUDIO_URL=https://... with a proxy in front (docs/operating.md)."
        )
        yield wrong("links", "speakers get no microphone without https", todo)
    elif not secure:
        yield ok("links", "without https: microphones work on this machine only")
    else:
        yield ok("links", f"speakers open {studio or 'the studio door'} with https")
    if audience.startswith("http:") and secure and host not in LOCAL:
        what = "the audience's links are http: who is brought up there gets no microphone"
        yield warning("links", what, "Let HUSTINGS_AUDIENCE_URL be https as well.")


def proxies(settings: Settings, running: Mapping[str, str]) -> Iterator[Finding]:
    """Whose X-Forwarded-For is believed."""
    named = [part.strip() for part in settings.proxies.split(",") if part.strip()]
    for each in named:
        try:
            ipaddress.ip_address(address_key(each))
        except ValueError:
            try:
                ipaddress.ip_address(each)
            except ValueError:
                todo = "Give single addresses, commas between; names and networks are not understood."
                yield wrong("proxies", f"HUSTINGS_PROXIES: '{each}' is no address", todo)
    tls = bool(settings.certificate_files or running.get("certificate"))
    audience = running.get("audience_url") or settings.audience_url
    if audience.startswith("https:") and not tls and not named:
        what = "a proxy is in front, it seems, but none is named: all listeners count as one address"
        yield warning("proxies", what, "HUSTINGS_PROXIES=127.0.0.1 (the proxy's address).")
    elif named:
        yield ok("proxies", f"believed: {', '.join(named)}")
    else:
        yield ok("proxies", "none named: addresses are counted as they come")
