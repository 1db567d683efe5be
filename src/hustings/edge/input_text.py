"""Text that listeners wrote, made fit to be shown to everybody. Pure."""

from __future__ import annotations

import unicodedata

NAME_LENGTH = 80
QUESTION_LENGTH = 280
"""Code points after cleaning."""

_OPENS = "\u2066\u2067\u2068"
_CLOSES = "\u2069"
_DEEPEST = 8
_MAX_MARKS = 4
# Joiners are part of scripts and emoji, direction marks of right-to-left text; no other invisible format
# character is kept: embeddings and overrides reach out of the text and make what follows read another way.
_KEPT_FORMAT = frozenset("\u200c\u200d\u200e\u200f\u061c")


def clean(text: str, longest: int) -> str:
    """One line: NFC, no control characters, single spaces, few stacked marks, isolates balanced.

    Raises ValueError saying what is wrong when nothing is left or more than `longest` code points.
    """
    kept: list[str] = []
    marks = depth = 0
    for char in unicodedata.normalize("NFC", text):
        category = unicodedata.category(char)
        marks = marks + 1 if category in ("Mn", "Me") else 0
        if category == "Cs":
            raise ValueError("contains half a character (a lone surrogate)")
        if category in ("Zs", "Zl", "Zp") or char in "\t\n\r":
            char = " "
        elif char in _OPENS:
            if depth == _DEEPEST:
                continue
            depth += 1
        elif char == _CLOSES:
            if not depth:
                continue
            depth -= 1
        elif category == "Cc" or (category == "Cf" and char not in _KEPT_FORMAT) or marks > _MAX_MARKS:
            continue
        kept.append(char)
    # What is taken away may bring together what composes: once more.
    cleaned = unicodedata.normalize("NFC", " ".join("".join(kept).split(" ")).strip(" "))
    cleaned = " ".join(part for part in cleaned.split(" ") if part) + _CLOSES * depth
    if not any(unicodedata.category(char)[0] in "LNPS" for char in cleaned):
        raise ValueError("has no visible character")
    if len(cleaned) > longest:
        raise ValueError(f"has {len(cleaned)} characters; at most {longest} fit")
    return cleaned
