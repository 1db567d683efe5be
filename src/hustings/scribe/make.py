"""Makes one file of one recording; a process of its own: python -m hustings.scribe.make.

It is talked to as process.py says: its task is a `Task`, its last line {"made": ...}.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from hustings.archive.made import (
    CHAPTERS_NAME,
    COVER_NAME,
    MADE_FOLDER,
    Made,
    Order,
    made_name,
    sound_of,
)
from hustings.archive.model import Index, read_index
from hustings.archive.small import put, read_struct, settle
from hustings.audio.frame import SAMPLE_RATE, Samples
from hustings.audio.normalise import TARGET_LUFS, Leveller, Measured, Meter, gain_for
from hustings.audio.sound_files import About, CodecError, SoundFile, cover_jpeg, duration_of
from hustings.errors import Corrupt
from hustings.outreach.episode_chapters import Chapter, chapters_json
from hustings.scribe.process import FAILED, REFUSED, Teller, first_line
from hustings.scribe.source import NothingRecorded, Program

LOUDNESS_NAME = "loudness.json"
_CHAPTER_SLACK = 2 * SAMPLE_RATE
"""A first chapter that begins later than this has an untitled stretch before it."""
_TOLERANCE = 0.2
"""Seconds a file may be longer or shorter than what went in: codecs fill their last frame."""

type Progress = Callable[[float], None]


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """`folder`: of the recording; `cover`: the room's picture, "" for none."""

    folder: str
    order: Order
    cover: str = ""


class _Loudness(msgspec.Struct, frozen=True, kw_only=True):
    """What the first pass found in exactly this sound."""

    sound: str
    lufs: float
    true_peak: float
    gain: float


def make(task: Task, progress: Progress) -> Made:
    """Makes the file; repeating it makes it anew. Raises NothingRecorded, Corrupt, OSError."""
    folder = Path(task.folder)
    made_folder = folder / MADE_FOLDER
    made_folder.mkdir(exist_ok=True)
    index = read_index(folder)
    program = Program(folder, index)
    loudness = _loudness(made_folder, program, index, lambda share: progress(share * 0.4))
    about = _about(task, program, index)
    kind = task.order.kind
    aside = made_folder / f".{made_name(kind)}.part"
    try:
        _write(aside, task, program, loudness, about, lambda share: progress(0.4 + share * 0.6))
    except BaseException:
        aside.unlink(missing_ok=True)  # a disk that is full needs the room
        raise
    made = Made(
        kind=kind,
        bytes=aside.stat().st_size,
        seconds=round(program.samples / SAMPLE_RATE, 3),
        sha256=_synced_hash(aside),
        recorded_at=index.live_since + program.begins / SAMPLE_RATE,
        made_at=time.time(),
        lufs=loudness.lufs,
        true_peak=loudness.true_peak,
        gain=round(loudness.gain, 2),
        sound=sound_of(index),
        chapters=len(about.chapters),
        cover=bool(about.cover),
        episode=task.order.episode,
    )
    settle(aside, made_folder / made.file)
    if about.chapters:
        chapters = [Chapter(at / SAMPLE_RATE, title) for at, title in about.chapters]
        put(made_folder / CHAPTERS_NAME, chapters_json(about.title, chapters))
    if about.cover:
        put(made_folder / COVER_NAME, about.cover)
    put(made_folder / f"{kind}.json", msgspec.json.encode(made))
    return made


def _loudness(made_folder: Path, program: Program, index: Index, progress: Progress) -> _Loudness:
    """The first pass, or what it found when another kind was made. A limiter takes a little of the loudness,
    so where one is needed its result is measured as well."""
    sound = sound_of(index)
    path = made_folder / LOUDNESS_NAME
    with contextlib.suppress(OSError, Corrupt):
        if (known := read_struct(path, _Loudness)).sound == sound:
            return known
    measured = _measure(_counted(program, lambda share: progress(share / 2)))
    gain = gain_for(measured)
    leveller = Leveller(gain, measured)
    if leveller.limits:
        limited = _measure(_levelled(leveller, _counted(program, lambda share: progress(0.5 + share / 2))))
        gain += max(-1.0, min(1.0, TARGET_LUFS - limited.integrated))
    found = _Loudness(
        sound=sound,
        lufs=round(measured.integrated, 2),
        true_peak=round(max(measured.true_peak, -120.0), 2),
        gain=gain,
    )
    put(path, msgspec.json.encode(found))
    return found


def _measure(blocks: Iterator[Samples]) -> Measured:
    meter = Meter()
    for block in blocks:
        meter.push(block)
    return meter.finish()


def _levelled(leveller: Leveller, blocks: Iterator[Samples]) -> Iterator[Samples]:
    for block in blocks:
        yield from leveller.process(block)
    yield from leveller.finish()


def _counted(program: Program, progress: Progress) -> Iterator[Samples]:
    done = 0
    for block in program.blocks():
        # In seconds: filters and encoders hold several times what they are given at once.
        for at in range(0, block.shape[0], SAMPLE_RATE):
            yield block[at : at + SAMPLE_RATE]
        done += block.shape[0]
        progress(done / max(1, program.samples))


def _write(
    aside: Path, task: Task, program: Program, loudness: _Loudness, about: About, progress: Progress
) -> None:
    aside.unlink(missing_ok=True)
    measured = Measured(loudness.lufs, loudness.true_peak)
    out = SoundFile(str(aside), task.order.kind, about, program.samples)
    try:
        for block in _levelled(Leveller(loudness.gain, measured), _counted(program, progress)):
            out.write(block)
    except BaseException:
        with contextlib.suppress(OSError, CodecError):
            out.abandon()
        raise
    out.close()
    # A muxer may swallow what the disk said: the file is believed when it reads as long as it should be.
    if abs(duration_of(str(aside)) - program.samples / SAMPLE_RATE) > _TOLERANCE:
        raise OSError(errno.EIO, "not all of it was written")


def _about(task: Task, program: Program, index: Index) -> About:
    episode = task.order.episode
    cover = b""
    if task.cover:
        with contextlib.suppress(OSError):
            cover = cover_jpeg(Path(task.cover).read_bytes())
    return About(
        title=episode.title,
        artist=", ".join(name for name, _ in episode.people),
        album=episode.title,
        date=time.strftime("%Y-%m-%d", time.gmtime(index.live_since)),
        comment=episode.description,
        language=episode.language,
        chapters=chapters_of(index, program.begins, program.ends, episode.title),
        cover=cover,
    )


def chapters_of(index: Index, begins: int, ends: int, title: str) -> tuple[tuple[int, str], ...]:
    """(sample of the file, title), the first at 0: players show nothing before it otherwise."""
    inside = [(max(0, at - begins), name) for at, name in index.chapters if at < ends]
    if not inside:
        return ()
    if inside[0][0] > _CHAPTER_SLACK:
        inside.insert(0, (0, title))
    return ((0, inside[0][1]), *inside[1:])


def _synced_hash(path: Path) -> str:
    with path.open("r+b") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        os.fsync(file.fileno())
    return digest


def main() -> int:
    """See the module."""
    task = msgspec.json.decode(first_line(), type=Task)
    teller = Teller()
    try:
        made = make(task, teller.progress)
    except NothingRecorded:
        return teller.problem("Nothing was recorded.", REFUSED)
    except Corrupt as error:
        return teller.problem(f"The recording cannot be read: {error}", REFUSED)
    except (OSError, CodecError) as error:
        why = getattr(error, "strerror", "") or error
        return teller.problem(f"The file cannot be written: {why}.", FAILED)
    teller.say(made=made)
    return 0


if __name__ == "__main__":
    sys.exit(main())
