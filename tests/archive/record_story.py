"""A believable public record: two evenings of a room, with everything that can be in one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hustings.archive.record_file import Published, entries_path
from hustings.archive.record_keys import Signer
from hustings.rooms.record import FIRST, Json, entry_line, head_line, line_hash, moment
from hustings.rooms.record_entries import Fact

SLUG = "town-hall"
AT = 1_795_975_200.0
"""29 November 2026, 18:00 UTC."""
FIRST_EVENING, SECOND_EVENING = "20261122T185500-0a1b2c", "20261129T185500-a1b2c3"
SIGNER, NEXT = (Signer(Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32)) for n in (7, 8))
HOSTILE = "</p><script>alert(1)</script>\"'&<img src=x onerror=alert(2)>"
WEEK = 7 * 86_400


@dataclass
class Record:
    """`lines`: the entries, without line feeds; `head` closes them."""

    lines: list[bytes]
    head: bytes

    @property
    def whole(self) -> bytes:
        return b"".join(line + b"\n" for line in [*self.lines, self.head])

    def publish(self, data: Path, slug: str = SLUG) -> Published:
        """Below a data folder, as edges read it."""
        path = entries_path(data, slug)
        path.parent.mkdir(parents=True, exist_ok=True)
        body = b"".join(line + b"\n" for line in self.lines)
        path.write_bytes(body)
        return Published(entries=len(self.lines), size=len(body), head=self.head.decode())


def signed(facts: Iterable[Fact], slug: str = SLUG, signer: Signer = SIGNER) -> Record:
    """Chained and signed; an entry "key" hands over to NEXT."""
    lines: list[bytes] = []
    prev, by = FIRST, signer
    first = Fact("key", AT - 2 * WEEK, {"key": signer.public, "was": None})
    last = AT
    for seq, fact in enumerate([first, *facts]):
        line = entry_line(
            room=slug, seq=seq, prev=prev, at=fact.at, kind=fact.kind, data=fact.data, sign=by.sign
        )
        if seq and fact.kind == "key":
            by = NEXT
        lines.append(line)
        prev, last = line_hash(line), fact.at
    head = head_line(room=slug, entries=len(lines), last=prev, at=last + 1, sign=by.sign)
    return Record(lines, head)


def evening(
    broadcast: str, live: float, *, minutes: int = 58, listeners: int = 640, more: Sequence[Fact] = ()
) -> list[Fact]:
    """One broadcast from its doors to its recording."""
    of: dict[str, Json] = {"broadcast": broadcast}
    found = [
        Fact("doors_opened", live - 600, {**of, "planned": moment(live), "title": "The new library"}),
        Fact("first_speaker", live - 590, of),
        _seat(broadcast, live - 590, "Ada Byron", "host"),
        _seat(broadcast, live - 300, "Clara Weiss", "speaker"),
        Fact("live", live + 0.2, of),
        Fact("first_sound", live + 0.4, of),
        Fact("chapter", live + 60, {**of, "title": "Money"}),
        Fact("off_record", live + 900, of),
        Fact("on_record", live + 960, of),
        Fact("incident", live + 1200, {**of, "what": "edge_restarted"}),
    ]
    peak, total = 0, 0
    for minute in range(minutes):
        now = max(1, round(listeners * (1 - abs(minute - minutes / 3) / minutes)))
        peak, total = max(peak, now), total + now * 60
        net: dict[str, Json] = {"concurrent": now, "peak": now, "seconds": now * 60, "joined": 9, "left": 3}
        begins = moment(live + 60 * minute)
        data: dict[str, Json] = {**of, "minute": begins, "net": {**net, "unique": now + 40}}
        found.append(Fact("audience", live + 60 * minute + 165, data))
    ended = live + 60 * minutes
    speakers: list[Json] = [
        {"name": "Ada Byron", "seconds": 20 * minutes},
        {"name": "Clara Weiss", "seconds": 34 * minutes},
    ]
    summed: dict[str, Json] = {"peak": peak, "peak_at": moment(live), "seconds": total, "unique": peak + 40}
    summed["average_hundredths"] = total * 100 // (60 * minutes)
    program: dict[str, Json] = {
        "aac": {"segments": 10 * minutes, "root": "5c" * 32},
        "opus": {"segments": 10 * minutes, "root": "a7" * 32},
    }
    found += [
        Fact("talk_time", ended, {**of, "speakers": speakers}),
        Fact("ended", ended, {**of, "reason": "ended"}),
        Fact(
            "audience_total",
            ended + 130,
            {**of, "milliseconds": 60_000 * minutes, "minutes": 0, "net": summed},
        ),
        Fact(
            "recording",
            ended + 3,
            {
                **of,
                "live_since": moment(live + 0.2),
                "milliseconds": 60_000 * minutes,
                "whole": True,
                "program": program,
                "sha256": "0f" * 32,
            },
        ),
    ]
    return [*found, *more]


def _seat(broadcast: str, at: float, name: str, role: str) -> Fact:
    return Fact("on_stage", at, {"broadcast": broadcast, "name": name, "role": role, "agreed": True})


def story(*, both: bool = True) -> list[Fact]:
    """Everything, in its order; without `both`, of the second evening alone."""
    who: dict[str, Json] = {"invitation": "i1", "name": "Clara Weiss"}
    key: dict[str, Json] = {"key": NEXT.public, "was": SIGNER.public}
    statement: dict[str, Json] = {
        "id": "s1",
        "who": "Clara Weiss",
        "text": "I said 400 flats, as the council decided in May.\nThe paper that says so is public.",
        "link": "https://example.org/flats",
        "broadcast": FIRST_EVENING,
    }
    wrong: dict[str, Json] = {"id": "c1", "was": "40 flats", "now": "400 flats", "broadcast": FIRST_EVENING}
    return [
        Fact(
            "created", AT - 2 * WEEK + 1, {"title": "The new library", "scheduled": moment(AT - WEEK + 3600)}
        ),
        Fact("invitation", AT - 10 * 86_400, {**who, "role": "speaker", "state": "offered"}),
        Fact("invitation", AT - 9 * 86_400, {**who, "state": "accepted"}),
        Fact(
            "invitation",
            AT - 9 * 86_400,
            {**who, "word": "With pleasure; bring the plans.", "proposed": None},
        ),
        *(evening(FIRST_EVENING, AT - WEEK + 3600, listeners=212) if both else []),
        Fact("key", AT - 3 * 86_400, key),
        Fact("statement", AT - 2 * 86_400, statement),
        Fact("correction", AT - 86_400, {**wrong, "position": 724}),
        *evening(SECOND_EVENING, AT + 3600),
    ]
