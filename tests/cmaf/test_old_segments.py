"""The queue of old segments against a plain list of them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hustings.cmaf.listed import Segment
from hustings.cmaf.old_segments import OldSegments

SEQ = st.integers(0, 2**40)


@st.composite
def segments(draw: st.DrawFn) -> Segment:
    first = draw(SEQ)
    missing = draw(st.booleans())
    return Segment(
        0,
        draw(st.integers(0, 2**20)),
        -1 if missing else first,
        -1 if missing else first + draw(st.integers(0, 29)),
        draw(st.floats(0, 2e9)),
        discontinuity=draw(st.booleans()),
        gap=missing,
        duration=draw(st.integers(0, 300_000)),
        whole=0 if missing else draw(st.integers(0, 1023)),
        plain=draw(st.text("#EXT-:.\n0123456789", max_size=200)),
    )


@given(begins=st.integers(0, 2**40), steps=st.lists(st.none() | segments(), max_size=60))
def test_what_goes_in_comes_out(begins: int, steps: list[Segment | None]) -> None:
    queue, model = OldSegments(), list[Segment]()
    number = begins
    for step in steps:  # None: takes the first out
        if step is not None:
            model.append(replace(step, number=number))
            queue.append(model[-1])
            number += 1
        elif model:
            assert queue.popleft() == model.pop(0)
        assert len(queue) == len(model)
        assert bytes(queue.text).decode() == "".join(each.plain for each in model)
        assert list(queue) == [replace(each, plain="") for each in model]
        assert not model or queue.first == model[0].number


def test_there_is_nothing_outside() -> None:
    queue = OldSegments()
    queue.append(Segment(7, 0, 210, 239, 5.0))
    assert queue[0].number == 7
    for index in (-1, 1):
        with pytest.raises(IndexError):
            queue[index]
