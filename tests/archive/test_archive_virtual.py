"""program.m4a and program.opus: whole files to any reader, any range of them the same bytes."""

from __future__ import annotations

import random
import shutil
import subprocess
from pathlib import Path

import av
import numpy as np
import pytest
from recording_folder import LIVE_SINCE, SLOT, Recording, write_recording

from hustings.archive.index import write_index
from hustings.archive.model import Index
from hustings.archive.playlist import entries, index_playlist, media_playlist, silence
from hustings.archive.silence import SILENT_UNIT
from hustings.archive.virtual import plain_file, program_m4a, program_opus
from hustings.audio.aac import AacEncoder
from hustings.audio.frame import Samples
from hustings.cmaf.timeline import CODECS, SAMPLE_RATE
from hustings.errors import Corrupt


def _epoch(seq: int) -> int:
    return 0 if seq < 52 else 1


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Recording, Index]:
    recording = write_recording(tmp_path_factory.mktemp("whole"))
    return recording, write_index(recording.folder)


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> tuple[Recording, Index]:
    """Restarted after chunk 39, two chunks missing in mid-segment, begun at 12 s."""
    missing = {63, 64, *range(100, 112)}
    data = tmp_path_factory.mktemp("broken")
    recording = write_recording(data, begin=12.0, missing=missing, epochs=lambda seq: int(seq >= 112))
    return recording, write_index(recording.folder)


def _decoded(path: Path) -> Samples:
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray() for frame in container.decode(audio=0)]
    sound = np.concatenate(frames, axis=1)[0]
    if sound.dtype == np.int16:
        sound = sound / np.float32(32768)
    result: Samples = sound.astype(np.float32)
    return result


def _alike(sound: Samples, original: Samples) -> float:
    count = min(len(sound), len(original))
    return float(np.corrcoef(sound[:count], original[:count])[0, 1])


@pytest.mark.parametrize("name", ["program.m4a", "program.opus"])
def test_an_independent_reader_hears_what_was_said(
    whole: tuple[Recording, Index], tmp_path: Path, name: str
) -> None:
    recording, index = whole
    make = program_m4a if name.endswith("m4a") else program_opus
    virtual = make(recording.folder, index)
    (tmp_path / name).write_bytes(virtual.read(0, virtual.size))
    sound = _decoded(tmp_path / name)
    assert abs(len(sound) - 20 * SAMPLE_RATE) <= 1024
    # The encoder's delay is inside both files: pre-skip in Opus, dropped priming in AAC.
    assert _alike(sound, recording.sound) > 0.95


@pytest.mark.parametrize("name", ["program.m4a", "program.opus"])
def test_what_is_missing_is_silence_of_its_length(
    broken: tuple[Recording, Index], tmp_path: Path, name: str
) -> None:
    recording, index = broken
    make = program_m4a if name.endswith("m4a") else program_opus
    virtual = make(recording.folder, index)
    (tmp_path / name).write_bytes(virtual.read(0, virtual.size))
    sound = _decoded(tmp_path / name)
    assert abs(len(sound) - 20 * SAMPLE_RATE) <= 1024
    original = recording.sound.copy()
    inside = slice((101 - 60) * SLOT + SLOT, (112 - 60) * SLOT - SLOT)
    assert np.abs(sound[inside]).max() < 1e-3
    original[3 * SLOT : 5 * SLOT] = 0
    original[40 * SLOT : 52 * SLOT] = 0
    after = slice(55 * SLOT, 95 * SLOT)
    assert _alike(sound[after], original[after]) > 0.95
    assert np.abs(original[after]).max() > 0.1


@pytest.mark.skipif(shutil.which("ffprobe") is None, reason="needs ffprobe")
@pytest.mark.parametrize("which", ["whole", "broken"])
def test_ffprobe_reads_both_without_complaint(
    request: pytest.FixtureRequest, tmp_path: Path, which: str
) -> None:
    recording, index = request.getfixturevalue(which)
    for name, make in (("p.m4a", program_m4a), ("p.opus", program_opus)):
        virtual = make(recording.folder, index)
        (tmp_path / name).write_bytes(virtual.read(0, virtual.size))
        command = ["ffprobe", "-v", "warning", "-count_frames", "-show_entries", "format=duration"]
        done = subprocess.run(
            [*command, "-of", "csv=p=0", str(tmp_path / name)], capture_output=True, text=True, check=True
        )
        assert done.stderr == ""
        assert float(done.stdout.strip()) == pytest.approx(20, abs=0.03)


