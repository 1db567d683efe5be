"""What commands that talk to the studio share: where it is, the token, how answers are shown."""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hustings.cli.settings import read_settings
from hustings.errors import UsageError

if TYPE_CHECKING:
    from hustings.clients.api import StudioApi


def studio_api(data: Path | None) -> StudioApi:
    """The studio named by `data` (--data), by HUSTINGS_STUDIO and HUSTINGS_TOKEN, or by the server
    running on the default data folder, in this order. Raises HustingsError."""
    from hustings.clients.api import StudioApi
    from hustings.store.tokens import operator_token
    from hustings.supervisor.folder import ADDRESSES, read_addresses

    settings = read_settings()
    if data is None and settings.token:
        return StudioApi(settings.studio, settings.token)
    folder = data or settings.data
    if data is None and not (folder / "run" / ADDRESSES).exists():
        raise UsageError("Which server? Give --data DIR, or set HUSTINGS_STUDIO and HUSTINGS_TOKEN.")
    addresses = read_addresses(folder)
    return StudioApi(addresses["studio"], operator_token(folder), verify=_trust(addresses))


def _trust(addresses: Mapping[str, str]) -> ssl.SSLContext | None:
    """A server with TLS has left its certificate's place; its name is seldom that of this machine."""
    from hustings.clients.trust import only

    certificate = addresses.get("certificate")
    return only(Path(certificate)) if certificate else None


def studio_address(data: Path | None) -> tuple[str, ssl.SSLContext | None]:
    """The studio's address, and whose certificate it may show, for commands that need no token."""
    from hustings.supervisor.folder import ADDRESSES, read_addresses

    settings = read_settings()
    if data is None and (
        "studio" in settings.model_fields_set or not (settings.data / "run" / ADDRESSES).exists()
    ):
        return settings.studio, None
    addresses = read_addresses(data or settings.data)
    return addresses["studio"], _trust(addresses)


def operators_token(data: Path | None) -> str:
    """The token of the server on `data`, else on the default data folder. Raises UsageError."""
    from hustings.store.tokens import operator_token

    return operator_token(data or read_settings().data)


def show(answer: Mapping[str, Any], as_json: bool, *fields: str) -> None:
    """`answer` on stdout: all of it as one JSON line, or `fields` as `name  value` lines."""
    if as_json:
        print(json.dumps(answer, ensure_ascii=False))
        return
    width = max(len(name) for name in fields)
    for name in fields:
        if name in answer:
            print(f"{name:<{width}}  {answer[name]}")
