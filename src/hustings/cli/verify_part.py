"""`hustings verify` for a part of a recording: a clip, or one segment. What the record vouches for is one
hash over all segments; that these few are among them is proved without the others (docs/record.md)."""

from __future__ import annotations

import hashlib
import re
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from hustings.archive.clip import BadCut, Cut, read_cut
from hustings.archive.clip_again import clip_made_again
from hustings.archive.clip_facts import CLIP_FILES
from hustings.archive.model import Segment, read_index
from hustings.cli.verify_read import PIECE, Found, Unreadable, said_of, sha256_of
from hustings.errors import Corrupt
from hustings.rooms.merkle import proved_root

_SEGMENT: Final = re.compile(r"(opus|aac)/([0-9]{1,12})\.m4s")


class _Place(msgspec.Struct, kw_only=True):
    """Where a segment stands in its tree; without `path` nothing proves it."""

    leaf: int = -1
    path: list[str] = []


class _CutFrom(_Place, kw_only=True):
    file: str = ""
    media_time: int = 0
    samples: int = 0
    bytes: int = 0
    sha256: str = ""


class _Tree(msgspec.Struct, kw_only=True):
    codec: str
    segments: int
    begins: int = 0
    ends: int = 0


class _File(msgspec.Struct, kw_only=True):
    name: str
    sha256: str
    bytes: int
    cut_from: list[_CutFrom]
    tree: _Tree | None = None


class _Clip(msgspec.Struct, kw_only=True, rename={"first": "from", "last": "to"}):
    slug: str
    broadcast: str
    files: list[_File]
    begins_at: str = ""
    first: int = 0
    last: int = 0


class _Proof(_CutFrom, kw_only=True):
    slug: str
    broadcast: str
    codec: str
    segments: int


def clip_or_proof(path: Path, data: bytes, key: str, record: str, whole: tuple[Found, Path] | None) -> Found:
    """`data`: a clip.json, or the proof of a segment; what it speaks of lies beside `path`. `record`: a file
    or address, or ""; `whole`: what was found in the folder of the recording. Raises Unreadable."""
    try:
        if b'"cut_from"' not in data:
            return _segment(path, msgspec.json.decode(data, type=_Proof), key, record)
        clip = msgspec.json.decode(data, type=_Clip)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise Unreadable(f"{path} is no clip.json and no proof of a segment.") from None
    return _clip(path, clip, key, record, whole)


# --- one segment ---------------------------------------------------------------------------------


def _segment(path: Path, proof: _Proof, key: str, record: str) -> Found:
    found = Found("segment", room=proof.slug)
    if not _SEGMENT.fullmatch(proof.file):
        raise Unreadable(f"{path} names no segment.")
    beside = [at for at in (path.parent / proof.file, path.with_name(Path(proof.file).name)) if at.exists()]
    if not beside:
        raise Unreadable(f"Beside {path} there is no {Path(proof.file).name} to check.")
    if not _is(beside[0], proof):
        return found.bad(beside[0].name, "its bytes are not those that the proof speaks of")
    found.files = 1
    if not record:
        raise Unreadable("Name the record that vouches for it: --record FILE_OR_ADDRESS.")
    said = said_of(found, record, (proof.slug, proof.broadcast), key)
    if said is None:
        return found
    why = _unproved(proof, _Tree(codec=proof.codec, segments=proof.segments), said)
    return found.bad(beside[0].name, why) if why else found


def _is(path: Path, segment: _CutFrom) -> bool:
    """Whether a file begins with the segment: what lies behind it was never a whole chunk."""
    return path.stat().st_size >= segment.bytes and sha256_of(path, segment.bytes) == segment.sha256


def _unproved(segment: _CutFrom, tree: _Tree, said: dict[str, Any]) -> str:
    """Why the record does not vouch for a segment; "": it does."""
    known = said.get("program", {}).get(tree.codec, {})
    if segment.file.partition("/")[0] != tree.codec:
        return f"{segment.file} is proved as {tree.codec}"
    try:
        leaf, path = bytes.fromhex(segment.sha256), [bytes.fromhex(each) for each in segment.path]
        root = proved_root(leaf, segment.leaf, tree.segments, path)
    except ValueError as error:
        return f"its proof is none: {error}"
    if root != known.get("root") or tree.segments != known.get("segments"):
        return f"entry {said['seq']} of {said['record']} vouches for other {tree.codec} segments"
    return ""


# --- a clip --------------------------------------------------------------------------------------


