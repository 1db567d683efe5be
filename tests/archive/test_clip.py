"""Clips: any stretch is the same stretch of the whole recording, over gaps and restarts, and nothing more."""

from __future__ import annotations

import random
import shutil
import subprocess
from pathlib import Path

import av
import numpy as np
import pytest
from recording_folder import Recording, write_recording

from hustings.archive.clip import BadCut, Cut, clip_m4a, clip_opus, cut_from, is_inside, read_cut
from hustings.archive.index import write_index
from hustings.archive.model import Index
from hustings.archive.virtual import VirtualFile, program_m4a, program_opus
from hustings.audio.frame import Samples
from hustings.cmaf.timeline import CODECS, SAMPLE_RATE

CUTS = 60


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Recording, Index]:
    recording = write_recording(tmp_path_factory.mktemp("whole"), turn=1.3)
    return recording, write_index(recording.folder)


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> tuple[Recording, Index]:
    """Begun at 12 s; two chunks missing in mid-segment, restarted after 12 others."""
    missing = {63, 64, *range(100, 112)}
    data = tmp_path_factory.mktemp("broken")
    recording = write_recording(
        data, begin=12.0, turn=1.3, missing=missing, epochs=lambda seq: int(seq >= 112)
    )
    return recording, write_index(recording.folder)


def _decoded(path: Path, file: VirtualFile) -> Samples:
    path.write_bytes(file.read(0, file.size))
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray() for frame in container.decode(audio=0)]
    result: Samples = np.concatenate(frames, axis=1)[0].astype(np.float32)
    return result


def _random_cuts(index: Index, count: int = CUTS) -> list[Cut]:
    """Anywhere, of any length; the first ones at the edges."""
    chance = random.Random(11)
    starts = min(codec.segments[0].media_time for codec in index.codecs.values())
    first, last = starts // 960 * 20, index.duration // 960 * 20
    cuts = [Cut(first, last), Cut(first, first + 20), Cut(last - 20, last), Cut(first + 20, first + 3000)]
    while len(cuts) < count:
        a, b = sorted(chance.randrange(first, last + 1, 20) for _ in range(2))
        if a < b:
            cuts.append(Cut(a, b))
    return cuts


@pytest.mark.parametrize("which", ["whole", "broken"])
def test_an_opus_clip_is_the_stretch_of_the_replay_to_the_sample(
    request: pytest.FixtureRequest, tmp_path: Path, which: str
) -> None:
    recording, index = request.getfixturevalue(which)
    replay = _decoded(tmp_path / "program.opus", program_opus(recording.folder, index))
    begins = index.codecs["opus"].segments[0].media_time
    for cut in _random_cuts(index):
        clip = _decoded(tmp_path / "clip.opus", clip_opus(recording.folder, index, cut))
        stretch = replay[cut.begins - begins : cut.end - begins]
        assert len(clip) == len(stretch), cut
        assert np.array_equal(clip, stretch), (cut, np.abs(clip - stretch).max())


@pytest.mark.parametrize("which", ["whole", "broken"])
def test_an_aac_clip_is_the_stretch_of_the_replay(
    request: pytest.FixtureRequest, tmp_path: Path, which: str
) -> None:
    recording, index = request.getfixturevalue(which)
    replay = _decoded(tmp_path / "program.m4a", program_m4a(recording.folder, index))
    begins = index.codecs["aac"].segments[0].media_time
    for cut in _random_cuts(index):
        clip = _decoded(tmp_path / "clip.m4a", clip_m4a(recording.folder, index, cut))
        # The recording's first unit has silence before it in a clip, nothing in the whole: its beginning
        # (120 samples of an overlap that was never recorded) is not compared.
        late = max(0, begins + 1024 - cut.begins)
        stretch = replay[max(1024, cut.begins - begins) : max(1024, cut.end - begins)]
        clip = clip[late:]
        assert abs(len(clip) - len(stretch)) <= 1024, (cut, len(clip), len(stretch))
        count = min(len(clip), len(stretch))
        assert np.abs(clip[:count] - stretch[:count]).max(initial=0) < 1e-4, cut


