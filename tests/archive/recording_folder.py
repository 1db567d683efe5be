"""Writes a believable recording, as the stage leaves it (docs/recording.md): program in both codecs, tracks,
gaps, levels, events. Voices are tones that come and go, so that who spoke when can be heard and measured.
"""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np

from hustings.audio.aac import AacEncoder
from hustings.audio.frame import Samples
from hustings.audio.opus import OpusEncoder
from hustings.cmaf.chunker import Chunk, Chunker
from hustings.cmaf.init_segment import init_segment
from hustings.cmaf.ogg import OggOpusWriter
from hustings.cmaf.timeline import SAMPLE_RATE, Codec, segment_number

SLUG, BROADCAST = "town-hall", "20261128T200000-abc123"
LIVE_SINCE = 1_790_000_000.0
FRAME = 960
SLOT = 9_600


@dataclass
class Voice:
    """A speaker: a tone of `hertz` that sounds for `turn` seconds in every `turn * voices` seconds."""

    participant_id: str
    name: str
    hertz: float


VOICES = (
    Voice("a1b2c3d4e5f6a7b8c9", "Ada Example", 300.0),
    Voice("b1b2c3d4e5f6a7b8c9", "Bertolt Müller", 500.0),
)


@dataclass
class Recording:
    """What was written: the folder, and the program's sound as it went into the encoders."""

    folder: Path
    seconds: float
    sound: Samples
    chunks: dict[Codec, list[Chunk]] = field(default_factory=dict)


def write_recording(
    data: Path,
    seconds: float = 20.0,
    *,
    slug: str = SLUG,
    broadcast: str = BROADCAST,
    begin: float = 0.0,
    missing: Collection[int] = (),
    epochs: Callable[[int], int] = lambda seq: 0,
    totals: bool = True,
    turn: float = 4.0,
) -> Recording:
    """A recording of `seconds` below `data`/rooms, from media_time `begin` (seconds, whole slots) on.

    `missing`: seqs of chunks that were never written; `epochs`: seq to epoch, where the stage restarted;
    `totals`: whether tracks were closed in order.
    """
    folder = data / "rooms" / slug / broadcast
    if folder.exists():
        shutil.rmtree(folder)
    (folder / "tracks").mkdir(parents=True)
    first = round(begin * SAMPLE_RATE / SLOT)
    slots = round(seconds * SAMPLE_RATE / SLOT)
    voices = [_voice(voice, index, seconds, turn) for index, voice in enumerate(VOICES)]
    recording = Recording(folder, seconds, sum(voices, np.zeros_like(voices[0])))
    for codec, chunks in _encode(seconds, turn).items():
        moved = _write_program(folder, codec, chunks, first, slots, missing, epochs)
        recording.chunks[codec] = moved
    for voice, sound in zip(VOICES, voices, strict=True):
        _write_track(folder, voice, sound, first * SLOT, totals=totals)
    _write_levels(folder / "program" / "levels.0", recording.sound, head=struct.pack(">Q", first))
    _write_events(folder, seconds, turn, first * SLOT)
    return recording


