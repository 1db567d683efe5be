"""The invited themselves: their link, their answer, their microphone."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from hustings.rooms import commands as c
from hustings.studio import public
from hustings.studio.answers import Me, Redeemed, problems
from hustings.studio.auth import IsGuest, KnownSlug, TheStudio
from hustings.studio.devices import TheMarks
from hustings.studio.schemas import Answer, Consent, Mute, Redeem, Word

router = APIRouter(prefix="/api/rooms/{slug}")

_BODY = problems(400, 401, 404, 409, 413, 422, 503)


@router.post("/redeem", response_model=Redeemed, responses=_BODY)
async def redeem(slug: KnownSlug, body: Redeem, studio: TheStudio) -> dict[str, Any]:
    """Turns a link into a ticket, for exactly one who asks; everybody later gets 409. Marks the
    invitation as seen, never more."""
    guest, ticket = await studio.redeem(slug, body.link)
    return {"ticket": ticket, "me": public.me(studio.room(slug), guest.invitation_id)}


@router.post("/me", response_model=Me, responses=problems(401, 403, 404, 409, 503))
async def me(slug: KnownSlug, guest: IsGuest, marks: TheMarks, studio: TheStudio) -> dict[str, Any]:
    """Who the ticket's bearer is. Marks the invitation as seen, never more."""
    studio.marks.note(guest.participant_id, marks)
    return public.me(await studio.see(guest), guest.invitation_id)


@router.post("/me/answer", response_model=Me, responses=_BODY)
async def answer(slug: KnownSlug, body: Answer, guest: IsGuest, studio: TheStudio) -> dict[str, Any]:
    """Accepts or declines; may be changed until the host withdraws. Connecting by WHIP accepts, too."""
    return public.me(await studio.answer(guest, body.answer == "accepted"), guest.invitation_id)


@router.post("/me/word", response_model=Me, responses=_BODY)
async def say_word(slug: KnownSlug, body: Word, guest: IsGuest, studio: TheStudio) -> dict[str, Any]:
    """A word everybody may read beside the invitation (if it is public), and another time proposed."""
    proposed_at = body.proposed_at.timestamp() if body.proposed_at is not None else None
    command = c.SayWord(guest.invitation_id, body.word, proposed_at, studio.clock.wall())
    return public.me(await studio.execute(slug, command), guest.invitation_id)


@router.post("/me/consent", response_model=Me, responses=_BODY)
async def consent(slug: KnownSlug, body: Consent, guest: IsGuest, studio: TheStudio) -> dict[str, Any]:
    """Agrees to be recorded, or takes that back. It holds for this room's broadcasts; nothing of whoever
    has not agreed is ever written, and while he is on air the program's recording is silent."""
    return public.me(await studio.consent(guest, body.agree), guest.invitation_id)


@router.post("/participants/me/mute", response_model=Me, responses=_BODY)
async def mute_me(slug: KnownSlug, body: Mute, guest: IsGuest, studio: TheStudio) -> dict[str, Any]:
    """Mutes or unmutes oneself. Unmuting also lifts a host's mute: only the speaker opens his microphone."""
    command = c.MuteSelf(guest.participant_id, body.muted, studio.clock.wall())
    return public.me(await studio.execute(slug, command), guest.invitation_id)
