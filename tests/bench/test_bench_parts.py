"""What generators and reports of `hustings bench` do, without servers."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import charts
import pytest
import report
from edge_fakes import ChunkMaker, make_init

from hustings.bench import command, joiners, peers
from hustings.bench.results import Results
from hustings.bench.stage import buckets, quantile
from hustings.edge.push import CLOCK, INIT, MEDIA, record
from hustings.edge.streams import OggWriter
from hustings.errors import UsageError

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: x\r\n\r\n"


def test_first_sound_by_push_is_a_whole_media_record() -> None:
    media = record(MEDIA, ChunkMaker("opus").next().data)
    before = HEAD + b"800\r\n" + record(INIT, make_init("opus")) + record(CLOCK, b'{"media_time":0}')
    assert not joiners.push_sound(before)
    assert not joiners.push_sound(before + media[:-1])
    assert joiners.push_sound(before + media)


def test_first_sound_of_a_stream_is_a_whole_page_that_holds_some() -> None:
    writer = OggWriter(1, "t")
    writer.init(make_init("opus"))
    headers, page = writer.opening(0), writer.encode(ChunkMaker("opus").next())
    assert not joiners.ogg_sound(HEAD + headers)
    assert not joiners.ogg_sound(HEAD + headers + page[:-1])
    assert joiners.ogg_sound(HEAD + headers + page)


def test_rows_are_medians_and_ratios_of_them(capsys: pytest.CaptureFixture[str]) -> None:
    results = Results(quiet=True)
    results.add("push", "cpu_per_listener", [30.0, 10.0, 20.0], "us")
    results.add("push", "cpu_per_listener", [40.0], "us", "icecast2")
    results.ratio("push", "cpu_per_listener", "icecast2", "r")
    results.ratio("push", "cpu_per_listener", "nginx", "none")
    assert results.value("push", "cpu_per_listener") == 20.0
    assert results.value("push", "r") == 0.5
    assert results.value("push", "none") is None
    assert capsys.readouterr().out == ""
    document = json.loads(results.text())
    assert set(document) >= {"machine", "version", "results", "versions", "notes", "load_average"}
    assert set(document["results"][0]) == {"bench", "subject", "metric", "value", "unit", "runs"}


def test_a_generator_at_its_limit_is_said() -> None:
    results = Results(quiet=True)
    results.generator("push", [20.0, 95.0])
    assert "load generator used 95 %" in results.notes[0]


def test_a_peer_that_is_not_installed_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "program", lambda name: None)
    results = Results(quiet=True)
    assert not peers.present("icecast2", ["icecast2"], results)
    assert results.notes == ["icecast2 is not installed, so nothing is beside ours: apt-get install icecast2"]
    assert not peers.present("nginx", ["icecast2"], results)
    with pytest.raises(UsageError, match="--against knows icecast2, nginx, aiortc, janus, not 'apache'"):
        peers.asked("nginx,apache")


@pytest.mark.parametrize("wrong", [{"bench": "video"}, {"bench": "push", "scale": 0.0}])
def test_wrong_usage_says_what_there_is(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=r"stage, push, join, hls, whep, page|--scale"):
        command.run(**wrong)  # type: ignore[arg-type]


def test_lateness_is_the_edge_of_its_bucket() -> None:
    text = "\n".join(
        f'hustings_stage_tick_lateness_seconds_bucket{{le="{edge}"}} {count}'
        for edge, count in (("0.001", 90), ("0.005", 99), ("+Inf", 100))
    )
    assert quantile({}, buckets(text), 0.5) == 1.0
    assert quantile({}, buckets(text), 0.99) == 5.0
    assert quantile(buckets(text), buckets(text.replace("100", "200")), 0.5) == 10.0


def test_charts_are_xml_with_every_point_and_their_numbers_in_words() -> None:
    series = [charts.Series("a", [(1, 2), (10, 40)]), charts.Series("b", [(1, 1.5)])]
    root = ElementTree.fromstring(charts.line_chart("Cost & load", "x", "% of a core", series))
    names = [each.tag.rpartition("}")[2] for each in root]
    assert names.count("circle") == 2
    assert names.count("polyline") == 2
    said = next(each.text for each in root if each.tag.endswith("desc"))
    assert said is not None
    assert "a: 2 at 1, 40 at 10" in said
    assert charts.steps(16000) == [0, 5000, 10000, 15000, 20000]
    assert charts.steps(0) == [0, 1]


def test_the_page_says_what_is_missed_and_what_was_not_measured() -> None:
    results = Results(quiet=True)
    results.add("push", "cpu_per_listener_ratio", [1.2], "x icecast2")
    results.add("push", "memory_per_listener", [2.5], "kB")
    lines = report.targets({"push": results.as_json()})
    assert any("times Icecast's | at most 1 | **1.2**" in line and "missed" in line for line in lines)
    assert any("memory" in line and "reached" in line for line in lines)
    assert any("not measured" in line for line in lines)


def test_the_page_is_made_of_the_figures_beside_it() -> None:
    """Whoever changes one by hand changes both or fails here."""
    assert report.render(json.loads(report.DATA.read_text()), write=False) == report.PAGE.read_text()
