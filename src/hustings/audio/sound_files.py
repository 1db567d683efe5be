"""A finished program as one file: MP3, M4A (AAC-LC) or FLAC, with title, chapters and cover inside.

FFmpeg writes all of it: ID3v2.3 with CHAP, CTOC and APIC frames; MP4 with `ilst`, `covr`, Nero's `chpl` and a
QuickTime chapter track; FLAC with a picture block and, since FLAC has no chapters of its own, the comments
CHAPTER000=, CHAPTER000NAME= that players know from Ogg (wiki.xiph.org/Chapter_Extension). Memory is constant
but for the M4A's sample table (some 4 MB for two hours).
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Literal

import av
import numpy as np
from av.stream import Disposition

from hustings.audio.frame import SAMPLE_RATE, Samples

CodecError: Final = av.FFmpegError
"""What FFmpeg raises when it cannot go on; a full disk among others."""

type FileKind = Literal["mp3", "m4a", "flac"]
KINDS: Final[tuple[FileKind, ...]] = ("mp3", "m4a", "flac")
TYPES: Final[dict[FileKind, str]] = {"mp3": "audio/mpeg", "m4a": "audio/mp4", "flac": "audio/flac"}

BITRATE: Final[dict[FileKind, int]] = {"mp3": 96_000, "m4a": 96_000}
"""bit/s, mono: transparent for speech that was 64 kbit/s Opus before."""
COVER_SIDE: Final = 1400
"""Pixels; the least that podcast directories take."""
_LAYOUT: Final[dict[FileKind, tuple[str, str, str, dict[str, str]]]] = {
    # container, encoder, sample format, options
    "mp3": ("mp3", "libmp3lame", "fltp", {"id3v2_version": "3", "write_xing": "1"}),
    # As mp4 with the M4A brand: FFmpeg's own M4A kind takes no cover. faststart: plays before it is whole.
    "m4a": ("mp4", "aac", "fltp", {"movflags": "+faststart", "brand": "M4A "}),
    "flac": ("flac", "flac", "s16", {}),
}
_LOUDER: Final[dict[FileKind, float]] = {"mp3": 1 / 0.95}
"""LAME takes everything down by this much at our bitrate, unasked, and FFmpeg has no option against it."""
_MILLISECONDS: Final = Fraction(1, 1000)


@dataclass(frozen=True, slots=True)
class About:
    """What the file says of itself. `chapters`: (first sample, title), in order, from 0 on. `cover`: JPEG."""

    title: str
    artist: str = ""
    album: str = ""
    date: str = ""
    """YYYY-MM-DD."""
    comment: str = ""
    language: str = ""
    """BCP 47."""
    chapters: tuple[tuple[int, str], ...] = ()
    cover: bytes = b""


class SoundFile:
    """One file being written at `path`, `samples` long (for the last chapter's end). Close it."""

    def __init__(self, path: str, kind: FileKind, about: About, samples: int) -> None:
        container, encoder, sample_format, options = _LAYOUT[kind]
        self._kind = kind
        self._position = 0
        self._out = av.open(path, "w", format=container, options=options)
        self._out.metadata.update(_tags(kind, about, samples))
        stream = self._out.add_stream(encoder, rate=SAMPLE_RATE)
        assert isinstance(stream, av.AudioStream)
        stream.codec_context.layout = "mono"
        stream.codec_context.format = sample_format
        if kind in BITRATE:
            stream.codec_context.bit_rate = BITRATE[kind]
        if about.language and kind == "m4a" and len(about.language) == 3:
            stream.metadata["language"] = about.language
        self._stream = stream
        if kind != "flac" and about.chapters:
            self._out.set_chapters(_chapters(about.chapters, samples))
        if about.cover:
            self._put_cover(about.cover)

    def _put_cover(self, jpeg: bytes) -> None:
        width, height = jpeg_size(jpeg)
        picture = self._out.add_stream("mjpeg", rate=1)
        assert isinstance(picture, av.VideoStream)
        picture.width, picture.height, picture.pix_fmt = width, height, "yuvj420p"
        picture.disposition = Disposition.attached_pic
        packet = av.Packet(jpeg)
        packet.stream = picture
        packet.pts = packet.dts = 0
        packet.is_keyframe = True
        self._out.mux(packet)

    def write(self, samples: Samples) -> None:
        """The next samples, shape (n,), float32."""
        if not samples.shape[0]:
            return
        if self._kind == "flac":
            whole = np.clip(np.rint(samples * 32767.0), -32768, 32767).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(whole.reshape(1, -1), format="s16", layout="mono")
        else:
            louder = samples * np.float32(_LOUDER.get(self._kind, 1.0))
            planar = np.ascontiguousarray(louder, dtype=np.float32).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(planar, format="fltp", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        frame.pts = self._position
        self._position += samples.shape[0]
        self._out.mux(self._stream.encode(frame))

    def close(self) -> None:
        """Writes what is still inside and the tables; the file is whole after it."""
        self._out.mux(self._stream.encode(None))
        self._out.close()

    def abandon(self) -> None:
        """Closes the file without making it whole."""
        self._out.close()


def _tags(kind: FileKind, about: About, samples: int) -> dict[str, str]:
    tags = {
        "title": about.title,
        "artist": about.artist,
        "album": about.album,
        "date": about.date,
        "comment": about.comment,
        "genre": "Podcast" if kind == "mp3" else "",
        "language": about.language if kind != "m4a" else "",
    }
    if kind == "flac":
        for number, (at, title) in enumerate(about.chapters):
            tags[f"CHAPTER{number:03}"] = clock(min(at, samples))
            tags[f"CHAPTER{number:03}NAME"] = title
    return {name: text for name, text in tags.items() if text}


def _chapters(chapters: tuple[tuple[int, str], ...], samples: int) -> list[av.container.core.Chapter]:
    ends = [at for at, _ in chapters[1:]] + [max(samples, chapters[-1][0])]
    return [
        {
            "id": number,
            "start": at * 1000 // SAMPLE_RATE,
            "end": end * 1000 // SAMPLE_RATE,
            "time_base": _MILLISECONDS,  # type: ignore[typeddict-item]  # Fraction is what it takes
            "metadata": {"title": title},
        }
        for number, ((at, title), end) in enumerate(zip(chapters, ends, strict=True), 1)
    ]


def clock(samples: int) -> str:
    """HH:MM:SS.mmm."""
    seconds, rest = divmod(samples * 1000 // SAMPLE_RATE, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{rest:03}"


def duration_of(path: str) -> float:
    """Seconds a sound file says it plays; 0 when it does not say. Raises av.FFmpegError."""
    with av.open(path, "r") as source:
        stream = source.streams.audio[0]
        if stream.duration is not None and stream.time_base is not None:
            return float(stream.duration * stream.time_base)
        return (source.duration or 0) / 1_000_000


def cover_jpeg(picture: bytes) -> bytes:
    """`picture` (WebP, JPEG or PNG) as a square JPEG of COVER_SIDE, its middle; b"" when it is none."""
    try:
        with av.open(io.BytesIO(picture), "r") as source:
            frame = next(iter(source.decode(video=0)))
    except (av.FFmpegError, StopIteration, IndexError):
        return b""
    pixels = np.asarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8)
    side = min(pixels.shape[:2])
    top, left = (pixels.shape[0] - side) // 2, (pixels.shape[1] - side) // 2
    square = np.ascontiguousarray(pixels[top : top + side, left : left + side])
    encoder = av.CodecContext.create("mjpeg", "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width = encoder.height = COVER_SIDE
    encoder.pix_fmt = "yuvj420p"
    encoder.time_base = Fraction(1, 25)
    encoder.options = {"qmin": "4", "qmax": "6"}
    frame = av.VideoFrame.from_ndarray(square, format="rgb24")
    frame = frame.reformat(COVER_SIDE, COVER_SIDE, "yuvj420p", interpolation="BICUBIC")
    frame.pts = 0
    return b"".join(bytes(packet) for packet in (*encoder.encode(frame), *encoder.encode(None)))


def jpeg_size(jpeg: bytes) -> tuple[int, int]:
    """Width and height from the frame header (ITU-T T.81 B.2.2). Raises ValueError."""
    at = 2
    while jpeg[:2] == b"\xff\xd8" and at + 9 <= len(jpeg) and jpeg[at] == 0xFF:
        marker, length = jpeg[at + 1], int.from_bytes(jpeg[at + 2 : at + 4], "big")
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return int.from_bytes(jpeg[at + 7 : at + 9], "big"), int.from_bytes(jpeg[at + 5 : at + 7], "big")
        at += 2 + length
    raise ValueError("no JPEG")
