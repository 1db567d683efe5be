"""`hustings verify`: a public record, a recording, a clip or one segment, checked without asking anybody.

Nothing of the server that published it is believed but its key, and that only if it is the one expected.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hustings.archive.model import INDEX_NAME, Index, read_index
from hustings.archive.playlist import entries
from hustings.archive.record_facts import segments_root
from hustings.archive.record_file import NAME
from hustings.archive.record_keys import check
from hustings.cli.verify_part import clip_or_proof
from hustings.cli.verify_read import Found, Unreadable, fetch, is_address, read, said_of, sha256_of
from hustings.errors import Corrupt
from hustings.rooms.record import verify
from hustings.rooms.record_seal import SEALED, check_openings, read_openings

__all__ = ["Found", "Unreadable", "verify_any"]


def verify_any(
    what: str,
    *,
    key: str = "",
    record: str = "",
    recording: Path | None = None,
    figures: Path | None = None,
) -> Found:
    """`what`: an address (http, https) of a room or its record, a record.jsonl, the folder of a recording, a
    clip.json with its files beside it, or the proof of a segment with the segment beside it. `key`: the
    server's public key, base64, as known from elsewhere. `record`: file or address of the record that
    vouches for it, by default record.jsonl beside it; `recording`: the folder of the recording a clip is to
    be of; `figures`: a file of openings of what is sealed in a record.

    Raises Unreadable.
    """
    if is_address(what):
        return _of_record(fetch(what), key, figures)
    path = Path(what)
    if path.is_dir():
        _only_of_records(figures)
        return _recording(path, key, record)
    data = read(path)
    if path.suffix != ".json":
        return _of_record(data, key, figures)
    _only_of_records(figures)
    near = path.with_name(NAME)
    record = record or (str(near) if near.exists() else "")
    whole = (_recording(recording, key, record), recording) if recording is not None else None
    return clip_or_proof(path, data, key, record, whole)


# --- a record ------------------------------------------------------------------------------------


def _only_of_records(figures: Path | None) -> None:
    if figures is not None:
        raise Unreadable("--figures goes with a record: name a record.jsonl or a room's address.")


def _of_record(data: bytes, key: str, figures: Path | None) -> Found:
    openings = read(figures) if figures is not None else None
    verdict = verify(data, check)
    found = Found("record", room=verdict.room, entries=len(verdict.entries), as_of=verdict.as_of)
    found.keys = list(verdict.keys)
    if not verdict.ok:
        return found.bad(verdict.first_bad or 0, verdict.reason)
    if key and verdict.keys[-1] != key:
        return found.bad(0, f"it is signed with the key {verdict.keys[-1]}, not with {key}")
    found.sealed = sum(SEALED in entry.data for entry in verdict.entries)
    if figures is None or openings is None:
        return found
    try:
        opened = check_openings(verdict.entries, read_openings(openings))
    except ValueError as error:
        return found.bad(figures.name, str(error))
    found.opened = opened.opened
    if opened.first_bad is not None:
        return found.bad(opened.first_bad, opened.reason)
    return found


# --- a recording ---------------------------------------------------------------------------------


def _recording(folder: Path, key: str, record: str) -> Found:
    try:
        index = read_index(folder)
    except FileNotFoundError:
        raise Unreadable(f"{folder} holds no {INDEX_NAME}; name the folder of one recording.") from None
    except Corrupt as error:
        return Found("recording").bad(INDEX_NAME, str(error))
    except OSError as error:
        raise Unreadable(f"{folder / INDEX_NAME} cannot be read: {error.strerror}.") from None
    found = Found("recording", room=index.slug)
    for name, expected, size in _segments(index):
        try:
            if sha256_of(folder / name, size) != expected:
                return found.bad(name, "its bytes are not those the recording was made of")
        except OSError as error:
            return found.bad(name, f"it cannot be read: {error.strerror}")
        found.files += 1
    near = record or (str(folder / NAME) if (folder / NAME).exists() else "")
    if not near:
        found.reason = "no public record was at hand: whether the server vouches for it is not checked"
        return found
    return _in_record(found, index, near, key)


def _segments(index: Index) -> Iterator[tuple[str, str, int]]:
    """Every segment's file, SHA-256 and length."""
    for codec, held in index.codecs.items():
        for entry in entries(codec, held.segments):  # type: ignore[arg-type]  # the two codecs there are
            if entry.segment is not None:
                yield f"program/{codec}/{entry.name}", entry.segment.sha256, entry.segment.bytes


def _in_record(found: Found, index: Index, record: str, key: str) -> Found:
    """Whether the record says of this recording what is in the folder."""
    said = said_of(found, record, (index.slug, index.broadcast), key)
    if said is None:
        return found
    program = said.get("program", {})
    for codec in index.codecs:
        if program.get(codec, {}).get("root") != segments_root(index, codec):
            return found.bad(
                INDEX_NAME, f"entry {said['seq']} of {said['record']} speaks of other {codec} segments"
            )
    return found
