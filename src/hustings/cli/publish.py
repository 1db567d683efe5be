"""`hustings statement` and `hustings correct`: what a host publishes on a room for ever (docs/record.md)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from hustings.errors import UsageError

_POSITION: Final = re.compile(r"(?:([0-9]{1,2}):)?([0-9]{1,3}):([0-5][0-9])")
_FIELDS: Final = ("seq", "kind", "at", "id")

Slug = Annotated[str, typer.Argument(metavar="SLUG", help="The room.")]
Data = Annotated[
    Path | None, typer.Option("--data", metavar="DIR", help="Data folder of the server to talk to.")
]
Json = Annotated[bool, typer.Option("--json", help="Answer as one line of JSON.")]
Broadcast = Annotated[
    str, typer.Option("--broadcast", metavar="ID", help="The broadcast it is about; `last`: the last one.")
]


def statement(
    slug: Slug,
    who: Annotated[str, typer.Argument(metavar="WHO", help="Whose words they are.")],
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What is said; 2000 characters at most.")],
    link: Annotated[str, typer.Option("--link", metavar="ADDRESS", help="https, to read more.")] = "",
    broadcast: Broadcast = "",
    data: Data = None,
    json: Json = False,
) -> None:
    """Publish a statement on a room, in its public record: for ever."""
    from hustings.cli import remote

    with remote.studio_api(data) as api:
        more = _there(link=link, broadcast=_broadcast(api, slug, broadcast))
        remote.show(api.publish_statement(slug, who, text, **more), json, *_FIELDS)


def correct(
    slug: Slug,
    was: Annotated[str, typer.Option("--was", metavar="TEXT", help="What was wrong.")],
    now: Annotated[str, typer.Option("--now", metavar="TEXT", help="What is right.")],
    broadcast: Broadcast = "",
    at: Annotated[str, typer.Option("--at", metavar="MM:SS", help="Where in the broadcast.")] = "",
    entry: Annotated[
        int | None, typer.Option("--entry", metavar="N", min=0, help="An entry of the record, instead.")
    ] = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Publish a correction in a room's public record; what it corrects stays as it is."""
    if bool(broadcast) is (entry is not None):
        raise UsageError("Say what is corrected: --broadcast ID (with --at MM:SS) or --entry N.")
    from hustings.cli import remote

    with remote.studio_api(data) as api:
        of = _broadcast(api, slug, broadcast)
        more = _there(broadcast=of, position=_seconds(at), entry=entry)
        remote.show(api.publish_correction(slug, was, now, **more), json, *_FIELDS)


def _there(**members: Any) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value not in ("", None)}


def _seconds(at: str) -> int | None:
    """12:04 -> 724, 1:12:04 -> 4324. Raises UsageError."""
    if not at:
        return None
    match = _POSITION.fullmatch(at)
    if match is None:
        raise UsageError(f"--at is minutes and seconds, like 12:04, not '{at}'.")
    return int(match[1] or 0) * 3600 + int(match[2]) * 60 + int(match[3])


def _broadcast(api: Any, slug: str, broadcast: str) -> str:
    if broadcast != "last":
        return broadcast
    found = str(api.room(slug).get("broadcast_id") or "")
    if not found:
        raise UsageError(f"The room {slug} had no broadcast yet.")
    return found
