"""Addresses of the two doors, for links."""

from __future__ import annotations

from hustings.addresses import by_name
from hustings.config import Settings, host_port

_WILDCARDS = ("0.0.0.0", "::", "*")  # noqa: S104  # compared with, not bound


class Urls:
    """From the settings where they say; else from how the request reached us; else this machine."""

    def __init__(self, settings: Settings, *, studio_port: int = 0) -> None:
        """`studio_port`: the port really bound, when the settings say 0."""
        self._scheme = "https" if settings.certificate_files else "http"
        self._studio_url = settings.studio_url.rstrip("/")
        self._audience_url = settings.audience_url.rstrip("/")
        studio_host, port = host_port(settings.studio_door)
        self._studio_host = _reachable(studio_host)
        self._studio_port = port or studio_port
        audience_host, self.audience_port = host_port(settings.audience_door)
        self._audience_host = _reachable(audience_host)
        self.knows_audience = bool(self._audience_url) or audience_host not in _WILDCARDS
        """Whether the room's address is right without a request that says how this machine is reached."""

    def studio(self, request_base: str = "") -> str:
        """Base of the studio door, no slash at the end. `request_base`: scheme://host:port as asked for."""
        return (
            self._studio_url
            or request_base.rstrip("/")
            or f"{self._scheme}://{self._studio_host}:{self._studio_port}"
        )

    def audience(self, request_base: str = "") -> str:
        """Base of the audience door; by default the host that was asked for, with the audience's port."""
        if self._audience_url:
            return self._audience_url
        host = self._audience_host
        if request_base:
            authority = request_base.split("://", 1)[-1].split("/", 1)[0]
            asked, _, port = authority.rpartition(":")
            host = asked if asked and port.isdigit() else authority
        return f"{self._scheme}://{host}:{self.audience_port}"

    def room(self, slug: str, request_base: str = "") -> str:
        """The room's page for everybody."""
        return f"{self.audience(request_base)}/r/{slug}"

    def invitation(self, slug: str, ticket: str, request_base: str = "") -> str:
        """The link for the invited. The ticket is in the fragment: it reaches no server and no log."""
        return f"{self.studio(request_base)}/s/{slug}#{ticket}"

    def setup(self, secret: str, request_base: str = "") -> str:
        """Where an account is made, or got back. The secret is in the fragment, as with invitations."""
        return f"{by_name(self.studio(request_base))}/setup#{secret}"


def _reachable(host: str) -> str:
    if host in _WILDCARDS:
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host
