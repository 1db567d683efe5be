"""Chapters of an episode for podcast players: JSON Chapters 1.2.0 of the podcast namespace."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

CONTENT_TYPE = "application/json+chapters"


@dataclass(frozen=True, slots=True)
class Chapter:
    """`start`: seconds into the episode."""

    start: float
    title: str


def chapters_json(title: str, chapters: Sequence[Chapter]) -> bytes:
    """The file's bytes."""
    marks = [{"startTime": round(chapter.start, 3), "title": chapter.title} for chapter in chapters]
    document = {"version": "1.2.0", "title": title, "chapters": marks}
    return json.dumps(document, ensure_ascii=False, indent=1).encode() + b"\n"
