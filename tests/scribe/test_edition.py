"""Editions: what is cut, mixed and copied, measured on the sound that comes out."""

from __future__ import annotations

import errno
import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import recording_folder
from recording_folder import BROADCAST, LIVE_SINCE, SLUG, VOICES, Recording, write_lines, write_recording

from hustings.archive.editing import Asked, BadEdit
from hustings.archive.everything import everything
from hustings.archive.figures import peaks, timeline
from hustings.archive.index import write_index
from hustings.archive.library import Library
from hustings.archive.model import EditedFrom, Index, read_index
from hustings.archive.orders import EditOrder
from hustings.archive.track_packets import track_packets
from hustings.archive.virtual import program_m4a, program_opus
from hustings.archive.withheld import WITHHELD_NAME, read_withheld
from hustings.audio.frame import FRAME_SAMPLES, SAMPLE_RATE, Samples
from hustings.scribe import edition
from hustings.scribe.edition import make_edition, part_folder
from hustings.scribe.source import Program
from hustings.scribe.track_sound import TrackSound

EDITION = "20261128T200000-fedcba"
ADA, BERT = VOICES
AT = 1_800_000_000.0
SECONDS = 16.0
"""Ada speaks from 0 to 4 and from 8 to 12, Bert in between."""


def order(*, levelling: bool = False, **asked: Any) -> EditOrder:
    return EditOrder(
        slug=SLUG, broadcast=BROADCAST, edition=EDITION, number=1, asked=Asked(**asked), levelling=levelling
    )


def recorded(data: Path, seconds: float = SECONDS, **more: Any) -> Recording:
    recording = write_recording(data, seconds, **more)
    write_index(recording.folder, whole=True)
    return recording


def made(data: Path, *, levelling: bool = False, **asked: Any) -> tuple[Path, Index]:
    index = make_edition(data, order(levelling=levelling, **asked), AT, lambda _share: None)
    return data / "rooms" / SLUG / EDITION, index


def sound_of(folder: Path) -> Samples:
    return np.concatenate(list(Program(folder, read_index(folder)).blocks()))


def stretch(sound: Samples, begins: float, end: float) -> Samples:
    return sound[round(begins * SAMPLE_RATE) : round(end * SAMPLE_RATE)]


def level(sound: Samples, hertz: float) -> float:
    """dB of one tone."""
    window = np.hanning(sound.shape[0])
    wave = np.exp(-2j * np.pi * hertz * np.arange(sound.shape[0]) / SAMPLE_RATE)
    return float(20 * np.log10(abs(np.dot(sound * window, wave)) / window.sum() * 2 + 1e-12))


def alike(one: Samples, other: Samples) -> float:
    return float(np.dot(one, other) / np.sqrt(np.dot(one, one) * np.dot(other, other)))


@pytest.mark.parametrize(("begins", "end"), [(1.0, 7.0), (2.51, 13.37), (0.02, 15.98), (5.004, 6.021)])
def test_trimmed_it_is_that_stretch(tmp_path: Path, begins: float, end: float) -> None:
    original = recorded(tmp_path)
    folder, index = made(tmp_path, begins=begins, ends=end)
    assert abs(index.duration - (end - begins) * SAMPLE_RATE) <= FRAME_SAMPLES
    assert index.codecs["aac"].segments[-1].end - index.duration < 1024
    first = round(begins * 50) * FRAME_SAMPLES
    before = sound_of(original.folder)[first : first + index.duration]
    after = sound_of(folder)
    assert after.shape == before.shape
    assert alike(before[480:-480], after[480:-480]) >= 0.99


