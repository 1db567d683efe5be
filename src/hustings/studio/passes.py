"""Passes: whoever is invited or conducts goes past the line before the audience's door (docs/operating.md).

A pass is a signed token that runs out; any edge can check it by the key that edges and studio share
(HUSTINGS_GATE_KEY), without asking anybody. It says nothing about whose it is, and seats nobody.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from hustings.place_tokens import PlaceTokens
from hustings.studio.answers import Pass, problems
from hustings.studio.api_state import request_base
from hustings.studio.auth import IsConductor, IsGuest, KnownSlug, TheStudio
from hustings.studio.service import Studio
from hustings.studio.text import utc

router = APIRouter(prefix="/api/rooms/{slug}")

HOLDS = 6 * 3600.0
"""Seconds for which a pass lets in."""


@router.post("/me/pass", response_model=Pass, responses=problems(401, 403, 404, 503))
async def of_guest(slug: KnownSlug, guest: IsGuest, studio: TheStudio, request: Request) -> dict[str, Any]:
    """The audience's page for the ticket's bearer, who never waits in the lobby. Good for six hours."""
    return _pass(studio, guest.slug, request)


@router.post("/pass", response_model=Pass, responses=problems(401, 403, 404, 503))
async def of_conductor(
    slug: KnownSlug, _actor: IsConductor, studio: TheStudio, request: Request
) -> dict[str, Any]:
    """The same for hosts, cohosts and the operator."""
    return _pass(studio, slug, request)


def with_pass(studio: Studio, address: str) -> str:
    """`address` of the audience's page with a new pass; as it is where no key is shared with the edges."""
    if not address or not studio.settings.gate_key:
        return address
    until = studio.clock.wall() + HOLDS
    token = PlaceTokens(studio.settings.gate_key).write("pass", until)
    return f"{address}{'&' if '?' in address else '?'}place={token}"


def _pass(studio: Studio, slug: str, request: Request) -> dict[str, Any]:
    address = with_pass(studio, studio.urls.room(slug, request_base(request)))
    return {
        "address": address,
        "place": address.partition("place=")[2],
        "until": utc(studio.clock.wall() + HOLDS),
    }
