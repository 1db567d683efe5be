"""Links and tickets: who may sit where, and how one gets there. Secrets leave once and are kept as hashes.

A *link* (`l_...`) works once: redeeming it gives a *ticket* (`t_...`), which its bearer shows with every
request. `Guest` is whom a ticket belongs to.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections import OrderedDict
from dataclasses import dataclass

from hustings.clock import Clock
from hustings.ids import new_id, new_secret, secret_hash
from hustings.rooms import commands as c
from hustings.rooms.model import Invitation, Role, Room
from hustings.rooms.table import InvitationState
from hustings.store.account_records import OPERATOR
from hustings.store.store import Store
from hustings.studio.problems import Unauthorized

GONE = frozenset({InvitationState.WITHDRAWN, InvitationState.EXPIRED})
_MAX_MARKED = 20_000
"""Participants whose marks are remembered; the oldest go first."""
_MAX_DEVICE = 128
ADDRESS, DEVICE = "a", "d"
"""How a mark begins: what it was made of."""


@dataclass(frozen=True, slots=True)
class Guest:
    """Whose ticket it is."""

    slug: str
    invitation_id: str
    participant_id: str


@dataclass(frozen=True, slots=True)
class Offer:
    """What a new invitation's host is shown, this once."""

    invitation_id: str
    link: str
    """The link's secret; Urls makes an address of it."""
    ticket: str


def new_ticket() -> str:
    return f"t_{new_secret()}"


def new_link() -> str:
    return f"l_{new_secret()}"


class Marks:
    """Keyed hashes that tell whether somebody banned is back, per room, with no address kept in clear.

    What a participant came with is remembered in memory, for the case that a host bans him.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._seen: OrderedDict[str, frozenset[str]] = OrderedDict()

    def of(self, slug: str, address: str, device: str) -> frozenset[str]:
        """Marks of whoever comes from `address` (IPv6: its /64) with `device`; either may be ""."""
        parts = ((ADDRESS, address), (DEVICE, device[:_MAX_DEVICE]))
        return frozenset(kind + self._hash(slug, kind, value) for kind, value in parts if value)

    def device(self, slug: str, device: str) -> str:
        """Only the device's mark."""
        return DEVICE + self._hash(slug, DEVICE, device[:_MAX_DEVICE])

    def note(self, participant_id: str, marks: frozenset[str]) -> None:
        """`participant_id` came with `marks`."""
        if not marks:
            return
        self._seen[participant_id] = marks
        self._seen.move_to_end(participant_id)
        while len(self._seen) > _MAX_MARKED:
            self._seen.popitem(last=False)

    def noted(self, participant_id: str) -> frozenset[str]:
        return self._seen.get(participant_id, frozenset())

    def _hash(self, slug: str, kind: str, value: str) -> str:
        message = "\0".join(("mark", slug, kind, value)).encode("utf-8", "surrogatepass")
        return hmac.digest(self._key, message, hashlib.sha256)[:16].hex()


class Tickets:
    """`key`: secret bytes that stay the same over restarts."""

    def __init__(self, store: Store, key: bytes, clock: Clock) -> None:
        self._store = store
        self._key = key
        self._clock = clock

    def own(self, invitation_id: str) -> str:
        """The ticket of an account's own seat: the same each time, kept nowhere."""
        digest = hmac.digest(self._key, f"own seat\0{invitation_id}".encode(), hashlib.sha256)
        return "t_" + base64.urlsafe_b64encode(digest).decode().rstrip("=")

    async def guest(self, room: Room, ticket: str) -> Guest:
        """Whom `ticket` belongs to in `room`. Raises Unauthorized."""
        found = await self._store.find_ticket(secret_hash(ticket))
        if found is None or found[0] != room.slug or found[1] not in room.invitations:
            raise Unauthorized(
                "Unknown ticket", "This link is no invitation to this room; ask for a new one."
            )
        invitation = room.invitations[found[1]]
        if invitation.state in GONE:
            banned = any(ban.participant_id == invitation.participant_id for ban in room.bans)
            gone = invitation.state.value
            says = "banned" if banned else gone
            raise Unauthorized("The invitation no longer holds", f"It is {gone}.", state=says)
        if invitation.account_id:
            await self._still_conducts(room, invitation.account_id)
        return Guest(room.slug, invitation.id, invitation.participant_id)

    async def _still_conducts(self, room: Room, account_id: str) -> None:
        """An account's own seat holds as long as the account may conduct the room: neither disabled nor
        removed, an operator or the room's owner. Raises Unauthorized."""
        role = await self._store.role_of(account_id)
        if not role or (role != OPERATOR and room.owner_id != account_id):
            raise Unauthorized(
                "The seat no longer holds", "The account it belongs to may not conduct this room any more."
            )

    async def redeem(self, slug: str, link: str) -> tuple[Guest, str]:
        """The ticket for `link`, to the first who asks. Raises store.LinkUsed, store.UnknownLink."""
        ticket = new_ticket()
        _, invitation_id = await self._store.redeem(
            secret_hash(link), secret_hash(ticket), self._clock.wall(), slug=slug
        )
        room = await self._store.room(slug)
        return Guest(slug, invitation_id, room.invitations[invitation_id].participant_id), ticket

    async def renew_link(self, invitation_id: str) -> str:
        """A new link for an invitation; the one before no longer works."""
        link = new_link()
        await self._store.new_link(invitation_id, secret_hash(link), self._clock.wall())
        return link


def own_invitation(room: Room, account_id: str) -> Invitation | None:
    """The account's own seat in `room`, if it still holds."""
    for invitation in room.invitations.values():
        if invitation.account_id == account_id and invitation.state not in GONE:
            return invitation
    return None


def invite_own(account_id: str, name: str, role: Role, at: float) -> c.Invite:
    """An account's own seat."""
    return c.Invite(new_id(), new_id(), name, role, False, at, account_id=account_id)
