"""The page that explains a room's public record: /r/{slug}/record, and /r/{slug}/record/{n} for what was
before entry n. Filled from the record itself, so it shows nothing that is not in it; every text of an entry
is escaped. Pure: lines in, values out. The words are the template's pieces (studio/templates/record.html).

Bounded: an entry page shows ENTRIES entries at most, and of the audience's minutes MINUTES a broadcast.
"""

from __future__ import annotations

import html
import json
import re
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from hustings.edge.filled import Values, fill, pieces
from hustings.rooms.record import line_hash
from hustings.rooms.record_seal import SEALED
from hustings.wording import clock, date, duration, position

ENTRIES: Final = 120
MINUTES: Final = 720
KEYS: Final = 8
"""Keys that are listed: the newest."""
_RAW: Final = 400
_WIDE, _TALL = 600, 90
_AUDIENCE: Final = b'"kind":"audience"'
_KEY: Final = b'"kind":"key"'
_TITLED: Final = (b'"kind":"created"', b'"kind":"plan"', b'"kind":"doors_opened"')
_TIMES: Final = ("scheduled", "planned", "proposed")
_VARIANTS: Final = ("state", "why", "what")
_HAS: Final = ("late", "word", "proposed", "planned", "scheduled", "was", "sealed")
_DOOR: Final = re.compile(r"[0-9]{8}T[0-9]{6}-[0-9a-f]{6}")

type Entry = dict[str, Any]


@dataclass(slots=True)
class Taken:
    """What of a record one page shows. `before`: the number of the first entry it does not show."""

    room: str
    before: int
    count: int = 0
    size: int = 0
    last: str = ""
    """Hash of the last entry of all."""
    title: str = ""
    keys: list[Entry] = field(default_factory=list)
    shown: list[Entry] = field(default_factory=list)
    minutes: dict[str, list[tuple[str, int]]] = field(default_factory=dict)
    """By broadcast: minute and listeners then."""
    sealed: Counter[str] = field(default_factory=Counter)
    """By broadcast: minutes whose figures are sealed."""

    @property
    def first(self) -> int:
        return self.shown[0]["seq"] if self.shown else 0


def take(room: str, lines: Iterable[bytes], before: int | None) -> Taken:
    """From a record's entries, one line each, in order. `before` None: up to the newest. Raises ValueError
    for what is no record."""
    kept: deque[tuple[int, bytes]] = deque(maxlen=ENTRIES)
    heard: deque[bytes] = deque(maxlen=MINUTES * 2)
    taken = Taken(room, before if before is not None else 0, title=room)
    titled = b""
    for seq, line in enumerate(lines):
        taken.count, taken.size, last = seq + 1, taken.size + len(line) + 1, line
        if _KEY in line and (key := json.loads(line))["kind"] == "key":
            taken.keys = [*taken.keys, key][-KEYS:]
        if before is not None and seq >= before:
            continue
        if _AUDIENCE in line:
            heard.append(line)
        else:
            kept.append((seq, line))
        if any(kind in line for kind in _TITLED):
            titled = line
    if taken.count:
        taken.last = line_hash(last)
    if titled:
        taken.title = str(json.loads(titled)["data"].get("title", room))
    if before is None:
        taken.before = taken.count
    taken.shown = [{**json.loads(line), "hash": line_hash(line)} for _, line in _from_a_beginning(kept)]
    for line in heard:
        data = json.loads(line)["data"]
        if SEALED in data:
            taken.sealed[str(data["broadcast"])] += 1
            continue
        of = taken.minutes.setdefault(str(data["broadcast"]), [])
        of.append((str(data["minute"]), int(data["net"]["concurrent"])))
    return taken


