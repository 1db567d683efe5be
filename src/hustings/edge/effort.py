"""The effort test: a small sum that a browser does by itself, asked of newcomers only while stress lasts.

Pure. The browser is given the SHA-256 of `salt.n` and tries n from 0 upwards until it fits, in the manner of
ALTCHA: at most `WORK` hashes, so the wait has a bound. n follows from the place's number and our key, so
nothing is kept here; the place is signed, runs out and lets in once (`Lobby`). It keeps nobody out who has a
processor: it makes thousands of places from one machine cost something.
"""

from __future__ import annotations

import hashlib

from hustings.place_tokens import PlaceTokens

WORK = 60_000
"""Hashes at most, half of it on average. All of them took 0.12 s of a core of a 2-core Xeon in V8, so a
phone that is fifteen times slower needs two seconds at most, one on average."""
DIGITS = 6
"""An answer is never longer."""


def challenge(tokens: PlaceTokens, number: bytes) -> dict[str, object]:
    """What the browser needs, for the place of this random number."""
    salt = number.hex()
    answer = right_answer(tokens, number)
    return {
        "algorithm": "SHA-256",
        "salt": salt,
        "challenge": hashlib.sha256(f"{salt}.{answer}".encode()).hexdigest(),
        "max": WORK,
    }


def solved(tokens: PlaceTokens, number: bytes, answer: str) -> bool:
    """Whether `answer`, as it came from the browser, is right."""
    if not (0 < len(answer) <= DIGITS and answer.isascii() and answer.isdigit()):
        return False
    return int(answer) == right_answer(tokens, number)


def right_answer(tokens: PlaceTokens, number: bytes) -> int:
    """What a browser has to find; with the key it is there at once."""
    return int.from_bytes(tokens.digest(b"effort", number)[:8]) % WORK
