"""What commands that talk to the studio share: where it is, the token, how answers are shown."""

from __future__ import annotations

import json
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
    return StudioApi(read_addresses(folder)["studio"], operator_token(folder))


def studio_url(data: Path | None) -> str:
    """The studio's address for commands that need no token."""
    from hustings.supervisor.folder import ADDRESSES, read_addresses

    settings = read_settings()
    if data is None and (
        "studio" in settings.model_fields_set or not (settings.data / "run" / ADDRESSES).exists()
    ):
        return settings.studio
    return read_addresses(data or settings.data)["studio"]


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
