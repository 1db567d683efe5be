"""Statements and corrections: what may be published, and that nothing is published twice."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hustings.rooms.errors import AlreadyThere, RoomError, TooMany, UnknownMember, WrongPlace
from hustings.rooms.published import (
    MAX_CORRECTION,
    MAX_PUBLISHED,
    MAX_STATEMENT,
    PublishCorrection,
    PublishStatement,
    Said,
    Subject,
    Wish,
    decide,
    said_of,
)
from hustings.rooms.record import FIRST, MAX_LINE, entry_line, moment

AT = 1_790_000_000.0
BROADCAST = "20261129T200000-a1b2c3"
SOME = Subject(lasted=1800.0)
STATEMENT = PublishStatement("s1", "Clara Weiss", "I was not asked.", AT, broadcast=BROADCAST)
CORRECTION = PublishCorrection("c1", "40 flats", "400 flats", AT, broadcast=BROADCAST, position=724)


def published(*wishes: Wish, subject: Subject = SOME) -> list[Said]:
    """What stands in the record after these, one after the other."""
    said: list[Said] = []
    for wish in wishes:
        fact = decide(said, wish, subject)
        assert fact is not None
        made = said_of(len(said) + 3, moment(fact.at), fact.kind, fact.data)
        assert made is not None
        said.append(made)
    return said


def test_what_is_published_is_what_was_wished_and_no_member_that_is_empty() -> None:
    fact = decide([], STATEMENT, SOME)
    assert fact is not None
    assert (fact.kind, fact.at) == ("statement", AT)
    assert fact.data == {
        "id": "s1",
        "who": "Clara Weiss",
        "text": "I was not asked.",
        "broadcast": BROADCAST,
    }
    fact = decide([], replace(CORRECTION, position=0), SOME)
    assert fact is not None
    assert fact.data["position"] == 0, "the very beginning is a place"
    assert "entry" not in fact.data


def test_repeating_a_wish_publishes_nothing_and_another_under_its_name_is_refused() -> None:
    said = published(STATEMENT, CORRECTION)
    assert decide(said, replace(STATEMENT, at=AT + 60), SOME) is None
    assert decide(said, CORRECTION, SOME) is None
    with pytest.raises(AlreadyThere):
        decide(said, replace(STATEMENT, text="I was asked."), SOME)
    with pytest.raises(AlreadyThere):
        decide(said, replace(CORRECTION, id="s1"), SOME)


def test_a_correction_is_of_one_thing_that_there_is() -> None:
    of_entry = PublishCorrection("c2", "x", "y", AT, entry=4)
    assert decide([], of_entry, Subject(kind="statement")) is not None
    assert decide([], of_entry, Subject(kind="ended")) is not None, "of any entry, not only of statements"
    for wish, subject, error in (
        (of_entry, Subject(), UnknownMember),
        (of_entry, Subject(kind="key"), UnknownMember),
        (replace(of_entry, broadcast=BROADCAST), SOME, WrongPlace),
        (replace(of_entry, entry=None), SOME, WrongPlace),
        (replace(of_entry, position=3), Subject(kind="statement"), WrongPlace),
        (replace(CORRECTION, position=1801), SOME, WrongPlace),
        (CORRECTION, Subject(), UnknownMember),
        (STATEMENT, Subject(), UnknownMember),
    ):
        with pytest.raises(error):
            decide([], wish, subject)


def test_a_room_has_a_bound() -> None:
    said = [Said(n, "statement", f"s{n}", moment(AT)) for n in range(MAX_PUBLISHED)]
    with pytest.raises(TooMany):
        decide(said, replace(STATEMENT, id="new"), SOME)
    assert decide(said[1:], replace(STATEMENT, id="new"), SOME) is not None


texts = st.text(st.characters(exclude_categories=("Cs", "Cc")) | st.just("\n"), min_size=1)


@settings(max_examples=300, deadline=None)
@given(texts, texts, st.booleans())
def test_whatever_fits_into_the_bounds_fits_into_a_line(one: str, other: str, statement: bool) -> None:
    wish: Wish = PublishCorrection("c" * 32, one * 99, other * 99, AT, entry=2**31)
    if statement:
        wish = PublishStatement("s" * 32, one[:80], other * 99, AT, "https://" + "x" * 492, BROADCAST)
    longest = {"text": MAX_STATEMENT, "was": MAX_CORRECTION, "now": MAX_CORRECTION}
    wish = replace(wish, **{k: getattr(wish, k)[:n] for k, n in longest.items() if hasattr(wish, k)})
    try:
        fact = decide([], wish, Subject(lasted=1.0, kind="ended"))
    except RoomError as error:
        pytest.fail(str(error))
    assert fact is not None
    line = entry_line(
        room="r" * 64, seq=2**31, prev=FIRST, at=AT, kind=fact.kind, data=fact.data, sign=lambda _: "s" * 88
    )
    assert len(line) <= MAX_LINE
