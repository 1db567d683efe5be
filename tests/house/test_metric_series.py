"""docs/metrics.md bounds how many series a server has: worked out from its own tables."""

from __future__ import annotations

import re

import pytest
from metric_labels import (
    DOCUMENT,
    exported_name,
    families,
    label_rows,
    metrics,
    most_series,
    values,
)
from prometheus_client.metrics_core import Metric

from hustings.bus import subjects


@pytest.fixture(scope="module")
def found() -> list[Metric]:
    return families()


def test_type_and_name_of_every_metric_are_as_documented(found: list[Metric]) -> None:
    exported = {exported_name(family): family.type for family in found}
    assert exported == {name: row.kind for name, row in metrics().items()}


def test_every_label_has_its_values_and_every_row_its_metric() -> None:
    documented = metrics()
    for name, row in documented.items():
        for label in row.labels:
            assert values(name, label)
    for label, of, listed in label_rows():
        assert len(set(listed)) == len(listed), label
        if label != "role":
            for pattern in of:
                fitting = [
                    name
                    for name, row in documented.items()
                    if re.fullmatch(pattern, name) and label in row.labels
                ]
                assert fitting, (label, pattern)


def test_the_bound_in_the_document_is_the_one_its_tables_make(found: list[Metric]) -> None:
    one, two, three = (most_series(edges, found) for edges in (1, 2, 3))
    assert two - one == three - two, "it grows by the same with each edge"
    said = re.search(r"At most ([0-9,]+) series, and ([0-9,]+) more for each edge", DOCUMENT.read_text())
    assert said is not None
    assert [int(each.replace(",", "")) for each in said.groups()] == [one - (two - one), two - one]


def test_a_subject_as_a_label_never_names_a_broadcast() -> None:
    patterns = values("hustings_bus_undecodable_total", "subject")
    of_one = (subjects.media("20260101T120000-abcdef", "opus"), subjects.timed("x"), subjects.returns("s"))
    shown = {subjects.family(subject) for subject in (*subjects.FIXED, *of_one)}
    assert shown == {*subjects.FIXED, "v1.media.*", "v1.timed.*", "v1.returns.*"}
    assert all(any(re.fullmatch(pattern, each) for pattern in patterns) for each in shown)
    assert len(shown) == len(subjects.FIXED) + 3
