"""audience.json and the totals, from nothing but entries of the public record (docs/audience.md)."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from hustings.audience.lanes import DOORS, MOMENT, SECONDS, VERSION, WITHIN
from hustings.audience.sketch import UNIQUE_ERROR
from hustings.audience.words import COUNTRIES, TEXT

BROADCASTS: Final = 50
MINUTES: Final = 360
DAYS: Final = 400
_APART: Final = ("beacon", "bots")


def moment(wall: float) -> str:
    """ISO 8601 in UTC, to the millisecond, as in the record."""
    return f"{datetime.fromtimestamp(round(wall, 3), UTC):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z"


def total(minutes: Sequence[Mapping[str, Any]], milliseconds: int) -> dict[str, Any]:
    """`data` of "audience_total" without `broadcast`, of that of all "audience" entries in their order."""
    doors = {door: [m["doors"][door] for m in minutes if door in m["doors"]] for door in DOORS}
    return {
        "milliseconds": milliseconds,
        "minutes": len(minutes),
        "net": _sum([m["net"] for m in minutes], minutes, milliseconds),
        "doors": {
            door: {
                "peak": max(each["peak"] for each in found),
                "seconds": sum(each["seconds"] for each in found),
                "unique": max(each["unique"] for each in found),
            }
            for door, found in doors.items()
            if found
        },
        **{name: _sum([m[name] for m in minutes], minutes, milliseconds) for name in _APART},
        "requests": sum(m["requests"] for m in minutes),
        "connections": sum(m["connections"] for m in minutes),
        "salts": max((m["salts"] for m in minutes), default=0),
        **_countries([m["countries"] for m in minutes if "countries" in m]),
    }


def _countries(minutes: Sequence[Mapping[str, Mapping[str, int]]]) -> dict[str, Any]:
    """Nothing at all where they were not counted."""
    names = sorted({name for minute in minutes for name in minute})
    found = {name: [minute[name] for minute in minutes if name in minute] for name in names}
    sums = {
        name: {"seconds": sum(e["seconds"] for e in each), "listeners": max(e["listeners"] for e in each)}
        for name, each in found.items()
    }
    return {"countries": sums} if minutes else {}


def _sum(
    found: Sequence[Mapping[str, int]], minutes: Sequence[Mapping[str, Any]], milliseconds: int
) -> dict[str, Any]:
    peak = max((each["peak"] for each in found), default=0)
    seconds = sum(each["seconds"] for each in found)
    at = next(
        (m["minute"] for m, each in zip(minutes, found, strict=True) if peak and each["peak"] == peak), None
    )
    return {
        "peak": peak,
        "peak_at": at,
        "average_hundredths": (200_000 * seconds + milliseconds) // (2 * milliseconds) if milliseconds else 0,
        "seconds": seconds,
        "unique": max((each["unique"] for each in found), default=0),
    }


class Told:
    """What a room's record tells of its audience. Feed it the entries in their order."""

    def __init__(self) -> None:
        self.broadcasts: dict[str, dict[str, Any]] = {}
        """By identifier, in their order: title, live_since, ended, minutes, and total once it is there."""
        self.replay: list[dict[str, Any]] = []
        self.sealed: set[str] = set()
        """Broadcasts whose figures are for their hosts only, as their doors said when they opened."""

    def entry(self, kind: str, at: str, data: Mapping[str, Any]) -> None:
        """One entry; those of other kinds are passed over."""
        if kind == "audience_replay":
            self.replay.append(dict(data))
            del self.replay[:-DAYS]
            return
        if kind not in ("doors_opened", "live", "ended", "audience", "audience_total"):
            return
        begun: dict[str, Any] = {
            "title": "",
            "live_since": None,
            "ended": None,
            "minutes": [],
            "rows": [],
            "left_out": 0,
            "total": None,
        }
        broadcast = self.broadcasts.setdefault(data["broadcast"], begun)
        match kind:
            case "doors_opened":
                broadcast["title"] = data["title"]
                if data.get("figures") == "hosts":
                    self.sealed.add(data["broadcast"])
            case "live":
                broadcast["live_since"] = at
            case "ended":
                broadcast["ended"] = at
            case "audience":
                broadcast["minutes"].append(dict(data))
                broadcast["rows"].append(_row(data))
            case _:
                broadcast["total"] = dict(data)
                broadcast["minutes"] = []  # summed up: what is shown of them stays
        self._bound()

    def _bound(self) -> None:
        while len(self.broadcasts) > BROADCASTS:
            del self.broadcasts[next(iter(self.broadcasts))]
        room = MINUTES
        for broadcast in reversed(self.broadcasts.values()):
            more = len(broadcast["rows"]) - room
            if more > 0:
                del broadcast["rows"][:more]
                broadcast["left_out"] += more
            room -= len(broadcast["rows"])


