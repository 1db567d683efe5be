"""What was made of a recording for downloading: `made/` in its folder.

`made/program.{kind}` is the file, `made/{kind}.json` what it is (`Made`), written last: a file without it is
not finished. `made/chapters.json` holds the chapters for podcast players, `made/loudness.json` what the first
pass found, so that the next kind need not look for it again.
"""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path
from typing import Final, Literal

import msgspec

from hustings.archive.files import Place, files_of
from hustings.archive.model import Index
from hustings.archive.small import read_struct
from hustings.errors import Corrupt

type MadeKind = Literal["mp3", "m4a", "flac"]
MADE_KINDS: Final[tuple[MadeKind, ...]] = ("mp3", "m4a", "flac")
MADE_TYPES: Final[dict[MadeKind, str]] = {"mp3": "audio/mpeg", "m4a": "audio/mp4", "flac": "audio/flac"}
MADE_FOLDER: Final = "made"
CHAPTERS_NAME: Final = "chapters.json"
COVER_NAME: Final = "cover.jpg"
_MAX_BYTES: Final = 256 * 1024


class Episode(msgspec.Struct, frozen=True, kw_only=True):
    """What the broadcast was when it ended, in the host's words: the room may be about something else later.
    `people`: name and role (host, cohost, speaker)."""

    title: str
    description: str = ""
    language: str = ""
    people: list[tuple[str, str]] = []
    cover: str = ""
    """Name of the room's picture (studio.covers), "" for none."""
    origin: str = ""
    """Of an edition: the original's broadcast, so that feeds take both for the same episode."""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """A job's body: what is to be made of which recording."""

    slug: str
    broadcast: str
    kind: MadeKind
    episode: Episode


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """One finished file. `lufs` and `true_peak` (dBTP) as measured before `gain` (dB) was applied."""

    version: int = 1
    kind: MadeKind
    bytes: int
    seconds: float
    sha256: str
    recorded_at: float
    """Unix seconds of its first sample."""
    made_at: float
    lufs: float
    true_peak: float
    gain: float
    sound: str = ""
    """`sound_of` the recording it was made of: a recording may go on after a crash, or lose a part later."""
    chapters: int = 0
    cover: bool = False
    """Whether `made/cover.jpg` is there, the picture as podcast directories take it."""
    episode: Episode

    @property
    def file(self) -> str:
        return made_name(self.kind)


def sound_of(index: Index) -> str:
    """A name for exactly this sound."""
    codec = index.codecs.get("opus")
    hashes = "".join(segment.sha256 for segment in codec.segments) if codec is not None else ""
    return hashlib.sha256(hashes.encode()).hexdigest()


def made_name(kind: MadeKind) -> str:
    """The file's name below MADE_FOLDER."""
    return f"program.{kind}"


def read_made(place: Place) -> dict[MadeKind, Made]:
    """The finished files of a recording, wherever they are; what cannot be read counts as not made."""
    files = files_of(place)
    found: dict[MadeKind, Made] = {}
    decoder = msgspec.json.Decoder(Made)
    for kind in MADE_KINDS:
        try:
            made = decoder.decode(files.read(f"{MADE_FOLDER}/{kind}.json", 0, _MAX_BYTES))
            if made.kind == kind and files.size(f"{MADE_FOLDER}/{made.file}") == made.bytes:
                found[kind] = made
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            continue
    return found


class MakingState(msgspec.Struct, frozen=True, kw_only=True):
    """How a file gets on that is not there yet: `made/{kind}.state.json`. `progress`: 0 to 1."""

    state: Literal["waiting", "making", "failed"]
    progress: float = 0.0
    problem: str = ""


def write_state(folder: Path, kind: MadeKind, state: MakingState | None) -> None:
    """None: it is made. Never raises for what the disk says: the file itself is what counts."""
    path = folder / MADE_FOLDER / f"{kind}.state.json"
    with contextlib.suppress(OSError):
        if state is None:
            path.unlink(missing_ok=True)
            return
        path.parent.mkdir(exist_ok=True)
        aside = path.with_name(f".{path.name}.part")
        aside.write_bytes(msgspec.json.encode(state))
        aside.replace(path)


def read_states(folder: Path) -> dict[MadeKind, MakingState]:
    """Of the files that are being made, or could not be."""
    found: dict[MadeKind, MakingState] = {}
    for kind in MADE_KINDS:
        with contextlib.suppress(OSError, Corrupt):
            found[kind] = read_struct(folder / MADE_FOLDER / f"{kind}.state.json", MakingState)
    return found


def downloads(folder: Path) -> dict[str, object]:
    """downloads.json: what there is and what is being made, with addresses relative to it."""
    made, states = read_made(folder), read_states(folder)
    return {
        "downloads": [
            {
                "kind": kind,
                "url": f"{MADE_FOLDER}/{each.file}",
                "type": MADE_TYPES[kind],
                "bytes": each.bytes,
                "seconds": each.seconds,
                "sha256": each.sha256,
            }
            for kind, each in made.items()
        ],
        "making": [
            {"kind": kind, "state": state.state, "progress": state.progress}
            for kind, state in states.items()
            if kind not in made
        ],
        "everything": "everything.zip",
    }
