"""A file for downloading, made of a recording and read back by programs that are not ours."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import av
import mutagen
import numpy as np
import pytest
from PIL import Image
from recording_folder import LIVE_SINCE, Recording, write_recording

from hustings.archive.index import write_index
from hustings.archive.made import Episode, MadeKind, Order, read_made
from hustings.archive.model import Index
from hustings.audio.normalise import CEILING_DBTP, TARGET_LUFS, Meter
from hustings.audio.sound_files import KINDS
from hustings.scribe import make as make_module
from hustings.scribe.make import Task, make
from hustings.scribe.source import NothingRecorded

EPISODE = Episode(
    title="Wohnen & Mieten <live>",
    description="Über Mieten.\nZweite Zeile.",
    language="de",
    people=[("Ada Example", "host"), ("Bertolt Müller", "speaker")],
    cover="x",
)
SECONDS = 20.0


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Recording, Index]:
    recording = write_recording(tmp_path_factory.mktemp("data"), SECONDS)
    return recording, write_index(recording.folder)


@pytest.fixture(scope="module")
def cover(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("covers") / "x.webp"
    out = io.BytesIO()
    Image.new("RGB", (1600, 900), (200, 30, 30)).save(out, "WEBP")
    path.write_bytes(out.getvalue())
    return path


def task(folder: Path, kind: MadeKind, cover: Path | None = None) -> Task:
    order = Order(slug=folder.parent.name, broadcast=folder.name, kind=kind, episode=EPISODE)
    return Task(folder=str(folder), order=order, cover=str(cover or ""))


def probed(path: Path) -> dict[str, Any]:
    ffprobe = shutil.which("ffprobe")
    if ffprobe is None:
        pytest.skip("ffprobe is not installed")
    command = [ffprobe, "-v", "error", "-show_chapters", "-show_streams", "-show_format", "-of", "json"]
    answer = json.loads(subprocess.check_output([*command, str(path)]))
    assert isinstance(answer, dict)
    return answer


def sound(path: Path) -> np.ndarray[Any, np.dtype[np.float32]]:
    with av.open(str(path), "r") as source:
        resampler = av.AudioResampler("fltp", "mono", 48_000)
        parts = [out.to_ndarray()[0] for frame in source.decode(audio=0) for out in resampler.resample(frame)]
    return np.concatenate(parts)


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> MadeKind:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def made(recorded: tuple[Recording, Index], cover: Path, kind: MadeKind) -> Path:
    recording, _ = recorded
    shares: list[float] = []
    result = make(task(recording.folder, kind, cover), shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1.0)
    assert read_made(recording.folder)[kind] == result
    assert result.seconds == pytest.approx(SECONDS)
    assert result.recorded_at == pytest.approx(LIVE_SINCE)
    assert (result.chapters, result.cover) == (2, True)
    assert (recording.folder / "made" / "cover.jpg").read_bytes()[:2] == b"\xff\xd8"
    return recording.folder / "made" / result.file


def test_it_plays_as_long_as_it_was_and_says_what_it_is(made: Path, kind: MadeKind) -> None:
    found = probed(made)
    audio, pictures = found["streams"][0], [s for s in found["streams"] if s["codec_name"] == "mjpeg"]
    assert audio["codec_name"] == {"mp3": "mp3", "m4a": "aac", "flac": "flac"}[kind]
    assert (audio["sample_rate"], audio["channels"]) == ("48000", 1)
    assert float(found["format"]["duration"]) == pytest.approx(SECONDS, abs=0.1)
    assert len(pictures) == 1
    assert (pictures[0]["width"], pictures[0]["height"]) == (1400, 1400)
    tags = {name.lower(): text for name, text in found["format"]["tags"].items()}
    assert tags["title"] == EPISODE.title
    assert tags["artist"] == "Ada Example, Bertolt Müller"
    assert tags["date"] == "2026-09-21"


def test_chapters_are_where_they_were_begun(made: Path, recorded: tuple[Recording, Index]) -> None:
    _, index = recorded
    wanted = [(at / 48_000, title) for at, title in index.chapters]
    assert len(wanted) == 2
    found = [(float(c["start_time"]), c["tags"]["title"]) for c in probed(made)["chapters"]]
    assert [title for _, title in found] == [title for _, title in wanted]
    for (at, _), (right, _) in zip(found, wanted, strict=True):
        assert at == pytest.approx(right, abs=0.002)
    podcast = json.loads((made.parent / "chapters.json").read_bytes())
    assert podcast["version"] == "1.2.0"
    assert [c["startTime"] for c in podcast["chapters"]] == [pytest.approx(at) for at, _ in wanted]


def test_mutagen_reads_title_and_cover(made: Path, kind: MadeKind) -> None:
    file = mutagen.File(made)
    if kind == "mp3":
        assert str(file.tags["TIT2"]) == EPISODE.title
        cover, chapters = file.tags.getall("APIC")[0].data, file.tags.getall("CHAP")
    elif kind == "m4a":
        assert file.tags["\xa9nam"] == [EPISODE.title]
        cover, chapters = bytes(file.tags["covr"][0]), list(file.chapters)
    else:
        assert file["title"] == [EPISODE.title]
        cover, chapters = file.pictures[0].data, [key for key in file if key.endswith("name")]
    assert cover[:2] == b"\xff\xd8"
    assert len(chapters) == 2


def test_it_is_as_loud_as_podcasts_are_and_peaks_below_the_ceiling(made: Path) -> None:
    meter = Meter()
    meter.push(sound(made))
    measured = meter.finish()
    assert measured.integrated == pytest.approx(TARGET_LUFS, abs=0.3)
    assert measured.true_peak <= CEILING_DBTP


def test_what_was_said_when_stays_there(made: Path, recorded: tuple[Recording, Index]) -> None:
    """The made file and what the encoder was given differ by gain only: aligned to the sample."""
    original = recorded[0].sound
    played = sound(made)
    # Around a change of speakers, where a shift shows.
    window = slice(4 * 48_000 - 4_800, 4 * 48_000 + 4_800)
    lags = range(-400, 401)
    scores = [float(np.dot(original[window], played[window.start + lag : window.stop + lag])) for lag in lags]
    # An encoder's padding may be up to a frame in players that read no edit list; ours is read by FFmpeg.
    assert abs(lags[int(np.argmax(scores))]) <= 2


def test_a_hole_is_silence_and_the_rest_stays_in_place(tmp_path: Path) -> None:
    missing = set(range(30, 60))  # the second segment: 6 to 12 s
    recording = write_recording(tmp_path, SECONDS, missing=missing)
    write_index(recording.folder)
    make(task(recording.folder, "flac"), lambda _: None)
    played = sound(recording.folder / "made" / "program.flac")
    assert len(played) == round(SECONDS * 48_000)
    assert float(np.abs(played[7 * 48_000 : 11 * 48_000]).max()) == 0.0
    assert float(np.abs(played[13 * 48_000 : 14 * 48_000]).max()) > 0.1


def test_a_recording_that_began_late_begins_with_its_sound(tmp_path: Path) -> None:
    recording = write_recording(tmp_path, 12.0, begin=60.0)
    write_index(recording.folder)
    made = make(task(recording.folder, "flac"), lambda _: None)
    assert made.seconds == pytest.approx(12.0)
    assert made.recorded_at == pytest.approx(LIVE_SINCE + 60.0)
    chapters = json.loads((recording.folder / "made" / "chapters.json").read_bytes())["chapters"]
    assert chapters[0] == {"startTime": 0, "title": "Welcome"}


def test_an_interrupted_one_is_made_again_and_nothing_unfinished_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = write_recording(tmp_path, 6.0)
    write_index(recording.folder)

    class Stop(Exception):
        pass

    def stop(share: float) -> None:
        if share > 0.7:
            raise Stop

    with pytest.raises(Stop):
        make(task(recording.folder, "mp3"), stop)
    assert read_made(recording.folder) == {}
    # The first pass is not done again.
    monkeypatch.setattr(make_module, "Meter", None)
    made = make(task(recording.folder, "mp3"), lambda _: None)
    assert read_made(recording.folder) == {"mp3": made}
    assert not [path.name for path in (recording.folder / "made").iterdir() if path.name.endswith(".part")]


def test_a_file_that_is_shorter_than_it_should_be_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = write_recording(tmp_path, 6.0)
    write_index(recording.folder)
    monkeypatch.setattr(make_module, "duration_of", lambda _path: 3.0)
    with pytest.raises(OSError, match="not all of it"):
        make(task(recording.folder, "mp3"), lambda _: None)
    assert read_made(recording.folder) == {}


def test_nothing_recorded_is_said(tmp_path: Path) -> None:
    recording = write_recording(tmp_path, 6.0)
    shutil.rmtree(recording.folder / "program" / "opus")
    write_index(recording.folder)
    with pytest.raises(NothingRecorded):
        make(task(recording.folder, "mp3"), lambda _: None)
