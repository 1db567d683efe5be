"""Text from people, cleaned once at the door; times as everybody outside reads them."""

from __future__ import annotations

import unicodedata

from hustings.wording import iso

NAME_LENGTH = 80
TITLE_LENGTH = 140
"""Characters after cleaning."""

# Bidirectional controls can make a name read as another one or turn the rest of the line around.
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
# Joiners are part of scripts and emoji; every other invisible format character only deceives.
_KEPT_FORMAT = frozenset("\u200c\u200d")
_MAX_MARKS = 4


def clean(text: str, max_length: int) -> str:
    """One line of text: NFC, no control, bidi or invisible characters, spaces single, few stacked marks.

    Raises ValueError saying what is wrong when nothing is left or more than `max_length` characters.
    """
    kept: list[str] = []
    marks = 0
    for char in unicodedata.normalize("NFC", text):
        category = unicodedata.category(char)
        if category == "Cs":
            raise ValueError("contains half a character (a lone surrogate)")
        if category in ("Zs", "Zl", "Zp") or char in "\t\n\r":
            char = " "  # every kind of white space is one space
        elif category == "Cc" or char in _BIDI or (category == "Cf" and char not in _KEPT_FORMAT):
            continue
        marks = marks + 1 if category in ("Mn", "Me") else 0
        if marks <= _MAX_MARKS:
            kept.append(char)
    cleaned = " ".join("".join(kept).split(" ")).strip(" ")
    cleaned = unicodedata.normalize("NFC", " ".join(cleaned.split()))
    if not any(unicodedata.category(char)[0] in "LNPS" for char in cleaned):
        raise ValueError("has no visible character")
    if len(cleaned) > max_length:
        raise ValueError(f"has {len(cleaned)} characters; at most {max_length} fit")
    return cleaned


def clean_block(text: str, max_length: int) -> str:
    """Several lines of text: each cleaned as by `clean`, at most one empty line between two; "" stays.

    Raises ValueError as `clean` does, but for what has no visible character.
    """
    lines: list[str] = []
    for raw in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        try:
            line = clean(raw, max_length)
        except ValueError as error:
            if "no visible" not in str(error):
                raise
            line = ""
        if line or (lines and lines[-1]):
            lines.append(line)
    block = "\n".join(lines).strip("\n")
    if len(block) > max_length:
        raise ValueError(f"has {len(block)} characters; at most {max_length} fit")
    return block


def utc(seconds: float | None) -> str:
    """Unix seconds as ISO 8601 in UTC, to the second; "" for None."""
    return "" if seconds is None else iso(seconds)
