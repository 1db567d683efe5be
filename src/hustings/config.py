"""All settings, in one table. Each is `HUSTINGS_<NAME>` in the environment and, where it matters to a
person, an option of `hustings serve`. docs/settings.md lists them; a test compares."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
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
    bus: str = Field(default="", description="nats:// address of the bus; empty: `serve` starts its own.")
    public_ip: str = Field(
        default="", description="Addresses speakers reach this machine by, commas between."
    )
    audience_url: str = Field(default="", description="Public address of the audience door, for links.")
    studio_url: str = Field(default="", description="Public address of the studio door, for links.")
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
    per_address: int = Field(default=200, ge=1, description="Connections per address (IPv6: /64) and edge.")
    proxies: str = Field(
        default="",
        description="Addresses of reverse proxies before the edges, commas between: their X-Forwarded-For "
        "is believed, and connections per address are counted by it.",
    )
    log_json: bool = Field(default=False, description="Log as JSON lines instead of text.")


def host_port(text: str) -> tuple[str, int]:
    """Splits HOST:PORT or [v6]:PORT; raises UsageError naming what is wrong."""
    from hustings.errors import UsageError

    host, _, port = text.rpartition(":")
    host = host.strip("[]")
    if not host or not port.isdigit() or not 0 <= int(port) <= 65535:
        raise UsageError(f"'{text}' is not HOST:PORT; write for example 127.0.0.1:8000.")
    return host, int(port)