@pytest.fixture
def odd_tones(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Tones that are at another phase at each frame, so that every cut breaks them."""
    odd = (replace(ADA, hertz=317.3), replace(BERT, hertz=489.7))
    monkeypatch.setattr(recording_folder, "VOICES", odd)
    recording_folder._encode.cache_clear()
    yield
    recording_folder._encode.cache_clear()


def click(sound: Samples) -> float:
    """How loud anything above 3 kHz is, dB below the tones: a click is in all of the spectrum."""
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(sound.shape[0])))
    hertz = np.fft.rfftfreq(sound.shape[0], 1 / SAMPLE_RATE)
    return float(20 * np.log10(spectrum[hertz > 3000].max() / spectrum.max()))


def test_a_cut_takes_its_time_out_and_does_not_click(tmp_path: Path, odd_tones: None) -> None:
    original = sound_of(recorded(tmp_path).folder)
    folder, index = made(tmp_path, cuts=[(1.0, 2.42), (9.5, 14.0)])
    assert index.duration == round((SECONDS - 1.42 - 4.5) * SAMPLE_RATE)
    sound = sound_of(folder)
    assert alike(stretch(sound, 0, 0.98), stretch(original, 0, 0.98)) >= 0.99
    assert alike(stretch(sound, 1.02, 8.06), stretch(original, 2.44, 9.48)) >= 0.99
    # The steepest step of these tones is 2 pi 500 / 48,000 of 0.3; a cut without fades has one of up to 0.6.
    steepest = np.abs(np.diff(original)).max()
    for joint in (1.0, 9.5 - 1.42):
        around = stretch(sound, joint - 0.05, joint + 0.05)
        assert np.abs(np.diff(around)).max() <= steepest * 1.1
        assert click(around) < -60


def test_a_cut_without_fades_is_heard_by_this_very_test(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, odd_tones: None
) -> None:
    recorded(tmp_path)
    monkeypatch.setattr("hustings.audio.splice._faded", lambda frame, **_: frame)
    folder, _ = made(tmp_path, cuts=[(1.0, 2.42)])
    assert click(stretch(sound_of(folder), 0.95, 1.05)) > -50


@pytest.mark.parametrize("levelling", [False, True])
def test_without_somebody_he_is_gone(tmp_path: Path, levelling: bool) -> None:
    original = sound_of(recorded(tmp_path).folder)
    folder, index = made(tmp_path, without=[BERT.participant_id], levelling=levelling)
    sound = sound_of(folder)
    assert index.duration == round(SECONDS * SAMPLE_RATE)
    assert level(stretch(original, 5, 7), BERT.hertz) > -15
    assert level(stretch(sound, 5, 7), BERT.hertz) < level(stretch(original, 5, 7), BERT.hertz) - 60
    assert level(stretch(sound, 1, 3), ADA.hertz) > -16
    everywhere = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    for trace in (BERT.participant_id, BERT.name, "Bertolt"):
        assert trace.encode() not in everywhere


@pytest.mark.parametrize("levelling", [False, True])
def test_louder_is_louder_by_just_that(tmp_path: Path, levelling: bool) -> None:
    recorded(tmp_path)
    places = {}
    for gain in (0.001, 6.0):
        folder, _ = made(tmp_path, gains={ADA.participant_id: gain}, levelling=levelling)
        sound = sound_of(folder)
        for second in (2, 6, 10):
            hertz = BERT.hertz if second == 6 else ADA.hertz
            places[gain, second] = level(stretch(sound, second, second + 1), hertz)
        for path in sorted(folder.rglob("*"), reverse=True):
            path.unlink() if path.is_file() else path.rmdir()
        folder.rmdir()
    assert places[6.0, 2] - places[0.001, 2] == pytest.approx(6, abs=0.2)
    assert places[6.0, 10] - places[0.001, 10] == pytest.approx(6, abs=0.2)
    assert places[6.0, 6] - places[0.001, 6] == pytest.approx(0, abs=0.2)


def test_what_was_silent_for_a_reason_stays_silent(tmp_path: Path) -> None:
    recording = write_recording(tmp_path, SECONDS)
    second = 48_000
    gaps = [{"from": 1 * second, "samples": second, "packets": 0, "cause": "off_record"}]
    write_lines(recording.folder / "program" / "gaps.jsonl", gaps)  # the tracks have sound there
    write_index(recording.folder)
    folder, index = made(tmp_path, begins=0.5, gains={ADA.participant_id: 3.0})
    sound = sound_of(folder)
    assert np.abs(stretch(sound, 0.51, 1.49)).max() < 1e-3
    assert np.abs(stretch(sound, 0.2, 0.45)).max() > 0.1
    assert [(gap.begins, gap.samples, gap.cause) for gap in index.gaps] == [
        (second // 2, second, "off_record")
    ]


def test_tracks_are_copied_and_lie_where_the_program_has_them(tmp_path: Path) -> None:
    original = recorded(tmp_path).folder
    folder, index = made(tmp_path, begins=0.5, cuts=[(3.0, 6.0)])
    for voice in VOICES:
        before = {
            packet.payload for packet in track_packets(original / f"tracks/{voice.participant_id}.0.opus")
        }
        packets = list(track_packets(folder / f"tracks/{voice.participant_id}.0.opus"))
        copied = [packet for packet in packets if packet.payload in before]
        assert len(copied) >= (SECONDS - 3.5) * 50 - 6
        assert all(packet.samples <= 960 for packet in packets)
        ends = [packet.media_time + packet.samples for packet in packets]
        assert [packet.media_time for packet in packets[1:]] == ends[:-1]
    program = sound_of(folder)
    track = TrackSound(folder / f"tracks/{ADA.participant_id}.0.opus")
    frames = [track.frame(at) for at in range(0, index.duration, FRAME_SAMPLES)]
    ada = np.concatenate([np.zeros(960) if frame is None else frame for frame in frames])
    begins, end = 4.8, 8.2  # 8.3 to 11.7 of the original: she alone, after the cut
    window = stretch(program, begins, end)
    lags = [
        alike(window, stretch(ada, begins + lag / 48_000, end + lag / 48_000)) for lag in range(-240, 241)
    ]
    assert max(lags) > 0.95
    assert abs(int(np.argmax(lags)) - 240) <= 96  # 2 ms
    (ada_index,) = [each for each in index.tracks if each.participant_id == ADA.participant_id]
    assert ada_index.name == ADA.name
    assert ada_index.begins + ada_index.samples == pytest.approx(index.duration, abs=2000)


def test_times_move_with_the_sound(tmp_path: Path) -> None:
    recorded(tmp_path)
    folder, index = made(tmp_path, begins=2.0, cuts=[(5.0, 9.0)])
    second = 48_000
    assert index.live_since == pytest.approx(LIVE_SINCE + 2.0)
    assert index.chapters == [(0, "Welcome"), (3 * second, "Housing & rents")]
    assert index.speaking == {
        ADA.participant_id: [(0, round(1.8 * second)), (3 * second, round(5.8 * second))],
        BERT.participant_id: [(2 * second, 3 * second), (6 * second, round(9.8 * second))],
    }
    drawn = json.loads(peaks(Library(tmp_path).open(folder)))
    assert len(drawn["tracks"]) == 2
    said = json.loads(timeline(Library(tmp_path).open(folder)))
    assert said["duration"] == 10.0
    gaps = [
        json.loads(line)
        for line in (folder / f"tracks/{ADA.participant_id}.0.jsonl").read_text().splitlines()
    ]
    assert gaps[0]["participant_id"] == ADA.participant_id
    said_at = index.live_since + gaps[0]["begins"] / 48_000
    assert gaps[0]["wall_clock"] == pytest.approx(said_at, abs=0.001)
    assert all("cause" in gap for gap in gaps[1:])


def test_it_says_what_it_was_made_of(tmp_path: Path) -> None:
    original = recorded(tmp_path).folder
    digest = hashlib.sha256((original / "recording.json").read_bytes()).hexdigest()
    asked: dict[str, Any] = {"begins": 1.0, "cuts": [(3.0, 4.5)], "gains": {ADA.participant_id: 2.0}}
    folder, index = made(tmp_path, **asked, without=[BERT.participant_id], take_down=True)
    assert (index.slug, index.broadcast, index.whole) == (SLUG, EDITION, True)
    assert index.edited_from == EditedFrom(
        broadcast=BROADCAST,
        origin=BROADCAST,
        sha256=digest,
        at=AT,
        number=1,
        trimmed=True,
        cuts=1,
        removed=2.5,
        gains=1,
        without=1,
        take_down=True,
    )
    assert read_index(folder) == index
    assert read_index(original).edited_from is msgspec.UNSET


def test_it_is_a_recording_like_any_other_and_hidden(tmp_path: Path) -> None:
    recorded(tmp_path)
    folder, index = made(tmp_path, begins=3.0)
    withheld = read_withheld(folder)
    assert withheld is not None
    assert withheld.why == "draft"
    library = Library(tmp_path)
    assert library.folder(SLUG) == tmp_path / "rooms" / SLUG / BROADCAST
    assert library.folder(SLUG, EDITION) is None
    (folder / WITHHELD_NAME).unlink()
    assert library.folder(SLUG, EDITION) == folder
    for file in (program_m4a(folder, index), program_opus(folder, index), everything(folder, index)):
        assert len(file.read(0, file.size)) == file.size
    again = write_index(folder, whole=True)
    assert again.codecs == index.codecs  # what the files say is what it says


@pytest.mark.parametrize("step", ["_write_lines", "_write_tracks", "_write_program", "write_index", "_sync"])
def test_killed_at_any_step_there_is_nothing_and_it_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    recorded(tmp_path, 4.0)
    real = getattr(edition, step)

    class Killed(BaseException):
        """As SIGKILL: nothing is cleaned up."""

    def stopped(*arguments: Any, **more: Any) -> None:
        real(*arguments, **more)
        raise Killed

    monkeypatch.setattr(edition, step, stopped)
    with pytest.raises(Killed):
        made(tmp_path, begins=1.0)
    assert part_folder(tmp_path, order(begins=1.0)).is_dir()
    library = Library(tmp_path)
    assert [path.name for path in library.folders(SLUG)] == [BROADCAST]
    monkeypatch.setattr(edition, step, real)
    folder, index = made(tmp_path, begins=1.0)
    assert read_index(folder) == index
    assert not part_folder(tmp_path, order(begins=1.0)).exists()
    assert made(tmp_path, begins=1.0)[1] == index  # done, and not again


def test_a_disk_that_is_full_gets_its_room_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded(tmp_path, 4.0)

    def full(*_arguments: Any, **_more: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(edition, "_write_program", full)
    with pytest.raises(OSError, match="No space left"):
        made(tmp_path, begins=1.0)
    assert [path.name for path in (tmp_path / "rooms" / SLUG).iterdir()] == [BROADCAST]


def test_holes_and_restarts_are_where_they_were(tmp_path: Path) -> None:
    recorded(tmp_path, missing=range(20, 25), epochs=lambda seq: int(seq >= 40), begin=2.0)
    folder, index = made(tmp_path, begins=4.0)
    sound = sound_of(folder)
    # Slots 20 to 24 of the original's timeline: 4 to 5 s.
    assert np.abs(stretch(sound, 0.02, 0.98)).max() < 1e-3
    assert np.abs(stretch(sound, 1.1, 1.9)).max() > 0.1
    assert (0, 48_000, "lost") in [(gap.begins, gap.samples, gap.cause) for gap in index.gaps]


def test_what_cannot_be_is_refused(tmp_path: Path) -> None:
    recorded(tmp_path, 4.0)
    with pytest.raises(BadEdit):
        made(tmp_path, begins=5.0)
    assert not (tmp_path / "rooms" / SLUG / EDITION).exists()
