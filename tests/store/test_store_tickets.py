"""Links are redeemed once, tickets are borne; neither is kept in clear."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from store_support import AT, open_store, sqlite

from hustings.rooms import commands as c
from hustings.rooms.errors import AskedAlready, UnknownMember
from hustings.rooms.model import Details, Role
from hustings.rooms.table import InvitationState, SeatState
from hustings.store.store import MAX_DUE, LinkUsed, Store, TicketTaken, UnknownLink


def invite(number: int = 1, role: Role = Role.SPEAKER, expires_at: float | None = None) -> c.Invite:
    return c.Invite(f"i{number}", f"p{number}", f"Person {number}", role, True, AT, expires_at)


async def invited(store: Store) -> None:
    await store.create_room("a", Details("A"), "", AT)
    await store.execute("a", invite(), ticket_hash="ticket", link_hash="link")


async def listening(store: Store, slug: str = "a") -> None:
    """A room that is on, where listeners ask."""
    await store.create_room(slug, Details("A"), "", AT)
    await store.execute(slug, c.OpenDoors(f"b-{slug}", AT))


async def test_exactly_one_of_500_redeems_a_link(tmp_path: Path) -> None:
    async with open_store(tmp_path) as one:
        two = Store(sqlite(tmp_path))  # another process, as far as the database can tell
        await invited(one)
        results = await asyncio.gather(
            *((one, two)[n % 2].redeem("link", f"new-{n}", AT + n) for n in range(500)),
            return_exceptions=True,
        )
        won = [n for n, result in enumerate(results) if result == ("a", "i1")]
        assert len(won) == 1
        assert sum(isinstance(result, LinkUsed) for result in results) == 499
        good = [n for n in range(500) if await one.find_ticket(f"new-{n}")]
        assert good == won, "nobody but the winner has a ticket"
        await two.close()


async def test_a_link_is_no_ticket_and_a_ticket_is_no_link(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        await invited(store)
        assert await store.find_ticket("link") is None
        assert await store.find_ticket("ticket") == ("a", "i1")
        for wrong in ("ticket", "nothing", ""):
            with pytest.raises(UnknownLink):
                await store.redeem(wrong, "new", AT)
        assert await store.find_ticket("new") is None


async def test_a_link_to_another_room_is_not_used_up(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        await invited(store)
        with pytest.raises(UnknownLink):
            await store.redeem("link", "new", AT, slug="b")
        assert await store.redeem("link", "new", AT, slug="a") == ("a", "i1")


async def test_a_new_link_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        await invited(store)
        await store.new_link("i1", "link 2", AT)
        with pytest.raises(UnknownLink):
            await store.redeem("link", "new", AT)
        assert await store.redeem("link 2", "new", AT) == ("a", "i1")
        await store.new_link("i1", "link 3", AT)
        with pytest.raises(UnknownLink):
            await store.redeem("link 2", "newer", AT)
        assert await store.redeem("link 3", "newer", AT) == ("a", "i1")
        for ticket in ("ticket", "new", "newer"):
            assert await store.find_ticket(ticket) == ("a", "i1"), "tickets stay good"
        with pytest.raises(UnknownMember):
            await store.new_link("nobody", "link 4", AT)


async def test_new_link_and_redemption_at_once(tmp_path: Path) -> None:
    """Whoever is first: afterwards the old link is dead and the new one is good."""
    async with open_store(tmp_path) as store:
        await invited(store)
        results = await asyncio.gather(
            *(store.redeem("link", f"t{n}", AT) for n in range(20)),
            store.new_link("i1", "link 2", AT),
            *(store.redeem("link", f"t{n}", AT) for n in range(20, 40)),
            return_exceptions=True,
        )
        assert all(r is None or r == ("a", "i1") or isinstance(r, LinkUsed | UnknownLink) for r in results)
        assert sum(result == ("a", "i1") for result in results) <= 1
        assert await store.redeem("link 2", "last", AT) == ("a", "i1")


async def test_a_ticket_is_added_any_number_of_times(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        await invited(store)
        await store.execute("a", invite(2))  # neither ticket nor link yet
        await asyncio.gather(*(store.add_ticket("i2", "own", AT) for _ in range(20)))
        assert await store.find_ticket("own") == ("a", "i2")
        with pytest.raises(TicketTaken):
            await store.add_ticket("i1", "own", AT)
        with pytest.raises(TicketTaken):
            await store.add_ticket("i1", "link", AT)
        with pytest.raises(UnknownMember):
            await store.add_ticket("nobody", "another", AT)


async def test_the_askers_ticket_is_good_once_brought_up(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        await listening(store)
        ask = c.AskToSpeak("q1", "p1", "Eve", AT)
        await store.execute("a", ask, ticket_hash="hers")
        _, again = await store.execute("a", ask, ticket_hash="another")
        assert again == []
        assert await store.find_ticket("hers") is None
        await store.execute("a", c.BringUp("q1", "i1", AT))
        assert await store.find_ticket("hers") == ("a", "i1")
        assert await store.find_ticket("another") is None
        with pytest.raises(AskedAlready):
            await store.execute("a", c.AskToSpeak("q2", "p1", "Eve", AT), ticket_hash="more")


async def test_a_ticket_asks_once(tmp_path: Path) -> None:
    """Not again in this room, not in another, not one somebody has by an invitation."""
    async with open_store(tmp_path) as store:
        await listening(store)
        await listening(store, "b")
        await store.execute("a", invite(9), ticket_hash="invited")
        await store.execute("a", c.AskToSpeak("q1", "p1", "Eve", AT), ticket_hash="hers")
        for slug, request, ticket in (("a", "q2", "hers"), ("b", "q1", "hers"), ("b", "q3", "invited")):
            with pytest.raises(TicketTaken):
                await store.execute(slug, c.AskToSpeak(request, "p2", "M", AT), ticket_hash=ticket)
        assert not (await store.room("b")).requests
        same = await store.execute("b", c.AskToSpeak("q1", "p1", "Eve", AT), ticket_hash="another")
        assert same[0].requests["q1"].name == "Eve", "identifiers are a room's own"


async def test_one_listener_over_several_broadcasts(tmp_path: Path) -> None:
    """Brought up, sent back, forgotten, and back again under the same identifier: every time afresh."""
    async with open_store(tmp_path) as store:
        await store.create_room("a", Details("A"), "", AT)
        for week in range(3):
            await store.execute("a", c.OpenDoors(f"b{week}", AT))
            room, _ = await store.execute("a", c.GoLive(AT))
            assert not room.requests
            assert not room.participants
            ask = c.AskToSpeak("q", "p", f"Eve {week}", AT)
            await store.execute("a", ask, ticket_hash=f"hers {week}")
            steps: list[c.Command] = [
                c.BringUp("q", f"i{week}", AT),
                c.Connect(f"i{week}", AT),
                c.MuteOther("p", True, AT),
                c.SendBack("p", AT),
                c.Stop(AT),
            ]
            for step in steps:
                room, _ = await store.execute("a", step)
                assert await store.room("a") == room
            assert room.participants["p"].name == f"Eve {week}"
            assert room.participants["p"].state is SeatState.VACANT
            assert room.invitations[f"i{week}"].state is InvitationState.WITHDRAWN


async def test_due_invitations(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        await store.create_room("a", Details("A"), "", AT)
        for number, expires in enumerate((AT + 5, AT + 1, AT + 9, None, AT + 2)):
            await store.execute("a", invite(number, expires_at=expires), link_hash=f"l{number}")
        await store.execute("a", c.AcceptInvitation("i4", AT))
        assert await store.due_invitations(AT) == []
        assert await store.due_invitations(AT + 5) == [("a", "i1"), ("a", "i0")]
        await store.execute("a", c.ExpireInvitation("i1", AT + 5))
        assert await store.due_invitations(AT + 5) == [("a", "i0")]
        for number in range(10, 12 + MAX_DUE):
            await store.execute("a", invite(number, expires_at=AT + 6))
        assert len(await store.due_invitations(AT + 99)) == MAX_DUE
