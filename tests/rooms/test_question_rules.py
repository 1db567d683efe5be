"""Questions: the table, the bounds, and that a sheet made step by step equals one made anew."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hustings.rooms import questions as rules
from hustings.rooms.errors import RoomError, UnknownMember
from hustings.rooms.questions import (
    MAX_BY_ADDRESS,
    MAX_BY_DEVICE,
    MAX_KEPT,
    MAX_QUESTIONS,
    MAX_VOTES_BY_ADDRESS,
    PUBLIC,
    TABLE,
    Ask,
    IllegalQuestion,
    Question,
    QuestionState,
    Sheet,
    Vote,
    Why,
    count_votes,
)

AT = 1_790_000_000.0
S = QuestionState


def ask(number: int, *, device: str = "", address: str = "", text: str = "") -> Ask:
    return Ask(
        f"{number:08x}",
        text or f"Question {number}?",
        "Ada",
        device or f"d{number}",
        address or f"a{number}",
        AT + number,
    )


def filled(count: int, *, moderated: bool = False) -> Sheet:
    sheet = Sheet("b")
    for number in range(count):
        (question,), _ = sheet.ask([ask(number)], moderated=moderated)
        sheet.put(question)
    return sheet


@pytest.mark.parametrize("moderated", [False, True])
def test_a_question_is_asked(moderated: bool) -> None:
    sheet = Sheet("b")
    (question,), left_out = sheet.ask([ask(1)], moderated=moderated)
    assert question == Question(
        id="00000001",
        text="Question 1?",
        name="Ada",
        state=S.PENDING if moderated else S.OPEN,
        asked_at=AT + 1,
        changed_at=AT + 1,
        device="d1",
        address="a1",
    )
    assert not left_out
    assert len(sheet) == 0, "deciding changes nothing"
    sheet.put(question)
    assert sheet.ranked() == ([] if moderated else [question])
    assert sheet.pending() == ([question] if moderated else [])


@pytest.mark.parametrize("before", S)
@pytest.mark.parametrize("wanted", S)
def test_the_table(before: QuestionState, wanted: QuestionState) -> None:
    question = Question("q", "Why?", "", before, AT, AT)
    sheet = Sheet("b", [question])
    if before is wanted:
        assert sheet.change("q", wanted, AT + 5) is question
    elif (before, wanted) in TABLE:
        changed = sheet.change("q", wanted, AT + 5)
        assert (changed.state, changed.changed_at, changed.asked_at) == (wanted, AT + 5, AT)
        assert changed.chosen_at == (AT + 5 if wanted is S.CHOSEN else None)
        assert changed.answered_at == (AT + 5 if wanted is S.ANSWERED else None)
    else:
        with pytest.raises(IllegalQuestion) as caught:
            sheet.change("q", wanted, AT + 5)
        assert (caught.value.state, caught.value.wanted) == (before, wanted)
    assert sheet.get("q") is question


def test_what_the_table_promises() -> None:
    assert not [pair for pair in TABLE if pair[1] is S.PENDING], "nothing is pending again"
    assert all((state, S.HIDDEN) in TABLE for state in S if state is not S.HIDDEN), "all can be hidden"
    assert {wanted for state, wanted in TABLE if state is S.HIDDEN} == {S.OPEN}
    assert (S.PENDING, S.ANSWERED) not in TABLE, "nobody has heard it"


def test_an_unknown_question() -> None:
    with pytest.raises(UnknownMember):
        Sheet("b").change("q", S.OPEN, AT)
    assert not Sheet("b").may_vote("q")


@pytest.mark.parametrize("state", S)
def test_what_may_be_voted_for(state: QuestionState) -> None:
    sheet = Sheet("b", [Question("q", "Why?", "", state, AT, AT)])
    assert sheet.may_vote("q") is (state in (S.OPEN, S.CHOSEN))


def test_the_same_question_of_one_device_counts_once() -> None:
    sheet = Sheet("b")
    asks = [
        ask(1, device="d", text="Why?"),
        ask(2, device="d", text="WHY?"),
        ask(3, device="e", text="Why?"),
    ]
    new, left_out = sheet.ask(asks, moderated=False)
    assert [question.id for question in new] == ["00000001", "00000003"]
    assert left_out == Counter({Why.REPEATED: 1})
    for question in new:
        sheet.put(question)
    assert sheet.ask(asks, moderated=False) == ([], Counter({Why.REPEATED: 3}))


def test_one_device_and_one_address_have_their_bounds() -> None:
    sheet = Sheet("b")
    new, left_out = sheet.ask([ask(n, device="d") for n in range(MAX_BY_DEVICE + 3)], moderated=False)
    assert (len(new), left_out) == (MAX_BY_DEVICE, Counter({Why.LIMIT: 3}))
    new, left_out = sheet.ask([ask(n, address="a") for n in range(MAX_BY_ADDRESS + 3)], moderated=False)
    assert (len(new), left_out) == (MAX_BY_ADDRESS, Counter({Why.LIMIT: 3}))
    for question in new:
        sheet.put(question)
    assert sheet.ask([ask(999, address="a")], moderated=False)[1] == Counter({Why.LIMIT: 1})
    assert len(sheet.ask([ask(999, address="b")], moderated=False)[0]) == 1


def test_a_broadcast_has_so_many_questions_and_hiding_makes_room() -> None:
    sheet = Sheet("b")
    new, left_out = sheet.ask([ask(n) for n in range(MAX_QUESTIONS + 2)], moderated=False)
    assert (len(new), left_out) == (MAX_QUESTIONS, Counter({Why.FULL: 2}))
    for question in new:
        sheet.put(question)
    assert sheet.shown == MAX_QUESTIONS
    sheet.put(sheet.change(new[0].id, S.HIDDEN, AT))
    more, left_out = sheet.ask([ask(n) for n in (9001, 9002)], moderated=False)
    assert (len(more), left_out) == (1, Counter({Why.FULL: 1}))


def test_hidden_ones_are_bounded_too() -> None:
    sheet = Sheet(
        "b", [Question(f"{n}", f"{n}?", "", S.HIDDEN, AT, AT, device=f"d{n}") for n in range(MAX_KEPT)]
    )
    assert sheet.ask([ask(9001)], moderated=False) == ([], Counter({Why.FULL: 1}))


def test_without_an_address_there_is_no_bound_on_it() -> None:
    # Behind a proxy that does not say whom it speaks for.
    asks = [Ask(f"{n}", f"{n}?", "", f"d{n}", "", AT) for n in range(MAX_BY_ADDRESS + 5)]
    new, _ = Sheet("b").ask(asks, moderated=False)
    assert len(new) == len(asks)
    votes = [Vote("q", f"d{n}", "") for n in range(MAX_VOTES_BY_ADDRESS + 5)]
    assert count_votes(votes, set(), {})[0] == votes


def test_the_order_of_questions() -> None:
    states = [
        ("late", S.OPEN, 3, 9),
        ("early", S.OPEN, 3, 1),
        ("liked", S.OPEN, 8, 5),
        ("answered", S.ANSWERED, 99, 0),
        ("chosen", S.CHOSEN, 0, 7),
        ("pending", S.PENDING, 0, 0),
        ("hidden", S.HIDDEN, 50, 0),
    ]
    sheet = Sheet("b", [Question(i, i, "", state, AT + at, AT, votes) for i, state, votes, at in states])
    assert [question.id for question in sheet.ranked()] == ["chosen", "liked", "early", "late", "answered"]
    assert {question.state for question in sheet.ranked()} == PUBLIC
    assert [question.id for question in sheet.pending()] == ["pending"]


# --- votes ---------------------------------------------------------------------------------------


def test_votes_count_once_for_a_device_and_question() -> None:
    votes = [Vote("q", "d1", "a1"), Vote("q", "d1", "a2"), Vote("r", "d1", "a1"), Vote("q", "d2", "a2")]
    counted, left_out = count_votes(votes, {("q", "d2")}, {})
    assert counted == [votes[0], votes[2]]
    assert left_out == Counter({Why.REPEATED: 2})


def test_votes_of_one_address_for_one_question_are_bounded() -> None:
    votes = [Vote("q", f"d{n}", "a") for n in range(MAX_VOTES_BY_ADDRESS)]
    counted, left_out = count_votes(votes, set(), {("q", "a"): 5, ("r", "a"): 99})
    assert len(counted) == MAX_VOTES_BY_ADDRESS - 5
    assert left_out == Counter({Why.LIMIT: 5})


vote_lists = st.lists(
    st.builds(
        Vote,
        question_id=st.sampled_from("qr"),
        device=st.sampled_from([f"d{n}" for n in range(40)]),
        address=st.sampled_from(["", "a", "b"]),
    ),
    max_size=120,
)


@given(vote_lists, st.integers(1, 50))
def test_batches_of_any_size_come_to_the_same(votes: Sequence[Vote], size: int) -> None:
    whole, _ = count_votes(votes, set(), {})
    known: set[tuple[str, str]] = set()
    places: Counter[tuple[str, str]] = Counter()
    counted: list[Vote] = []
    for start in range(0, len(votes), size):
        some, left_out = count_votes(votes[start : start + size], known, places)
        assert len(some) + left_out.total() == len(votes[start : start + size])
        counted += some
        known |= {(vote.question_id, vote.device) for vote in some}
        places.update((vote.question_id, vote.address) for vote in some)
    assert counted == whole
    assert len({(vote.question_id, vote.device) for vote in counted}) == len(counted)
    assert all(count <= MAX_VOTES_BY_ADDRESS for (_, address), count in places.items() if address)


# --- a sheet's life ------------------------------------------------------------------------------

steps = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), st.integers(0, 40), st.integers(0, 3)),
        st.tuples(st.just("set"), st.integers(0, 40), st.sampled_from(list(S))),
        st.tuples(st.just("vote"), st.integers(0, 40), st.integers(1, 5)),
    ),
    max_size=80,
)


@given(steps, st.booleans())
def test_any_life_keeps_the_bounds_and_equals_a_fresh_sheet(steps: list, moderated: bool) -> None:  # type: ignore[type-arg]
    # Small bounds, so that they are reached.
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (
            ("MAX_QUESTIONS", 6),
            ("MAX_KEPT", 9),
            ("MAX_BY_DEVICE", 4),
            ("MAX_BY_ADDRESS", 5),
        ):
            patch.setattr(rules, name, value)
        sheet = Sheet("b")
        for verb, number, extra in steps:
            question_id = f"{number:08x}"
            if verb == "ask" and sheet.get(question_id) is None:
                new, left_out = sheet.ask(
                    [ask(number, device=f"d{extra}", address=f"a{extra // 2}")], moderated=moderated
                )
                assert len(new) + left_out.total() == 1
                for question in new:
                    sheet.put(question)
            elif verb == "set":
                try:
                    sheet.put(sheet.change(question_id, extra, AT))
                except RoomError:
                    continue
            elif verb == "vote" and sheet.may_vote(question_id):
                sheet.voted({question_id: extra})
        fresh = Sheet("b", list(sheet))
        for each in (sheet, fresh):
            assert each.shown == sum(question.state is not S.HIDDEN for question in each)
            assert len(each) <= 9
            by_device = Counter(question.device for question in each)
            assert all(count <= 4 for count in by_device.values())
        assert sheet.ranked() == fresh.ranked()
        assert sheet.pending() == fresh.pending()
        probe = [ask(900 + n, device=f"d{n}", address=f"a{n // 2}") for n in range(8)]
        assert sheet.ask(probe, moderated=moderated) == fresh.ask(probe, moderated=moderated)
