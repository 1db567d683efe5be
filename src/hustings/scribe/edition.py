"""Makes an edition of a recording: a folder of the same layout, out of the same files.

The program is decoded and encoded once more, in both codecs, at a rate at which that is not heard. It is
taken from the recorded program where only time is cut; where somebody is left out, or made louder or
softer, it is mixed anew from the tracks (audio.remix), silent wherever the recorded program has a gap.
Tracks are not encoded again: their packets are copied."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from hustings.archive.cut_lines import cut_events, cut_gaps
from hustings.archive.editing import Asked, Kept, begins_of, check
from hustings.archive.index import write_index, write_whole
from hustings.archive.lines import lines
from hustings.archive.model import (
    INDEX_NAME,
    MAX_INDEX_BYTES,
    EditedFrom,
    Index,
    decode_index,
    encode_index,
)
from hustings.archive.orders import EditOrder
from hustings.archive.track_cut import cut_track
from hustings.archive.withheld import Withheld, withhold
from hustings.audio.aac import AacEncoder
from hustings.audio.frame import FRAME_SAMPLES, SAMPLE_RATE, Frame
from hustings.audio.level import level_dbov
from hustings.audio.opus import OpusEncoder
from hustings.audio.remix import Remix
from hustings.audio.splice import silenced, spliced
from hustings.cmaf.chunker import Chunk, Chunker
from hustings.cmaf.init_segment import init_segment
from hustings.cmaf.timeline import CHUNK_SAMPLES, Codec, segment_number
from hustings.errors import Corrupt
from hustings.scribe.source import NothingRecorded, Program
from hustings.scribe.track_sound import VoiceSound, framed

OPUS_BITRATE: Final = 96_000
"""Of a program that was encoded before: at the stage's own rate the second time would be heard."""
AAC_BITRATE: Final = 128_000
_SUM: Final = struct.Struct(">QII")
"""Of each chunk: media_time, bytes, CRC-32 (docs/recording.md, Files)."""
_SILENT: Final = 127

type Progress = Callable[[float], None]


def part_folder(data: Path, order: EditOrder) -> Path:
    """Where an edition lies while it is made: a name nobody looks for."""
    return data / "rooms" / order.slug / f".{order.broadcast}.{order.number}.editing"


def make_edition(data: Path, order: EditOrder, at: float, progress: Progress) -> Index:
    """Makes it, anew if that was begun before; nobody but its hosts sees it. `at`: Unix seconds.

    Raises BadEdit, NothingRecorded, Corrupt, OSError.
    """
    room = data / "rooms" / order.slug
    source, target, part = room / order.broadcast, room / order.edition, part_folder(data, order)
    if (target / INDEX_NAME).is_file():
        return decode_index((target / INDEX_NAME).read_bytes())
    with (source / INDEX_NAME).open("rb") as file:
        data_of_index = file.read(MAX_INDEX_BYTES)
    index = decode_index(data_of_index)
    kept = check(order.asked, index)
    if part.exists():
        shutil.rmtree(part)
    edited_from = _edited_from(index, hashlib.sha256(data_of_index).hexdigest(), kept, order, at)
    try:
        made = _write(source, part, index, kept, order, edited_from, progress)
    except (OSError, Corrupt, NothingRecorded):
        shutil.rmtree(part, ignore_errors=True)  # a disk that is full needs the room
        raise
    part.rename(target)
    _sync_folder(room)
    return made


def _write(
    source: Path,
    part: Path,
    index: Index,
    kept: Kept,
    order: EditOrder,
    edited_from: EditedFrom,
    progress: Progress,
) -> Index:
    """All of it but its name."""
    (part / "tracks").mkdir(parents=True)
    withhold(part, Withheld(why="draft", since=""))
    live_since = index.live_since + kept.stretches[0][0] / SAMPLE_RATE
    _write_lines(source, part, index, kept, order)
    _write_tracks(source, part, index, kept, order.asked)
    frames = spliced(_frames(source, index, order), kept.stretches)
    _write_program(part, frames, kept, live_since, progress)
    made = write_index(part, whole=index.whole, live_since=live_since, ended_at=index.ended_at)
    made = msgspec.structs.replace(made, broadcast=order.edition, edited_from=edited_from)
    write_whole(part / INDEX_NAME, encode_index(made))
    _sync(part)
    return made


def _edited_from(index: Index, digest: str, kept: Kept, order: EditOrder, at: float) -> EditedFrom:
    first, last = begins_of(index), index.duration // FRAME_SAMPLES * FRAME_SAMPLES
    asked, before = order.asked, index.edited_from
    return EditedFrom(
        broadcast=order.broadcast,
        origin=before.origin if isinstance(before, EditedFrom) else order.broadcast,
        sha256=digest,
        at=round(at, 3),
        number=order.number,
        trimmed=(kept.stretches[0][0], kept.stretches[-1][1]) != (first, last),
        cuts=len(kept.stretches) - 1,
        removed=round((last - first - kept.samples) / SAMPLE_RATE, 2),
        gains=sum(1 for gain in asked.gains.values() if gain),
        without=len(asked.without),
        take_down=asked.take_down,
    )


# --- what is not sound ---------------------------------------------------------------------------


