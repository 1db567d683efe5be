"""What Hustings writes, played by other people's players: ffmpeg, ffprobe and opusinfo.

Each must be silent at its warning level, and each chirp must come out at the very sample it was put in.
"""

from __future__ import annotations

import functools
import http.server
import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from hustings.audio.aac import AacEncoder
from hustings.audio.opus import OpusEncoder
from hustings.cmaf.adts import adts_frame
from hustings.cmaf.chunker import Chunk, Chunker, read_chunk
from hustings.cmaf.init_segment import init_segment
from hustings.cmaf.multivariant import estimated_variant, multivariant_playlist
from hustings.cmaf.ogg import OggOpusWriter
from hustings.cmaf.playlists import MediaTimeline
from hustings.cmaf.timeline import CODECS, SAMPLE_RATE, Codec

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(shutil.which("ffprobe") is None, reason="ffmpeg is not installed"),
]

SECONDS = 20
LIVE_SINCE = 1_790_000_000.0
CHIRP_SAMPLES = 4_800
type Sound = NDArray[np.float32]


def chirp() -> Sound:
    """100 ms from 300 to 3,000 Hz: has one place where it fits, to the sample."""
    time = np.arange(CHIRP_SAMPLES) / SAMPLE_RATE
    window = np.hanning(CHIRP_SAMPLES)
    sweep = np.sin(2 * np.pi * (300 * time + 0.5 * 27_000 * time**2))
    return (0.5 * window * sweep).astype(np.float32)


def starts() -> list[int]:
    """Where the chirps begin: twice a second, never at the same place of a frame."""
    return [9_000 + index * 24_000 + index * 37 for index in range(SECONDS * 2 - 1)]


def program() -> Sound:
    sound = np.zeros(SECONDS * SAMPLE_RATE, np.float32)
    for start in starts():
        sound[start : start + CHIRP_SAMPLES] += chirp()
    return sound


@dataclass
class Encoded:
    codec: Codec
    init: bytes
    config: bytes = b""
    lookahead: int = 0
    chunks: list[Chunk] = field(default_factory=list)


def encode_opus() -> Encoded:
    encoder = OpusEncoder(64_000, application="audio", fec=False)
    made = Encoded("opus", init_segment("opus", pre_skip=encoder.lookahead), lookahead=encoder.lookahead)
    chunker = Chunker("opus")
    for frame in program().reshape(-1, 960):
        made.chunks += chunker.push(encoder.encode(frame))
    encoder.close()
    return made


def encode_aac() -> Encoded:
    encoder = AacEncoder()
    config = encoder.audio_specific_config
    made = Encoded("aac", init_segment("aac", audio_specific_config=config), config=config)
    chunker = Chunker("aac")
    units = encoder.encode(program()) + encoder.flush()
    for unit in units[encoder.priming :]:
        made.chunks += chunker.push(unit)
    return made


@pytest.fixture(scope="module")
def encoded() -> dict[str, Encoded]:
    return {"opus": encode_opus(), "aac": encode_aac()}


def run(*command: str, stdin: bytes | None = None) -> bytes:
    """Its standard output; fails when it says anything at all on standard error."""
    done = subprocess.run(command, input=stdin, capture_output=True, timeout=120, check=False)
    assert done.stderr.decode() == ""
    assert done.returncode == 0
    return done.stdout


def decode(*source: str, stdin: bytes | None = None) -> Sound:
    output = ("-f", "f32le", "-c:a", "pcm_f32le", "-")
    return np.frombuffer(run("ffmpeg", "-v", "warning", *source, *output, stdin=stdin), np.float32)


def first_pts(*source: str, stdin: bytes | None = None) -> int:
    """Presentation time of the first decoded sample."""
    shown = ("-show_entries", "frame=pts", "-read_intervals", "%+#1", "-of", "csv=p=0")
    return int(run("ffprobe", "-v", "warning", *source, *shown, stdin=stdin).split()[0].strip(b",\n"))


def offsets(heard: Sound, *, begins_at: int = 0) -> set[int]:
    """By how many samples each chirp is late. `begins_at`: which program sample `heard` begins with."""
    found: set[int] = set()
    for start in starts():
        at = start - begins_at
        if at < 2_400 or at + CHIRP_SAMPLES + 2_400 > len(heard):
            continue
        piece = heard[at - 2_000 : at + CHIRP_SAMPLES + 2_000]
        score = np.correlate(piece, chirp(), "valid")
        found.add(int(score.argmax()) - 2_000)
        assert score.max() / np.sum(chirp() ** 2) > 0.9
    assert found, "no chirp to be heard"
    return found


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("first", [0, 23])
def test_a_written_file(codec: Codec, first: int, encoded: dict[str, Encoded], tmp_path: Path) -> None:
    """Init segment and chunks, from the beginning and from the middle."""
    made = encoded[codec]
    path = tmp_path / "program.mp4"
    path.write_bytes(made.init + b"".join(chunk.data for chunk in made.chunks[first:]))
    media_time = made.chunks[first].media_time
    heard = decode("-i", str(path))
    # ffmpeg drops the pre-skip and counts it as passed time; nothing else may move (docs/hls.md).
    assert first_pts("-i", str(path)) == media_time + made.lookahead
    assert offsets(heard, begins_at=media_time) == {0}
    assert len(heard) == sum(chunk.duration for chunk in made.chunks[first:]) - made.lookahead