def _clip(path: Path, clip: _Clip, key: str, record: str, whole: tuple[Found, Path] | None) -> Found:
    found = Found("clip", room=clip.slug)
    for file in clip.files:
        if file.name not in (f"{clip.first}-{clip.last}.{kind}" for kind in CLIP_FILES):
            return found.bad(file.name, "it is no file of this clip")
        beside = path.with_name(Path(file.name).name)
        if not beside.exists():
            continue
        found.files += 1
        if beside.stat().st_size != file.bytes or sha256_of(beside, file.bytes) != file.sha256:
            return found.bad(beside.name, "its bytes are not those that clip.json names")
    if not found.files:
        names = ", ".join(file.name for file in clip.files)
        raise Unreadable(f"Beside {path} there is none of the clip's files ({names}).")
    if whole is not None:
        return _in_recording(found, clip, *whole)
    if not record:
        found.reason = "no record and no recording was named: whether it was cut from one is not checked"
        return found
    return _in_record(found, path, clip, key, record)


def _in_recording(found: Found, clip: _Clip, of: Found, recording: Path) -> Found:
    """Whether all that the clip was cut from is in the recording, at its place."""
    if not of.ok:
        return found.bad(f"recording: {of.first_bad}", of.reason)
    index = read_index(recording)
    if index.broadcast != clip.broadcast:
        return found.bad("recording", f"the clip is of {clip.broadcast}, this is {index.broadcast}")
    there = {(s.media_time, s.sha256) for codec in index.codecs.values() for s in codec.segments}
    for file in clip.files:
        for segment in file.cut_from:
            if (segment.media_time, segment.sha256) not in there:
                return found.bad(file.name, "it names a segment that is not of this recording")
    found.entries, found.keys, found.as_of, found.reason = of.entries, of.keys, of.as_of, of.reason
    return found


def _in_record(found: Found, path: Path, clip: _Clip, key: str, record: str) -> Found:
    """Whether the record vouches for what the clip was cut from; where the segments lie beside it, whether
    its files are made of them and of nothing else."""
    said = said_of(found, record, (clip.slug, clip.broadcast), key)
    if said is None:
        return found
    if _other_time(clip, str(said.get("live_since", ""))):
        return found.bad("begins_at", "the record says that the broadcast began at another time")
    for file in clip.files:
        if file.tree is None:
            raise Unreadable(
                f"{path} is from before the end of the broadcast, without proofs; fetch it anew."
            )
        for segment in file.cut_from:
            if why := _unproved(segment, file.tree, said):
                return found.bad(segment.file, why)
    missing = 0
    for file in clip.files:
        if not path.with_name(Path(file.name).name).exists():
            continue
        why, where = _made_of_them(path.parent, clip, file)
        if why:
            return found.bad(where, why)
        missing += where == "missing"
    if missing:
        found.reason = (
            "the record vouches for its segments; whether its files are made of them takes the segments"
            " (with their init.mp4) beside it"
        )
    return found


def _other_time(clip: _Clip, live_since: str) -> bool:
    try:
        began, says = datetime.fromisoformat(live_since), datetime.fromisoformat(clip.begins_at)
        return abs((says - began).total_seconds() - clip.first / 1000) > 1.0
    except (ValueError, TypeError):
        return True


def _made_of_them(folder: Path, clip: _Clip, file: _File) -> tuple[str, str]:
    """Why a file is not made of its segments, and where that shows; "", "missing": a segment is not here."""
    try:
        cut = read_cut(f"{clip.first}-{clip.last}")
    except BadCut as error:
        return str(error), file.name
    if cut is None or file.tree is None:
        return "it is no file of this clip", file.name
    segments: list[Segment] = []
    if not (folder / file.tree.codec / "init.mp4").exists():
        return "", "missing"
    for each in file.cut_from:
        match = _SEGMENT.fullmatch(each.file)
        if match is None:
            return "it names what is no segment", file.name
        if not (folder / each.file).exists():
            return "", "missing"
        if not _is(folder / each.file, each):
            return "its bytes are not those that clip.json names", each.file
        segments.append(Segment(int(match[2]), each.media_time, each.samples, each.bytes, each.sha256))
    return (
        ("", "")
        if _same(folder, clip, file, cut, segments, file.tree)
        else (
            "it is not what its segments make",
            file.name,
        )
    )


def _same(folder: Path, clip: _Clip, file: _File, cut: Cut, segments: list[Segment], tree: _Tree) -> bool:
    kind = Path(file.name).suffix[1:]
    try:
        again = clip_made_again(folder, kind, clip.broadcast, cut, segments, (tree.begins, tree.ends))
        digest = hashlib.sha256()
        for at in range(0, again.size, PIECE):
            digest.update(again.read(at, at + PIECE))
    except (Corrupt, OSError, ValueError):
        return False
    return digest.hexdigest() == file.sha256