def audience_json(
    room: str,
    told: Told,
    *,
    now: float,
    lists: Mapping[str, Any],
    passing: Mapping[str, Sequence[Mapping[str, Any]]],
    replayed: Iterable[Mapping[str, Any]] = (),
    countries: Mapping[str, Any] | None = None,
    seconds: float = SECONDS,
    within: float = WITHIN,
    without: Container[str] = (),
) -> dict[str, Any]:
    """The whole answer. `passing`: by broadcast, what is not final yet, `minute` as text like the rest;
    `replayed`: days that go on; `countries`: of their database, if there is one. `seconds`, `within`: as they
    are set. `without`: broadcasts of which nothing is said."""
    room_for = MINUTES
    broadcasts = []
    for identifier, broadcast in reversed(told.broadcasts.items()):
        if broadcast["live_since"] is None or identifier in without:
            continue
        minutes = broadcast["minutes"]
        running = [(_row(m), False) for m in passing.get(identifier, ())]
        rows = [*((row, True) for row in broadcast["rows"]), *running]
        kept = rows[max(0, len(rows) - room_for) :]
        room_for -= len(kept)
        broadcasts.append(
            {
                "broadcast": identifier,
                "title": broadcast["title"],
                "live_since": broadcast["live_since"],
                "ended": broadcast["ended"],
                "totals": _totals(broadcast["total"] or total(minutes, _live(broadcast))),
                "minutes": [_shown(row, final=final) for row, final in kept],
                "minutes_left_out": broadcast["left_out"] + len(rows) - len(kept),
            }
        )
    days = [
        *({**each, "final": False} for each in replayed),
        *reversed([{**d, "final": True} for d in told.replay]),
    ]
    return {
        "v": 1,
        "room": room,
        "as_of": moment(now),
        "method": {
            "version": VERSION,
            "seconds": seconds,
            "within": round(within),
            "moment_seconds": MOMENT,
            "unique_error": UNIQUE_ERROR,
            "lists": dict(lists),
            **_in_words(countries),
        },
        "broadcasts": broadcasts,
        "replay": [_day(each) for each in days if each["broadcast"] not in without][:DAYS],
    }


def _in_words(countries: Mapping[str, Any] | None) -> dict[str, Any]:
    if countries is None:
        return {"text": TEXT}
    text = {lang: f"{text} {COUNTRIES[lang]}" for lang, text in TEXT.items()}
    return {"countries": dict(countries), "text": text}


def _day(each: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "day": each["day"],
        "recording": each["broadcast"],
        "plays": each["plays"],
        "listening_seconds": each["seconds"],
        "final": each["final"],
    }


def _live(broadcast: Mapping[str, Any]) -> int:
    """Milliseconds on air that the minutes tell of: to the end, or to the end of the last final minute."""
    since = datetime.fromisoformat(broadcast["live_since"])
    if broadcast["ended"] is not None:
        until = datetime.fromisoformat(broadcast["ended"]).timestamp()
    elif broadcast["minutes"]:
        until = datetime.fromisoformat(broadcast["minutes"][-1]["minute"]).timestamp() + 60
    else:
        return 0
    return max(0, round(until * 1000) - round(since.timestamp() * 1000))


def milliseconds_live(live_since: str, ended: str) -> int:
    """Between two times of the record."""
    return _live({"live_since": live_since, "ended": ended, "minutes": []})


def _totals(of: Mapping[str, Any]) -> dict[str, Any]:
    none = {"peak": 0, "seconds": 0, "unique": 0}
    doors = {door: of["doors"].get(door, none) for door in DOORS}
    return {
        "net": {
            **_named(of["net"]),
            "by_door": {
                door: {"peak": e["peak"], "unique": e["unique"], "listening_seconds": e["seconds"]}
                for door, e in doors.items()
            },
            **({"countries": _heard_in(of["countries"])} if "countries" in of else {}),
        },
        "apart": {name: _named(of[name]) for name in _APART},
        "gross": {"requests": of["requests"], "connections": of["connections"]},
        "salts": of["salts"],
    }


def _heard_in(countries: Mapping[str, Mapping[str, int]]) -> dict[str, Any]:
    return {
        name: {"listeners": each["listeners"], "listening_seconds": each["seconds"]}
        for name, each in countries.items()
    }


def _named(each: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "peak": each["peak"],
        "peak_at": each["peak_at"],
        "average_hundredths": each["average_hundredths"],
        "unique": each["unique"],
        "listening_seconds": each["seconds"],
    }


type _Row = tuple[str, int, int, int, tuple[int, ...], int, int, int, int, int]


def _row(minute: Mapping[str, Any]) -> _Row:
    """What is shown of a minute, small."""
    net = minute["net"]
    return (
        minute["minute"],
        net["concurrent"],
        net["peak"],
        net["seconds"],
        tuple(minute["doors"].get(door, {}).get("concurrent", 0) for door in DOORS),
        net["joined"],
        net["left"],
        net["unique"],
        minute["beacon"]["concurrent"],
        minute["bots"]["concurrent"],
    )


def _shown(row: _Row, *, final: bool) -> dict[str, Any]:
    at, concurrent, peak, seconds, doors, joined, left, unique, beacon, bots = row
    return {
        "at": at,
        "final": final,
        "concurrent": concurrent,
        "peak": peak,
        "listening_seconds": seconds,
        "by_door": dict(zip(DOORS, doors, strict=True)),
        "joined": joined,
        "left": left,
        "unique": unique,
        "beacon": beacon,
        "bots": bots,
    }