def _from_a_beginning(kept: deque[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    """As many as fit, from the beginning of a broadcast on if one is among the first half of them."""
    lines = list(kept)
    if not lines or len(lines) < ENTRIES:
        return lines
    for at, (_, line) in enumerate(lines[: ENTRIES // 2]):
        if b'"kind":"doors_opened"' in line:
            return lines[at:]
    return lines


def values(taken: Taken, head: Mapping[str, Any], template: bytes, lang: str) -> Values:
    """What stands in record.html's places. `head`: the line that closes the record."""
    as_of = str(head.get("at", ""))
    told = _Told(pieces(template), taken, lang)
    key = taken.keys[-1]["data"]["key"] if taken.keys else ""
    several = taken.keys if len(taken.keys) > 1 else []
    return {
        "slug": html.escape(taken.room),
        "title": html.escape(taken.title),
        "bytes": str(taken.size),
        "size": f"{taken.size / 1000:.0f} kB" if taken.size < 1_000_000 else f"{taken.size / 1e6:.1f} MB",
        "count": str(taken.count),
        "as_of": html.escape(as_of),
        "as_of_day": date(as_of, lang),
        "as_of_time": f"{html.escape(as_of[11:19])} UTC",
        "last": taken.last,
        "key": html.escape(str(key)),
        "rotated": [{}] if several else [],
        "keys": [
            {
                "n": str(each["seq"]),
                "at": html.escape(each["at"]),
                "day": date(each["at"], lang),
                "key": html.escape(str(each["data"]["key"])),
            }
            for each in several
        ],
        "entries": "".join(told.groups()),
        "earlier": [{"slug": html.escape(taken.room), "next": str(taken.first)}] if taken.first > 0 else [],
        "newest": [{"slug": html.escape(taken.room)}] if taken.before < taken.count else [],
    }


class _Told:
    """Entries as pieces of a page."""

    def __init__(self, made_of: Mapping[str, bytes], taken: Taken, lang: str) -> None:
        self._pieces = made_of
        self._taken = taken
        self._lang = lang

    def _fill(self, of: str, /, **places: str) -> str:
        """One piece; "" when the template has none of that name."""
        piece = self._pieces.get(of)
        if piece is None:
            return ""
        return fill(piece, {"slug": html.escape(self._taken.room), **places}).decode()

    def _tenths(self, number: float) -> str:
        return f"{number:.1f}".replace(".", "," if self._lang == "de" else ".")

    def groups(self) -> list[str]:
        """The broadcasts, newest first; what happened in each in its order."""
        groups: list[list[Entry]] = []
        for entry in self._taken.shown:
            if not groups or entry["kind"] == "doors_opened":
                groups.append([])
            groups[-1].append(entry)
        return [self._group(group) for group in reversed(groups)]

    def _group(self, entries: Sequence[Entry]) -> str:
        first = entries[0]
        opened = first["kind"] == "doors_opened"
        before = "group_before" if first["seq"] == 0 else "group_rest"
        title = html.escape(str(first["data"].get("title", ""))) if opened else self._fill(before)
        broadcast = str(first["data"].get("broadcast", "")) if opened else ""
        planned = str(first["data"].get("planned") or "") if opened else ""
        return self._fill(
            "group",
            seq=str(first["seq"]),
            title=title,
            at=html.escape(first["at"]),
            day=date(first["at"], self._lang),
            audience=self._audience(broadcast, entries),
            rows="".join(self._row(entry, first["at"], planned) for entry in entries),
        )

    def _row(self, entry: Entry, since: str, planned: str) -> str:
        """One entry of the broadcast whose first is at `since`."""
        seq = int(entry["seq"])
        # What came on a later day says which.
        show, when = ("clock", clock(entry["at"])) if entry["at"][:10] == since[:10] else ("date", "")
        return self._fill(
            "row",
            seq=str(seq),
            beyond=str(seq + 1),
            kind=html.escape(entry["kind"]),
            hash=entry["hash"],
            at=html.escape(entry["at"]),
            show=show,
            clock=when or date(entry["at"], self._lang),
            says=self._says(entry, planned),
        )

    def _says(self, entry: Entry, planned: str) -> str:
        kind, data = str(entry["kind"]), entry["data"]
        if kind == "live" and planned:
            data = {**data, "late": self._tenths(seconds_between(planned, entry["at"]))}
        name = next((n for n in _names(kind, data) if n in self._pieces), None)
        if name is None:
            raw = json.dumps(data, ensure_ascii=False, sort_keys=True)
            return self._fill("raw", kind=html.escape(kind), data=html.escape(raw[:_RAW]))
        more = _MORE.get(kind)
        return self._fill(name, **self._places(data)) + (more(self, data) if more is not None else "")

    def _places(self, data: Mapping[str, Any]) -> dict[str, str]:
        """What may stand in the words: each member as people read it."""
        places = {key: html.escape(str(value)) for key, value in data.items() if isinstance(value, str | int)}
        for key in _TIMES:
            if isinstance(at := data.get(key), str):
                places[key] = f"{date(at, self._lang)}, {clock(at)}"
        if "role" in data:
            places["role"] = self._fill(f"say_role_{data['role']}") or html.escape(str(data["role"]))
        if isinstance(net := data.get("net"), dict):
            places["peak"], places["unique"] = str(net["peak"]), str(net["unique"])
            places["hours"] = self._tenths(net["seconds"] / 3600)
        if isinstance(data.get("milliseconds"), int):
            places["length"] = duration(data["milliseconds"] / 1000)
        return places

    # --- what is more than a sentence --------------------------------------------------------

    def doors(self, data: Mapping[str, Any]) -> str:
        return self._fill("doors_sealed") if data.get("figures") == "hosts" else ""

    def talk(self, data: Mapping[str, Any]) -> str:
        speakers = [(str(each["name"]), int(each["seconds"])) for each in data["speakers"]]
        total = sum(seconds for _, seconds in speakers) or 1
        rows = "".join(
            self._fill(
                "talk_row",
                name=html.escape(name),
                time=position(seconds),
                percent=str(round(100 * seconds / total)),
                most=str(total),
                seconds=str(seconds),
            )
            for name, seconds in sorted(speakers, key=lambda one: -one[1])
        )
        return self._fill("talk", rows=rows)

    def statement(self, data: Mapping[str, Any]) -> str:
        link = str(data.get("link", ""))
        shown = self._fill("link", link=html.escape(link)) if link.startswith("https://") else ""
        return self._fill("quote", text=html.escape(str(data["text"]))) + shown + self._listen(data)

    def correction(self, data: Mapping[str, Any]) -> str:
        pair = {name: html.escape(str(data[name])) for name in ("was", "now")}
        entry = data.get("entry")
        link = self._fill("to_entry", entry=str(entry), beyond=str(entry + 1)) if entry is not None else ""
        return self._fill("pair", **pair) + link + self._listen(data)

    def recording(self, data: Mapping[str, Any]) -> str:
        program: Mapping[str, Any] = data.get("program", {})
        rows = "".join(
            self._fill(
                "print_row",
                name=html.escape(name),
                n=str(codec["segments"]),
                root=html.escape(str(codec["root"])),
            )
            for name, codec in program.items()
        )
        return self._listen(data) + self._fill("prints", rows=rows)

    def _listen(self, data: Mapping[str, Any]) -> str:
        """A link to the recording, at the place that is spoken of."""
        broadcast, at = str(data.get("broadcast", "")), data.get("position")
        if _DOOR.fullmatch(broadcast) is None:
            return ""
        if at is None:
            return self._fill("listen", broadcast=broadcast)
        return self._fill("listen_at", broadcast=broadcast, second=str(int(at)), time=position(int(at)))

    def _audience(self, broadcast: str, entries: Sequence[Entry]) -> str:
        """The curve of a broadcast, with what was summed up of it; "" when nobody counted."""
        if minutes_sealed := self._taken.sealed[broadcast]:
            return self._fill("curve_sealed", n=str(minutes_sealed))
        minutes = sorted(self._taken.minutes.get(broadcast, []))[-MINUTES:]
        total = next((e["data"] for e in entries if e["kind"] == "audience_total"), None)
        if not minutes or not broadcast:
            return ""
        net = total["net"] if total is not None else {}
        most = max(n for _, n in minutes) or 1
        step = _WIDE / max(1, len(minutes) - 1)
        points = [
            f"{i * step:.1f} {_TALL - 2 - n / most * (_TALL - 6):.1f}" for i, (_, n) in enumerate(minutes)
        ]
        rows = "".join(
            self._fill("curve_row", at=html.escape(at), clock=clock(at), n=str(n)) for at, n in minutes
        )
        return self._fill(
            "curve",
            peak=str(net.get("peak", most)),
            unique=str(net.get("unique", "–")),
            hours=self._tenths(net["seconds"] / 3600) if "seconds" in net else "–",
            path=f"M0 {_TALL}L{'L'.join(points)}L{_WIDE} {_TALL}Z",
            rows=rows,
        )


_MORE: Final[dict[str, Callable[[_Told, Mapping[str, Any]], str]]] = {
    "doors_opened": _Told.doors,
    "talk_time": _Told.talk,
    "statement": _Told.statement,
    "correction": _Told.correction,
    "recording": _Told.recording,
}


def seconds_between(first: str, last: str) -> float:
    """Of two moments, ISO 8601. Raises ValueError."""
    return (datetime.fromisoformat(last) - datetime.fromisoformat(first)).total_seconds()


def _names(kind: str, data: Mapping[str, Any]) -> Iterable[str]:
    """Names of pieces that may say it, the most particular first."""
    for member in _VARIANTS:
        if isinstance(data.get(member), str):
            yield f"say_{kind}_{data[member]}"
    for member in ("agreed", "whole"):
        if isinstance(data.get(member), bool):
            yield f"say_{kind}_{'' if data[member] else 'not_'}{member}"
    for member in _HAS:
        if data.get(member):
            yield f"say_{kind}_{member}"
    yield f"say_{kind}"
