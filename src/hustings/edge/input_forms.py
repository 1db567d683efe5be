"""Bodies that listeners send, read strictly: JSON, known members, cleaned texts. Pure.

`read` gives a `Sent` or raises `Malformed`, whatever the bytes (fuzzing/fuzz_input.py).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec

from hustings.bus.messages import ReactionKind
from hustings.edge.input_text import NAME_LENGTH, QUESTION_LENGTH, clean

type Kind = Literal["hand", "lower", "reaction", "question", "vote"]

_DEVICE = re.compile(r"[A-Za-z0-9_-]{16,64}")
_TICKET = re.compile(r"t_[A-Za-z0-9_-]{22,128}")
_HASH = re.compile(r"[0-9a-f]{64}")
_QUESTION = re.compile(r"[0-9a-f]{8,32}")
_PLACE = re.compile(r" - at `\$\.?([A-Za-z_.]*)`$")

type _Raw = Annotated[str, msgspec.Meta(max_length=2000)]


class Malformed(ValueError):
    """400 or 422: what is wrong, and where."""

    def __init__(self, status: int, detail: str, where: str = "body") -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.where = where


@dataclass(frozen=True, slots=True)
class Sent:
    """What a listener sent, clean."""

    kind: Kind
    device: str = ""
    name: str = ""
    text: str = ""
    ticket_hash: str = ""
    question_id: str = ""
    reaction: str = ""


class _Hand(msgspec.Struct, forbid_unknown_fields=True):
    name: _Raw = ""
    ticket_hash: _Raw = ""
    device: _Raw = ""
    lower: bool = False
    ticket: _Raw = ""


class _Reaction(msgspec.Struct, forbid_unknown_fields=True):
    kind: ReactionKind
    device: _Raw = ""


class _Question(msgspec.Struct, forbid_unknown_fields=True):
    text: _Raw
    device: _Raw
    name: _Raw = ""


class _Vote(msgspec.Struct, forbid_unknown_fields=True):
    question_id: _Raw
    device: _Raw


def _hand(body: _Hand) -> Sent:
    if body.lower:
        # The ticket itself: only who made it can take the hand down again.
        ticket = _matching(_TICKET, body.ticket, "ticket", "t_ and 22 to 128 of A-Z, a-z, 0-9, - and _")
        digest = hashlib.sha256(ticket.encode()).hexdigest()
        return Sent("lower", _device(body.device) if body.device else "", ticket_hash=digest)
    name = _cleaned(body.name, NAME_LENGTH, "name")
    ticket_hash = _matching(_HASH, body.ticket_hash, "ticket_hash", "a SHA-256 in 64 digits of 0-9 and a-f")
    return Sent("hand", _device(body.device), name, ticket_hash=ticket_hash)


def _reaction(body: _Reaction) -> Sent:
    return Sent("reaction", _device(body.device) if body.device else "", reaction=body.kind)


def _question(body: _Question) -> Sent:
    name = _cleaned(body.name, NAME_LENGTH, "name") if body.name.strip() else ""
    return Sent("question", _device(body.device), name, _cleaned(body.text, QUESTION_LENGTH, "text"))


def _vote(body: _Vote) -> Sent:
    wanted = _matching(_QUESTION, body.question_id, "question_id", "the id of a question in state.json")
    return Sent("vote", _device(body.device), question_id=wanted)


_FORMS: dict[str, tuple[msgspec.json.Decoder[Any], Callable[[Any], Sent]]] = {
    "hand": (msgspec.json.Decoder(_Hand), _hand),
    "reaction": (msgspec.json.Decoder(_Reaction), _reaction),
    "question": (msgspec.json.Decoder(_Question), _question),
    "vote": (msgspec.json.Decoder(_Vote), _vote),
}


def read(door: str, body: bytes) -> Sent:
    """What a POST to `door` (hand, reaction, question, vote) says. Raises Malformed."""
    decoder, understand = _FORMS[door]
    try:
        decoded = decoder.decode(body)
    except msgspec.ValidationError as error:
        text = str(error)
        place = _PLACE.search(text)
        detail = text[: place.start()] if place else text
        raise Malformed(422, f"{detail}.", _where(place[1] if place else "")) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(400, "The body is not JSON in UTF-8.") from error
    return understand(decoded)


def _where(member: str) -> str:
    return f"body: {member}" if member else "body"


def _device(text: str) -> str:
    return _matching(_DEVICE, text, "device", "16 to 64 of A-Z, a-z, 0-9, - and _")


def _matching(pattern: re.Pattern[str], text: str, member: str, wanted: str) -> str:
    if pattern.fullmatch(text) is None:
        raise Malformed(422, f"Send {wanted}.", _where(member))
    return text


def _cleaned(text: str, longest: int, member: str) -> str:
    try:
        return clean(text, longest)
    except ValueError as error:
        raise Malformed(422, f"It {error}.", _where(member)) from error