@pytest.mark.skipif(shutil.which("ffprobe") is None, reason="needs ffprobe")
@pytest.mark.parametrize("which", ["whole", "broken"])
def test_ffprobe_reads_clips_without_complaint(
    request: pytest.FixtureRequest, tmp_path: Path, which: str
) -> None:
    recording, index = request.getfixturevalue(which)
    for number, cut in enumerate(_random_cuts(index, 6)[2:]):
        for name, make in ((f"{number}.opus", clip_opus), (f"{number}.m4a", clip_m4a)):
            file = make(recording.folder, index, cut)
            (tmp_path / name).write_bytes(file.read(0, file.size))
            command = ["ffprobe", "-v", "warning", "-count_frames", "-show_entries", "format=duration"]
            done = subprocess.run(
                [*command, "-of", "csv=p=0", str(tmp_path / name)], capture_output=True, text=True, check=True
            )
            assert done.stderr == ""
            if name.endswith("m4a"):
                # (FFmpeg counts an Opus file's pre-skip as part of its length, though not of its sound.)
                seconds = (cut.end - cut.begins) / SAMPLE_RATE
                assert float(done.stdout.strip()) == pytest.approx(seconds, abs=0.03)


@pytest.mark.parametrize("which", ["whole", "broken"])
def test_any_range_of_a_clip_is_the_clip(request: pytest.FixtureRequest, which: str) -> None:
    recording, index = request.getfixturevalue(which)
    chance = random.Random(5)
    for cut in _random_cuts(index, 8):
        for make in (clip_opus, clip_m4a):
            file = make(recording.folder, index, cut)
            data = file.read(0, file.size)
            assert len(data) == file.size
            for _ in range(25):
                first, end = sorted(chance.randrange(file.size + 1) for _ in range(2))
                assert file.read(first, end) == data[first:end]


def test_nothing_is_encoded_again(whole: tuple[Recording, Index]) -> None:
    """Every byte of sound in an M4A clip stands so in the segments it says it is cut from."""
    recording, index = whole
    cut = Cut(7_000, 11_000)
    file = clip_m4a(recording.folder, index, cut)
    data = file.read(0, file.size)
    sound = data[data.index(b"mdat") + 4 :]
    place = recording.folder / "program" / "aac"
    segments = b"".join((place / f"{each.number}.m4s").read_bytes() for each in cut_from(index, "aac", cut))
    assert len(sound) > 20_000
    assert sound in segments


def test_the_segments_a_clip_is_cut_from(broken: tuple[Recording, Index]) -> None:
    _, index = broken
    # What decoders have to hear before the cut (800 ms) is in an Opus file, two units in the other one.
    assert [each.number for each in cut_from(index, "opus", Cut(18_500, 19_000))] == [2, 3]
    assert [each.number for each in cut_from(index, "aac", Cut(18_500, 19_000))] == [3]
    # Nothing was written from 20 s to 22.4 s.
    assert [each.number for each in cut_from(index, "opus", Cut(21_100, 22_000))] == []
    assert cut_from(index, "aac", Cut(30_500, 31_000))[0].number == 6
    assert CODECS == ("opus", "aac")


def test_a_clip_takes_little_memory(whole: tuple[Recording, Index]) -> None:
    recording, index = whole
    for make in (clip_opus, clip_m4a):
        assert make(recording.folder, index, Cut(0, 20_000)).weight < 40_000


@pytest.mark.parametrize(
    "name",
    [
        *("", "1", "-", "0-", "-20", "00-20", "0-020", "0-30", "7-40", "0-20-40", "0-20 ", "0-20\n"),
        *("+0-20", "0-1e3", "٠-٢٠", "0-20.0", "0-" + "2" * 300 + "0"),
    ],
)
def test_what_is_no_canonical_name(name: str) -> None:
    assert read_cut(name) is None


@pytest.mark.parametrize("name", ["20-20", "40-20", "0-90020", "1000-999999980"])
def test_too_long_or_backwards_says_why(name: str) -> None:
    with pytest.raises(BadCut, match=r"seconds at most|after its beginning"):
        read_cut(name)


def test_names_and_stretches() -> None:
    cut = read_cut("12340-102340")
    assert cut == Cut(12_340, 102_340)
    assert cut is not None
    assert cut.name == "12340-102340"
    assert (cut.begins, cut.end) == (592_320, 4_912_320)


def test_inside_is_what_was_recorded(broken: tuple[Recording, Index]) -> None:
    _, index = broken
    assert is_inside(index, Cut(12_000, 32_000))
    assert is_inside(index, Cut(20_100, 21_000))
    assert not is_inside(index, Cut(11_980, 12_500))
    assert not is_inside(index, Cut(31_000, 32_020))