def _write_lines(source: Path, part: Path, index: Index, kept: Kept, order: EditOrder) -> None:
    (part / "program").mkdir()
    gaps = b"".join(msgspec.json.encode(gap) + b"\n" for gap in cut_gaps(index.gaps, kept))
    (part / "program" / "gaps.jsonl").write_bytes(gaps)
    names = {index.names.get(who, "") for who in order.asked.without}
    names |= {track.name for track in index.tracks if track.participant_id in order.asked.without}
    events = lines(source / "events.jsonl", dict)
    found = cut_events(events, kept, order.asked.without, names, each_word=order.asked.take_down)
    with (part / "events.jsonl").open("w", encoding="utf-8") as file:
        for event in found:
            event["broadcast_id"] = order.edition
            file.write(json.dumps(event, ensure_ascii=False) + "\n")


def _write_tracks(source: Path, part: Path, index: Index, kept: Kept, asked: Asked) -> None:
    for track in index.tracks:
        if track.participant_id not in asked.without and track.samples:
            gain = asked.gains.get(track.participant_id, 0.0)
            cut_track(source / track.file, part / track.file, kept, gain=gain)


# --- sound ---------------------------------------------------------------------------------------


def _frames(source: Path, index: Index, order: EditOrder) -> Iterator[tuple[int, Frame]]:
    """The whole program, (media_time, frame)."""
    if not order.asked.mixes:
        program = Program(source, index)
        return framed(program.blocks(), program.begins)
    gaps = [(gap.begins, gap.begins + gap.samples) for gap in index.gaps if gap.samples]
    return silenced(_mixed(source, index, order), _joined(gaps))


def _joined(stretches: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """In order, none overlapping another."""
    found: list[tuple[int, int]] = []
    for begins, end in sorted(stretches):
        if found and begins <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((begins, end))
    return found


def _mixed(source: Path, index: Index, order: EditOrder) -> Iterator[tuple[int, Frame]]:
    tracks: dict[str, list[Path]] = {}
    for track in index.tracks:
        if track.samples and track.participant_id not in order.asked.without:
            tracks.setdefault(track.participant_id, []).append(source / track.file)
    voices = [VoiceSound(paths) for paths in tracks.values()]
    remix = Remix(list(tracks), order.asked.gains, levelling=order.levelling)
    at = begins_of(index)
    try:
        while at < index.duration:
            mixed = remix.push([voice.frame(at) for voice in voices], at)
            if mixed is not None:
                yield at - FRAME_SAMPLES, mixed
            at += FRAME_SAMPLES
        yield at - FRAME_SAMPLES, remix.finish()
    finally:
        for voice in voices:
            voice.close()


class _Files:
    """One codec's chunks into segment files, with the sums of each."""

    def __init__(self, place: Path, codec: Codec, init: bytes) -> None:
        place.mkdir(parents=True)
        self._place = place
        self._chunker = Chunker(codec)
        self._sums = bytearray()
        self._open: tuple[int, bytearray] | None = None
        (place / "init.mp4").write_bytes(init)

    def push(self, unit: bytes, live_since: float) -> None:
        wall = live_since + self._chunker.next_media_time / SAMPLE_RATE
        self._write(self._chunker.push(unit, wall_clock=wall))

    def finish(self) -> None:
        self._write(self._chunker.flush())
        self._close()
        (self._place / "sums.0").write_bytes(self._sums)

    def _write(self, chunks: list[Chunk]) -> None:
        for chunk in chunks:
            number = segment_number(chunk.seq, 0)
            if self._open is None or self._open[0] != number:
                self._close()
                self._open = (number, bytearray())
            self._open[1].extend(chunk.data)
            self._sums += _SUM.pack(chunk.media_time, len(chunk.data), zlib.crc32(chunk.data))

    def _close(self) -> None:
        if self._open is not None:
            (self._place / f"{self._open[0]}.m4s").write_bytes(self._open[1])


def _write_program(
    part: Path, frames: Iterator[Frame], kept: Kept, live_since: float, progress: Progress
) -> None:
    opus = OpusEncoder(OPUS_BITRATE, application="audio", complexity=10, fec=False)
    aac = AacEncoder(AAC_BITRATE)
    opus_files = _Files(part / "program" / "opus", "opus", init_segment("opus", pre_skip=opus.lookahead))
    config = aac.audio_specific_config
    aac_init = init_segment("aac", audio_specific_config=config, bitrate=AAC_BITRATE)
    aac_files = _Files(part / "program" / "aac", "aac", aac_init)
    unwanted = aac.priming
    levels = bytearray([_SILENT]) * -(-kept.samples // CHUNK_SAMPLES)
    done = 0
    for frame in frames:
        opus_files.push(opus.encode(frame), live_since)
        units = aac.encode(frame)
        for unit in units[unwanted:]:
            aac_files.push(unit, live_since)
        unwanted = max(0, unwanted - len(units))
        slot = done // CHUNK_SAMPLES
        levels[slot] = min(levels[slot], min(_SILENT, max(0, -round(level_dbov(frame)))))
        done += FRAME_SAMPLES
        progress(done / kept.samples)
    for unit in aac.flush()[unwanted:]:
        aac_files.push(unit, live_since)
    opus_files.finish()
    aac_files.finish()
    (part / "program" / "levels.0").write_bytes(bytes(8) + levels)


def _sync(folder: Path) -> None:
    """All of it is on the disk."""
    for path in folder.rglob("*"):
        if path.is_dir():
            _sync_folder(path)
        else:
            with path.open("rb") as file:
                os.fsync(file.fileno())
    _sync_folder(folder)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