def _voice(voice: Voice, index: int, seconds: float, turn: float) -> Samples:
    at = np.arange(round(seconds * SAMPLE_RATE / SLOT) * SLOT) / SAMPLE_RATE
    speaks = (at // turn).astype(int) % len(VOICES) == index
    sound: Samples = (np.sin(at * voice.hertz * 2 * np.pi) * 0.3 * speaks).astype(np.float32)
    return sound


@lru_cache(maxsize=4)
def _encode(seconds: float, turn: float) -> dict[Codec, list[list[bytes]]]:
    """Access units of both codecs, from unit 0 on, made once for all tests."""
    sound = sum(_voice(voice, index, seconds, turn) for index, voice in enumerate(VOICES))
    assert isinstance(sound, np.ndarray)
    opus = OpusEncoder(64_000, application="audio", fec=False)
    aac = AacEncoder(96_000)
    packets = [opus.encode(sound[at : at + FRAME]) for at in range(0, len(sound), FRAME)]
    units = (aac.encode(sound) + aac.flush())[aac.priming :]
    return {"opus": [packets], "aac": [units]}


def _write_program(
    folder: Path,
    codec: Codec,
    units: list[list[bytes]],
    first: int,
    slots: int,
    missing: Collection[int],
    epochs: Callable[[int], int],
) -> list[Chunk]:
    place = folder / "program" / codec
    place.mkdir(parents=True)
    config = AacEncoder(96_000).audio_specific_config if codec == "aac" else b""
    (place / "init.mp4").write_bytes(init_segment(codec, audio_specific_config=config))
    written: list[Chunk] = []
    chunker = Chunker(codec, first, epochs(first))
    epoch = epochs(first)
    queue = list(units[0])
    opened: set[int] = set()
    seq = first
    while queue and seq < first + slots:
        if epochs(seq) != epoch:
            epoch = epochs(seq)
            chunker = Chunker(codec, seq, epoch)
        wall = LIVE_SINCE + chunker.next_media_time / SAMPLE_RATE
        for chunk in chunker.push(queue.pop(0), wall_clock=wall):
            seq = chunk.seq + 1
            if chunk.seq in missing:
                continue
            number = segment_number(chunk.seq, epoch)
            with (place / f"{number}.m4s").open("ab" if number in opened else "wb") as file:
                file.write(chunk.data)
            opened.add(number)
            written.append(chunk)
    return written


def _write_track(folder: Path, voice: Voice, sound: Samples, begins: int, *, totals: bool) -> None:
    encoder = OpusEncoder(32_000)
    writer = OggOpusWriter(7, pre_skip=312, comments={"ARTIST": voice.name, "HUSTINGS_BEGINS": str(begins)})
    pages = [writer.headers()]
    packets = [encoder.encode(sound[at : at + FRAME]) for at in range(0, len(sound), FRAME)]
    for number, at in enumerate(range(0, len(packets), 10)):
        some = packets[at : at + 10]
        pages.append(
            writer.page(
                some,
                media_time=at * FRAME,
                samples=len(some) * FRAME,
                number=number + 2,
                last=at + 10 >= len(packets),
            )
        )
    name = f"{voice.participant_id}.0"
    (folder / "tracks" / f"{name}.opus").write_bytes(b"".join(pages))
    lines: list[dict[str, object]] = [
        {
            "participant_id": voice.participant_id,
            "name": voice.name,
            "begins": begins,
            "wall_clock": LIVE_SINCE + begins / SAMPLE_RATE,
        },
        {"from": begins + 5 * FRAME, "samples": 2 * FRAME, "packets": 0, "cause": "lost"},
        {"from": begins + 50 * FRAME, "samples": 3 * FRAME, "packets": 3, "cause": "muted"},
    ]
    if totals:
        written = len(packets) - 5
        lines.append({"received": written + 3, "written": written, "declared": 3})
    write_lines(folder / "tracks" / f"{name}.jsonl", lines)
    _write_levels(folder / "tracks" / f"{name}.levels", sound)


def _write_levels(path: Path, sound: Samples, head: bytes = b"") -> None:
    levels = bytearray(head)
    for at in range(0, len(sound), SLOT):
        peak = float(np.sqrt(np.mean(sound[at : at + SLOT] ** 2)))
        levels.append(127 if peak < 1e-6 else min(127, round(-20 * np.log10(peak))))
    path.write_bytes(bytes(levels))


def _write_events(folder: Path, seconds: float, turn: float, begins: int) -> None:
    lines: list[dict[str, object]] = []

    def event(at: float, kind: str, **data: object) -> None:
        media_time = begins + round(at * SAMPLE_RATE)
        lines.append(
            {
                "type": "TimedEvent",
                "broadcast_id": folder.name,
                "seq": len(lines) + 1,
                "media_time": media_time,
                "wall_clock": LIVE_SINCE + media_time / SAMPLE_RATE,
                "kind": kind,
                "data": data,
            }
        )

    for voice in VOICES:
        event(0.0, "joined", participant_id=voice.participant_id, name=voice.name)
    event(0.0, "topic", id="t1", title="Welcome")
    count = int(seconds // turn)
    for index in range(count):
        voice = VOICES[index % len(VOICES)]
        who = {"participant_id": voice.participant_id, "name": voice.name}
        event(index * turn, "speaking", **who, speaking=True)
        if index == count // 2:
            event(index * turn + 1, "topic", id="t2", title="Housing & rents")
        event((index + 1) * turn - 0.2, "speaking", **who, speaking=False)
    write_lines(folder / "events.jsonl", lines)


def write_lines(path: Path, lines: list[dict[str, object]]) -> None:
    """JSON lines."""
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))
