"""Clips at the audience's door: their files and facts below /r/{slug}/replay/{broadcast}/clip/, and their
pages, /r/{slug}/clip/{broadcast}/{from}-{to} (docs/recording.md, Clips).

What stands in the marked places of a clip's page (filled.py) is made here: digits, hexadecimals,
escaped names.
"""

from __future__ import annotations

import html
import json
from typing import Any, Final

from hustings.archive.clip import BadCut, Cut, cut_from, is_inside, read_cut
from hustings.archive.clip_facts import CLIP_FILES, CLIP_TYPES, clip_facts
from hustings.archive.library import Recorded
from hustings.edge.http import Headers, Reply, Resource, problem
from hustings.edge.replay_sender import LongFile
from hustings.wording import position

_QUIET, _LOUD = 60, 8
"""Of a level, -dBov: nothing, and all (replay_model.js)."""
_TALL: Final = 60
_BAR: Final = 4
_SILENT: Final = ("off_record", "no_consent")


def refused(name: bytes) -> Reply | None:
    """What is said to `name` ("12000-34500.m4a") without looking at any disk; None: it may be a clip."""
    try:
        cut = read_cut(name.rpartition(b".")[0].decode("latin-1"))
    except BadCut as error:
        return problem(400, "No such clip", str(error))
    if cut is not None:
        return None
    detail = "Clips are named {from}-{to}, both in milliseconds and multiples of 20, without leading zeros."
    return problem(404, "Not found", detail)


def found_clip(recorded: Recorded, name: str, *, headers: Headers) -> Resource | LongFile | Reply | None:
    """One of a clip's files, or clip.json; None: there is no such thing. Raises Corrupt, OSError."""
    stem, _, kind = name.rpartition(".")
    cut = read_cut(stem)
    if cut is None:
        return None
    if not is_inside(recorded.index, cut):
        detail = "The recording does not reach there." if recorded.over else "That has not been recorded yet."
        return problem(404, "Not found", detail)
    if kind == "json":
        facts = {**clip_facts(recorded, cut), "context": _context(recorded, cut)}
        body = json.dumps(facts, ensure_ascii=False, separators=(",", ":")).encode()
        return Resource("application/json", body, headers, compress=True)
    if kind not in CLIP_FILES or CLIP_FILES[kind][0] not in recorded.index.codecs:
        return None
    file = CLIP_FILES[kind][1](recorded.files, recorded.index, cut)
    index = recorded.index
    saved = f"{index.slug}-{index.broadcast[:8]}-{cut.name}.{kind}"
    more: Headers = (*headers, ("Content-Disposition", f'inline; filename="{saved}"'))
    # What segments hold does not change while others are added: no tag of the whole recording.
    sums = "".join(segment.sha256[:4] for segment in cut_from(index, CLIP_FILES[kind][0], cut))
    tag = f"{cut.name}-{sums}-{file.size:x}"
    return LongFile(CLIP_TYPES[kind], file, more, etag=tag, recording=index.broadcast)


def _context(recorded: Recorded, cut: Cut) -> str:
    """Where what was said before and after can be heard."""
    slug, at = recorded.index.slug, (cut.begins - recorded.begins) / 48_000
    return f"/r/{slug}/replay/{recorded.index.broadcast}/#t={at:.2f}" if recorded.over else f"/r/{slug}"


def clip_values(body: bytes) -> dict[str, str]:
    """What stands in the places of clip.html: every value can stand in HTML's text and in quoted attributes.
    `body`: clip.json."""
    facts: dict[str, Any] = json.loads(body)
    names = [html.escape(str(each["name"])) for each in facts["speakers"] if each["name"]]
    begins = str(facts["begins_at"])
    values = {
        "broadcast": facts["broadcast"],
        "cut": f"{facts['from']}-{facts['to']}",
        "length": position(facts["seconds"]),
        "from": position(facts["position"]),
        "to": position(facts["position"] + facts["seconds"]),
        "begins_at": begins,
        "day": begins[:10],
        "time": f"{begins[11:19]} UTC",
        "who": ", ".join(names),
        "context": html.escape(facts["context"]),
        "silent": "" if any(gap["cause"] in _SILENT for gap in facts["gaps"]) else "hidden",
        "wide": str(_BAR * len(facts["levels"])),
        "wave": _wave(facts["levels"]),
        "segments": _segments(facts),
    }
    for file in facts["files"]:
        kind = file["name"].rpartition(".")[2]
        values[f"{kind}_sha256"] = file["sha256"]
        values[f"{kind}_bytes"] = str(file["bytes"])
    return values


def _wave(levels: list[int]) -> str:
    """An SVG path: one bar for each 200 ms."""
    parts: list[str] = []
    for at, level in enumerate(levels):
        share = min(1.0, max(0.0, (_QUIET - level) / (_QUIET - _LOUD)))
        tall = max(2, round(share * _TALL))
        parts.append(f"M{at * _BAR} {(_TALL - tall) // 2}h3v{tall}h-3z")
    return "".join(parts)


def _segments(facts: dict[str, Any]) -> str:
    """Lines of a list: each segment, with its address and its SHA-256."""
    place = f"/r/{facts['slug']}/replay/{facts['broadcast']}/"
    return "".join(
        f'<li><a href="{place}{each["file"]}">{each["file"]}</a> <code>{each["sha256"]}</code></li>'
        for file in facts["files"]
        for each in file["cut_from"]
    )
