"""What an edit does to a recording's timeline: properties of any cuts at all."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recording_folder import VOICES, write_recording

from hustings.archive.cut_lines import cut_events, cut_gaps, cut_levels
from hustings.archive.editing import Asked, BadEdit, Kept, check, frame_at, kept_of
from hustings.archive.index import write_index
from hustings.archive.model import Gap, Index
from hustings.cmaf.timeline import CHUNK_SAMPLES, OPUS_FRAME_SAMPLES

FRAME = OPUS_FRAME_SAMPLES
ADA, BERT = (voice.participant_id for voice in VOICES)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    folder = write_recording(tmp_path_factory.mktemp("editing"), 20.0).folder
    return write_index(folder)


@st.composite
def kept_stretches(draw: st.DrawFn) -> Kept:
    borders = draw(st.lists(st.integers(0, 30_000), min_size=2, max_size=20, unique=True).map(sorted))
    pairs = zip(borders[::2], borders[1::2], strict=False)
    return Kept(tuple((begins * FRAME, end * FRAME) for begins, end in pairs))


times = st.floats(0, 20, allow_nan=False)


@given(st.none() | times, st.none() | times, st.lists(st.tuples(times, times), max_size=6))
def test_whatever_is_asked_is_refused_or_leaves_whole_frames_in_order(
    index: Index, begins: float | None, end: float | None, cuts: list[tuple[float, float]]
) -> None:
    asked = Asked(begins=begins, ends=end, cuts=cuts)
    try:
        kept = kept_of(asked, index)
    except BadEdit:
        return
    flat = [border for stretch in kept.stretches for border in stretch]
    assert flat == sorted(set(flat))
    assert all(border % FRAME == 0 for border in flat)
    assert flat[0] >= frame_at(begins or 0.0)
    assert flat[-1] <= index.duration
    for cut_begins, cut_end in cuts:
        for frame in range(frame_at(cut_begins), frame_at(cut_end), FRAME):
            assert not kept.holds(frame)
    assert kept.samples >= 48_000


@given(kept_stretches(), st.integers(0, 30_000 * FRAME))
def test_what_is_kept_has_one_place_in_order(kept: Kept, at: int) -> None:
    placed = [kept.place(frame) for stretch in kept.stretches for frame in range(*stretch, FRAME)]
    assert placed == list(range(0, kept.samples, FRAME))
    assert 0 <= kept.place(at) <= kept.samples
    assert kept.place(at) <= kept.place(at + 1)
    if kept.holds(at):
        assert kept.place(at + 1) == kept.place(at) + 1


@given(kept_stretches(), st.integers(0, 20_000 * FRAME), st.integers(1, 10_000 * FRAME))
def test_pieces_are_what_is_left_of_a_stretch(kept: Kept, begins: int, samples: int) -> None:
    pieces = kept.pieces(begins, begins + samples)
    left = sum(max(0, min(end, begins + samples) - max(first, begins)) for first, end in kept.stretches)
    assert sum(end - start for start, end in pieces) == left
    for start, end in pieces:
        assert 0 <= start < end <= kept.samples
    assert all(before[1] < after[0] for before, after in pairwise(pieces))


@given(kept_stretches(), st.integers(0, 20_000 * FRAME), st.integers(1, 100 * FRAME))
def test_a_gap_is_declared_where_it_lies_or_not_at_all(kept: Kept, begins: int, samples: int) -> None:
    gap = Gap(begins=begins, samples=samples, packets=7, cause="lost")
    found = cut_gaps([gap], kept)
    assert sum(each.samples for each in found) == sum(b - a for a, b in kept.pieces(begins, begins + samples))
    assert sum(each.packets for each in found) in (0, 7)


@given(st.data())
def test_levels_say_how_loud_it_is_where_it_is(data: st.DataObject) -> None:
    kept = data.draw(kept_stretches())
    slots = kept.stretches[-1][1] // CHUNK_SAMPLES + 1
    loud = data.draw(st.integers(0, slots - 1))
    levels = bytearray([127]) * slots
    levels[loud] = 20
    cut = cut_levels(bytes(levels), 0, kept, gain=6.0)
    assert len(cut) == -(-kept.samples // CHUNK_SAMPLES)
    there = kept.pieces(loud * CHUNK_SAMPLES, (loud + 1) * CHUNK_SAMPLES)
    expected = {slot for a, b in there for slot in range(a // CHUNK_SAMPLES, -(-b // CHUNK_SAMPLES))}
    assert {slot for slot, level in enumerate(cut) if level == 14} == expected
    assert set(cut) <= {14, 127}


def test_a_longer_trim_is_clamped_and_said_to_change_nothing(index: Index) -> None:
    with pytest.raises(BadEdit) as error:
        check(Asked(begins=0.0, ends=30.0), index)
    assert error.value.where == "body"


def topic(at: float, title: str) -> dict[str, object]:
    return {"media_time": round(at * 48_000), "kind": "topic", "data": {"title": title}}


def test_a_chapter_cut_out_is_gone_and_what_holds_after_it_stays() -> None:
    second = 48_000
    kept = Kept(((2 * second, 4 * second), (8 * second, 10 * second)))
    events = [
        topic(0, "Welcome"),
        {"media_time": second, "kind": "speaking", "data": {"participant_id": ADA, "speaking": True}},
        {"media_time": 5 * second, "kind": "title", "data": {"title": "said in what was cut out"}},
        topic(5, "Gone"),
        {"media_time": 5 * second, "kind": "speaking", "data": {"participant_id": ADA, "speaking": False}},
        {"media_time": 6 * second, "kind": "joined", "data": {"participant_id": BERT, "name": "Bertolt M"}},
        topic(7, "Housing"),
        topic(9, "What Bertolt's plan costs"),
        topic(9.5, "An unrelated Bert"),
        {"media_time": 11 * second, "kind": "left", "data": {"participant_id": ADA}},
    ]
    found = list(cut_events(events, kept, [BERT], ["Bertolt M"], each_word=True))
    said = [(each["media_time"] / second, each["kind"], each["data"].get("title")) for each in found]
    assert said == [
        (0.0, "speaking", None),
        (0.0, "topic", "Welcome"),
        (2.0, "speaking", None),
        (2.0, "topic", "Housing"),
        (3.5, "topic", "An unrelated Bert"),
    ]
    less = [each["data"]["title"] for each in cut_events(events[-3:-1], kept, [BERT], ["Bertolt M"])]
    assert less == ["What Bertolt's plan costs", "An unrelated Bert"]
    named = [topic(9, "Bertolt M. answers")]
    assert list(cut_events(named, kept, [BERT], ["Bertolt M"])) == []


def test_a_second_must_be_left(tmp_path: Path) -> None:
    folder = write_recording(tmp_path, 4.0).folder
    index = write_index(folder)
    assert kept_of(Asked(begins=1.0, ends=2.0), index).samples == 48_000
    with pytest.raises(BadEdit):
        kept_of(Asked(begins=1.0, ends=1.98), index)


anything = st.floats(allow_nan=True, allow_infinity=True) | st.floats(-1, 25)
people = st.sampled_from([ADA, BERT, "nobody", "", "\x00", "a" * 200])


@given(
    st.none() | anything,
    st.none() | anything,
    st.lists(st.tuples(anything, anything), max_size=4),
    st.dictionaries(people, anything, max_size=3),
    st.lists(people, max_size=3),
    st.booleans(),
)
def test_whatever_is_asked_it_is_checked_or_refused_with_its_place(
    index: Index,
    begins: float | None,
    end: float | None,
    cuts: list[tuple[float, float]],
    gains: dict[str, float],
    without: list[str],
    take_down: bool,
) -> None:
    asked = Asked(begins=begins, ends=end, cuts=cuts, gains=gains, without=without, take_down=take_down)
    try:
        kept = check(asked, index)
    except BadEdit as error:
        where = error.where.partition(":")[0]
        if where not in ("body", "from", "to", "cuts", "gains", "without") or not error.detail:
            raise
        return
    assert 48_000 <= kept.samples <= index.duration
    assert not take_down or without
