"""All settings, in one table. Each is `HUSTINGS_<NAME>` in the environment and, where it matters to a
person, an option of `hustings serve`. docs/settings.md lists them; a test compares."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Read once per process; passed on explicitly, never global."""

    model_config = SettingsConfigDict(env_prefix="HUSTINGS_", extra="ignore")

    data: Path = Field(default=Path("hustings-data"), description="Data folder.")
    audience_door: str = Field(default="0.0.0.0:8000", description="HOST:PORT of the audience door (edges).")
    studio_door: str = Field(default="0.0.0.0:8001", description="HOST:PORT of the studio door.")
    media_door: str = Field(
        default="0.0.0.0:8002", description="UDP HOST:PORT that all speakers share (stage)."
    )
    metrics_door: str = Field(
        default="127.0.0.1:8003", description="Private HOST:PORT for Prometheus metrics."
    )
    studio: str = Field(default="http://127.0.0.1:8001", description="Where commands find the studio.")
    edges: int = Field(default=0, ge=0, le=64, description="Edge processes; 0 means cores - 1, at least 1.")
    spares: bool = Field(
        default=True,
        description="Keep a process each of stage, studio, edge and scribe in reserve: back at once after a "
        "crash, for some 220 MB.",
    )
    bus: str = Field(default="", description="nats:// address of the bus; empty: `serve` starts its own.")
    public_ip: str = Field(
        default="", description="Addresses speakers reach this machine by, commas between."
    )
    turn: str = Field(
        default="",
        description="Relays for speakers whose network blocks UDP, commas between: "
        "turn:HOST:PORT?transport=udp or tcp, turns:HOST:PORT?transport=tcp.",
    )
    turn_secret: str = Field(
        default="", repr=False, description="Secret shared with them (coturn: static-auth-secret)."
    )
    relay_door: str = Field(
        default="",
        description="UDP HOST:PORT for browsers behind relays over TCP or TLS (stage); empty: the port after "
        "the media door's, where such a relay is named.",
    )
    audience_url: str = Field(default="", description="Public address of the audience door, for links.")
    studio_url: str = Field(default="", description="Public address of the studio door, for links.")
    domain: str = Field(
        default="",
        description="Host name of this server: certificates come and are renewed by themselves, doors are "
        "443 and 8443 unless named.",
    )
    http_door: str = Field(
        default="0.0.0.0:80",
        description="HOST:PORT that proves the domain and sends to https; the authority asks at port 80.",
    )
    acme_directory: str = Field(
        default="https://acme-v02.api.letsencrypt.org/directory",
        description="Authority the domain's certificates come from (ACME, RFC 8555).",
    )
    tls_cert: str = Field(
        default="", description="Certificate with its chain (PEM): both doors speak TLS, links are https."
    )
    tls_key: str = Field(
        default="", description="Its private key (PEM, no password); empty: in the certificate's file."
    )
    token: str = Field(default="", description="An operator's API token, for commands.")
    database: str = Field(
        default="", description="SQLAlchemy database URL; empty: SQLite in the data folder."
    )
    levelling: bool = Field(
        default=True, description="Level speakers towards -18 LUFS and the program to -16."
    )
    voices: int = Field(default=13, ge=1, le=64, description="How many may speak at once in a room.")
    window: int = Field(default=3600, ge=60, le=21600, description="Seconds of a broadcast kept in memory.")
    program_bitrate: int = Field(default=64_000, ge=16_000, le=256_000, description="Opus program bit/s.")
    aac_bitrate: int = Field(default=96_000, ge=32_000, le=256_000, description="AAC program bit/s.")
    listeners: int = Field(default=0, ge=0, description="Connections per edge; 0: from the descriptor limit.")
    edge_memory: int = Field(
        default=0,
        ge=0,
        le=1_000_000,
        description="Megabytes of memory an edge may use before newcomers wait; "
        "0: its share of half of what is free at the start.",
    )
    gate_key: str = Field(
        default="",
        description="Secret that signs places in the lobby and passes of the invited, the same for all edges "
        "and the studio; empty: `serve` makes one in `keys/`.",
    )
    per_address: int = Field(default=200, ge=1, description="Connections per address (IPv6: /64) and edge.")
    proxies: str = Field(
        default="",
        description="Addresses of reverse proxies before the edges, commas between: their X-Forwarded-For "
        "is believed, and connections per address are counted by it.",
    )
    webhook_private: bool = Field(
        default=False, description="Webhooks may go to private addresses and without TLS (intranets, tests)."
    )
    record_spare: str = Field(
        default="",
        description="Folder, best on another disk, in which recordings go on when the data folder fails.",
    )
    keep_days: int = Field(
        default=0,
        ge=0,
        le=36_500,
        description="Days after which every recording is deleted; rooms may say fewer; 0: no bound.",
    )
    objects: str = Field(
        default="",
        description="Store for recordings, s3://BUCKET/PREFIX or file:///FOLDER; "
        "empty: the data folder alone.",
    )
    objects_endpoint: str = Field(
        default="", description="Address of the S3-compatible server; empty: Amazon's of the region."
    )
    objects_region: str = Field(default="us-east-1", description="Region of the bucket.")
    objects_local_days: float = Field(
        default=-1,
        ge=-1,
        le=36_500,
        description="Days after its end when a recording's large files leave the data folder, if the store "
        "is known to have them; -1: never.",
    )
    audience_seconds: int = Field(
        default=60,
        ge=2,
        le=60,
        description="Seconds of sound from which on a listener counts. Less is for trying it out; it is "
        "published with the figures.",
    )
    audience_ranges: str = Field(
        default="",
        description="File with address ranges of data centres, one CIDR a line, whose listeners are "
        "counted apart.",
    )
    audience_countries: str = Field(
        default="",
        description="Database of countries (MaxMind DB format, .mmdb) by which listeners are counted by "
        "country; empty: they are not.",
    )
    log_json: bool = Field(default=False, description="Log as JSON lines instead of text.")

    @model_validator(mode="after")
    def _doors_of_a_domain(self) -> Self:
        """The ports people expect of a name; all addresses of the machine, IPv6 too where there is any."""
        if self.domain:
            everywhere = "[::]" if socket.has_dualstack_ipv6() else "0.0.0.0"  # noqa: S104
            for name, port in (("audience_door", 443), ("studio_door", 8443), ("http_door", 80)):
                if name not in self.model_fields_set:
                    setattr(self, name, f"{everywhere}:{port}")
        return self

    @property
    def certificate_files(self) -> tuple[Path, Path] | None:
        """Certificate and key of both doors; None without TLS. With a domain both are in one file."""
        if self.tls_cert:
            return Path(self.tls_cert), Path(self.tls_key or self.tls_cert)
        if self.domain:
            path = self.data / "keys" / f"tls-{self.domain}.pem"
            return path, path
        return None


def host_port(text: str) -> tuple[str, int]:
    """Splits HOST:PORT or [v6]:PORT; raises UsageError naming what is wrong."""
    from hustings.errors import UsageError

    host, _, port = text.rpartition(":")
    host = host.strip("[]")
    if not host or not port.isdigit() or not 0 <= int(port) <= 65535:
        raise UsageError(f"'{text}' is not HOST:PORT; write for example 127.0.0.1:8000.")
    return host, int(port)