@pytest.mark.parametrize("which", ["whole", "broken"])
def test_500_random_ranges_are_the_file(request: pytest.FixtureRequest, which: str) -> None:
    recording, index = request.getfixturevalue(which)
    chance = random.Random(5)
    track = recording.folder / index.tracks[0].file
    files = (
        program_m4a(recording.folder, index),
        program_opus(recording.folder, index),
        plain_file(recording.folder, index.tracks[0].file),
    )
    for virtual in files:
        data = virtual.read(0, virtual.size)
        assert len(data) == virtual.size
        for _ in range(500):
            first = chance.randrange(virtual.size)
            end = chance.choice((first + 1, first + chance.randrange(1, 5_000), virtual.size + 7))
            assert virtual.read(first, end) == data[first:end]
    assert files[2].read(0, files[2].size) == track.read_bytes()


def test_a_file_that_changed_is_noticed(tmp_path: Path) -> None:
    recording = write_recording(tmp_path)
    index = write_index(recording.folder)
    files = program_m4a(recording.folder, index), program_opus(recording.folder, index)
    for codec in CODECS:
        path = recording.folder / "program" / codec / "1.m4s"
        path.write_bytes(path.read_bytes()[:-40])
    for virtual in files:
        with pytest.raises(Corrupt):
            virtual.read(0, virtual.size)


def test_the_silent_unit_is_what_our_encoder_makes_of_silence() -> None:
    encoder = AacEncoder()
    units = encoder.encode(np.zeros(8 * 1024, np.float32))
    assert units[-1] == SILENT_UNIT


def test_playlists_have_no_hole(broken: tuple[Recording, Index]) -> None:
    _, index = broken
    for codec in CODECS:
        listed = entries(codec, index.codecs[codec].segments)
        end = listed[0].media_time
        for entry in listed:
            assert entry.media_time == end
            end += entry.samples
        assert [entry.name for entry in listed if entry.segment is None] != []


GOLDEN = """\
#EXTM3U
#EXT-X-VERSION:7
#EXT-X-TARGETDURATION:6
#EXT-X-PLAYLIST-TYPE:EVENT
#EXT-X-MEDIA-SEQUENCE:0
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MAP:URI="opus/init.mp4"
#EXT-X-PROGRAM-DATE-TIME:2026-09-21T14:13:32.000Z
#EXTINF:6.00000,
opus/2.m4s
#EXT-X-PROGRAM-DATE-TIME:2026-09-21T14:13:38.000Z
#EXTINF:2.00000,
opus/3.m4s
#EXT-X-PROGRAM-DATE-TIME:2026-09-21T14:13:40.000Z
#EXTINF:2.40000,
opus/silence-960000.m4s
#EXT-X-PROGRAM-DATE-TIME:2026-09-21T14:13:42.400Z
#EXTINF:1.60000,
opus/4.m4s
#EXT-X-PROGRAM-DATE-TIME:2026-09-21T14:13:44.000Z
#EXTINF:6.00000,
opus/5.m4s
#EXT-X-PROGRAM-DATE-TIME:2026-09-21T14:13:50.000Z
#EXTINF:2.00000,
opus/6.m4s
#EXT-X-ENDLIST
"""


def test_golden_playlist(broken: tuple[Recording, Index]) -> None:
    _, index = broken
    listed = entries("opus", index.codecs["opus"].segments)
    assert media_playlist("opus", listed, live_since=LIVE_SINCE, over=True).decode() == GOLDEN
    growing = media_playlist("opus", listed[:2], live_since=LIVE_SINCE, over=False).decode()
    assert growing == "".join(GOLDEN.splitlines(keepends=True)[:13])


@pytest.mark.skipif(shutil.which("ffprobe") is None, reason="needs ffprobe")
@pytest.mark.parametrize("codec", CODECS)
def test_ffprobe_plays_the_playlist(broken: tuple[Recording, Index], tmp_path: Path, codec: str) -> None:
    recording, index = broken
    shutil.copytree(recording.folder / "program" / codec, tmp_path / codec)
    listed = entries(codec, index.codecs[codec].segments)  # type: ignore[arg-type]
    for entry in listed:
        if entry.segment is None:
            (tmp_path / codec / entry.name).write_bytes(silence(codec, entry))  # type: ignore[arg-type]
    text = media_playlist(codec, listed, live_since=LIVE_SINCE, over=True)  # type: ignore[arg-type]
    (tmp_path / f"{codec}.m3u8").write_bytes(text)
    (tmp_path / "index.m3u8").write_bytes(index_playlist(index))
    done = subprocess.run(
        ["ffmpeg", "-v", "warning", "-i", str(tmp_path / f"{codec}.m3u8"), "-f", "f32le", "-ac", "1", "-"],
        capture_output=True,
        check=True,
    )
    assert done.stderr.decode() == ""
    assert abs(len(done.stdout) // 4 - 20 * SAMPLE_RATE) <= 4 * SLOT