def test_ogg_from_the_beginning_and_joined(encoded: dict[str, Encoded], tmp_path: Path) -> None:
    writer = OggOpusWriter(12345, pre_skip=encoded["opus"].lookahead, title="Two voices")
    for first in (0, 23):
        data = writer.headers(first + 2)
        for chunk in encoded["opus"].chunks[first:]:
            samples = read_chunk(chunk.data).samples
            packets = [chunk.data[at : at + size] for at, size, _ in samples]
            data += writer.page(
                packets, media_time=chunk.media_time, samples=chunk.duration, number=chunk.seq + 2
            )
        path = tmp_path / f"from{first}.ogg"
        path.write_bytes(data)
        run("ffprobe", "-v", "warning", "-show_streams", str(path))
        heard = decode("-i", str(path))
        # A joiner's 80 ms of pre-skip are dropped, of which 6.5 ms are the encoder's delay.
        begins_at = 0 if first == 0 else encoded["opus"].chunks[first].media_time + 3_840 - 312
        assert offsets(heard, begins_at=begins_at) == {0}
        assert_opusinfo(path, joined=first > 0)


def assert_opusinfo(path: Path, *, joined: bool) -> None:
    """opusinfo finds nothing but what it calls normal for live streams itself."""
    if shutil.which("opusinfo") is None:
        return
    text = subprocess.run(["opusinfo", str(path)], capture_output=True, text=True, check=False).stdout
    warnings = [line for line in text.splitlines() if "WARNING" in line]
    unusual = [line for line in warnings if "normal for live streams" not in line]
    assert unusual == (["WARNING: discontinuity in stream (1)"] if joined else [])
    assert f"Pre-skip: {3840 if joined else 312}" in text
    assert "Packet duration:   20.0ms (max),   20.0ms (avg),   20.0ms (min)" in text


def test_adts(encoded: dict[str, Encoded]) -> None:
    made = encoded["aac"]
    data = b""
    for chunk in made.chunks:
        for at, size, _ in read_chunk(chunk.data).samples:
            data += adts_frame(chunk.data[at : at + size], made.config)
    shown = run("ffprobe", "-v", "warning", "-show_streams", "-of", "flat", "pipe:0", stdin=data).decode()
    assert 'codec_name="aac"' in shown
    assert 'profile="LC"' in shown
    assert offsets(decode("-i", "pipe:0", stdin=data)) == {0}


class _Quiet(http.server.SimpleHTTPRequestHandler):
    extensions_map = {  # noqa: RUF012
        ".m3u8": "application/vnd.apple.mpegurl",
        ".mp4": "audio/mp4",
        ".m4s": "audio/mp4",
    }

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@pytest.fixture(scope="module")
def hls(encoded: dict[str, Encoded], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a folder with everything that an edge serves below hls/, after the end."""
    folder = tmp_path_factory.mktemp("hls")
    timelines: dict[str, MediaTimeline] = {}
    for codec, made in encoded.items():
        timelines[codec] = write_rendition(folder, made)
    for codec, timeline in timelines.items():
        reports = [other.report() for name, other in timelines.items() if name != codec]
        (folder / f"{codec}.m3u8").write_bytes(timeline.media_playlist(reports=reports))
    variants = [estimated_variant("aac", 96_000), estimated_variant("opus", 64_000)]
    (folder / "index.m3u8").write_bytes(multivariant_playlist(variants))
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def write_rendition(folder: Path, made: Encoded) -> MediaTimeline:
    """Every segment and part, each once it is listed."""
    timeline = MediaTimeline(made.codec)
    (folder / made.codec).mkdir()
    (folder / made.codec / "init.mp4").write_bytes(made.init)
    by_seq = {chunk.seq: chunk.data for chunk in made.chunks}
    for chunk in made.chunks:
        wall_clock = LIVE_SINCE + chunk.media_time / SAMPLE_RATE
        timeline.append(chunk.seq, 0, chunk.media_time, chunk.duration, wall_clock, len(chunk.data))
    timeline.finish()
    for number in range(timeline.last_msn + 1):
        spans = {f"{number}": timeline.segment_chunks(number)}
        spans |= {f"{number}.{part}": timeline.part_chunks(number, part) for part in range(10)}
        for name, span in spans.items():
            if span is not None:
                data = b"".join(by_seq[seq] for seq in range(span[1], span[2] + 1))
                (folder / made.codec / f"{name}.m4s").write_bytes(data)
    return timeline


@pytest.mark.parametrize("codec", CODECS)
def test_hls_in_ffmpeg(codec: Codec, hls: str, encoded: dict[str, Encoded]) -> None:
    heard = decode("-i", f"{hls}/{codec}.m3u8")
    assert offsets(heard) == {0}
    assert len(heard) == sum(chunk.duration for chunk in encoded[codec].chunks) - encoded[codec].lookahead


def test_the_multivariant_playlist_in_ffprobe(hls: str) -> None:
    shown = run("ffprobe", "-v", "warning", "-show_streams", "-of", "flat", f"{hls}/index.m3u8").decode()
    assert 'codec_name="aac"' in shown
    assert 'codec_name="opus"' in shown


@pytest.mark.parametrize("codec", CODECS)
def test_parts_and_their_segment_hold_the_same(codec: Codec, hls: str, encoded: dict[str, Encoded]) -> None:
    """RFC 8216bis 3.2; a part alone with its init segment decodes, too."""
    init = encoded[codec].init
    joined = b""
    for part in range(10):
        data = fetch(f"{hls}/{codec}/1.{part}.m4s")
        assert len(decode("-i", "pipe:0", stdin=init + data)) > 26_000
        joined += data
    assert joined == fetch(f"{hls}/{codec}/1.m4s")


def fetch(address: str) -> bytes:
    import urllib.request

    with urllib.request.urlopen(address) as answer:
        data = answer.read()
    assert isinstance(data, bytes)
    return data
