"""`recording.json` as values: what a recording holds (docs/recording.md, Index).

Times are 48 kHz samples of the broadcast's timeline (media_time) unless they say Unix seconds.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from hustings.errors import Corrupt

INDEX_NAME: Final = "recording.json"
MAX_INDEX_BYTES: Final = 32 << 20
"""What `read_index` takes; a broadcast of 12 hours has some 2 MB."""


class Segment(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One file of 6 s at most. `bytes`: as far as it is whole, which may be less than the file has;
    `duration` reaches from its first sample to the end of its last, over what may be missing between."""

    number: int
    media_time: int
    duration: int
    bytes: int
    sha256: str

    @property
    def end(self) -> int:
        """media_time of the first sample after it."""
        return self.media_time + self.duration


class CodecIndex(msgspec.Struct, frozen=True, kw_only=True):
    """The program in one codec. `ogg_bytes` (Opus only): each segment's bytes as Ogg pages."""

    init_bytes: int
    segments: list[Segment]
    ogg_bytes: list[int] = []


class Gap(msgspec.Struct, frozen=True, kw_only=True, rename={"begins": "from"}):
    """A stretch that is silent or missing, and why."""

    begins: int
    samples: int
    packets: int = 0
    cause: str = ""


class TrackIndex(msgspec.Struct, frozen=True, kw_only=True):
    """One speaker's track of one epoch. `file` is relative to the recording's folder. `samples`: what
    plays. The counts are of packets; None when the stage did not live to write them."""

    participant_id: str
    name: str
    epoch: int
    file: str
    begins: int
    samples: int
    received: int | None = None
    written: int | None = None
    declared: int | None = None


class EditedFrom(msgspec.Struct, frozen=True, kw_only=True):
    """What an edition was made of, and what was done, as everybody may know. `sha256`: of the original's
    `recording.json`; `at`: Unix seconds; `cuts`: stretches cut out between its beginning and its end;
    `removed`: seconds that the original is longer; `gains`: speakers made louder or softer; `without`:
    speakers left out, who wanted it so if `take_down`."""

    broadcast: str
    origin: str
    """The first original: another than `broadcast` where an edition was edited whose original is gone."""
    sha256: str
    at: float
    number: int
    trimmed: bool = False
    cuts: int = 0
    removed: float = 0.0
    gains: int = 0
    without: int = 0
    take_down: bool = False


class Index(msgspec.Struct, frozen=True, kw_only=True):
    """All of a recording."""

    version: int = 1
    slug: str
    broadcast: str
    live_since: float
    """Unix seconds of media_time 0."""
    ended_at: float
    duration: int
    whole: bool
    """False when something of it was cut off: a crash, a power cut, a failing disk."""
    codecs: dict[str, CodecIndex]
    tracks: list[TrackIndex]
    gaps: list[Gap]
    """Of the program."""
    speaking: dict[str, list[tuple[int, int]]]
    """By participant: from, to."""
    names: dict[str, str]
    chapters: list[tuple[int, str]]
    edited_from: EditedFrom | msgspec.UnsetType = msgspec.UNSET
    """Of editions only."""


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Index)


def encode_index(index: Index) -> bytes:
    """`recording.json`'s bytes."""
    return _encoder.encode(index) + b"\n"


def decode_index(data: bytes) -> Index:
    """The index those bytes hold; raises Corrupt."""
    try:
        index = _decoder.decode(data)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise Corrupt(f"no index of a recording: {error}") from None
    if index.version != 1:
        raise Corrupt(f"an index of version {index.version}; this Hustings reads version 1")
    return index


def read_index(folder: Path) -> Index:
    """The index lying in a recording's folder. Raises Corrupt; OSError when there is none to read."""
    with (folder / INDEX_NAME).open("rb") as file:
        data = file.read(MAX_INDEX_BYTES + 1)
    if len(data) > MAX_INDEX_BYTES:
        raise Corrupt(f"{INDEX_NAME} is too long")
    return decode_index(data)
