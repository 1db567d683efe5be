"""Random commands for property tests; a small world, so that they hit one another."""

from __future__ import annotations

from hypothesis import strategies as st

from hustings.rooms import commands as c
from hustings.rooms.model import Role

IDS = ("1", "2", "3")
at = st.floats(1_790_000_000.0, 1_790_001_000.0)
number = st.sampled_from(IDS)
invitation = number.map(lambda n: f"i{n}")
participant = number.map(lambda n: f"p{n}")

answers = [
    c.SeeInvitation,
    c.AcceptInvitation,
    c.DeclineInvitation,
    c.WithdrawInvitation,
    c.ExpireInvitation,
    c.Connect,
]
command: st.SearchStrategy[c.Command] = st.one_of(
    st.builds(c.OpenDoors, st.integers(1, 10**9).map(lambda n: f"b{n}"), at),
    *[st.builds(kind, at) for kind in (c.GoLive, c.Pause, c.Resume, c.Stop, c.TakeUpAgain)],
    st.builds(
        lambda n, role, public, when, expires: c.Invite(
            f"i{n}", f"p{n}", f"N{n}", role, public, when, expires
        ),
        number,
        st.sampled_from(Role),
        st.booleans(),
        at,
        st.none() | at,
    ),
    *[st.builds(kind, invitation, at) for kind in answers],
    st.builds(c.MuteSelf, participant, st.booleans(), at),
    st.builds(c.MuteOther, participant, st.booleans(), at),
)

START = 1_790_000_000.0
opening: list[c.Command] = [
    *[c.Invite(f"i{n}", f"p{n}", f"N{n}", Role.SPEAKER, True, START) for n in ("1", "2")],
    c.OpenDoors("b0", START),
    c.Connect("i1", START),
]
"""Where most walks begin: random commands alone seldom come this far."""
walk: st.SearchStrategy[list[c.Command]] = st.builds(
    lambda begin, rest: [*begin, *rest],
    st.sampled_from([[], opening, [*opening, c.GoLive(START)], [*opening, c.MuteOther("p1", True, START)]]),
    st.lists(command, max_size=40),
)
