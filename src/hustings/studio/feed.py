"""One room's public state as an ordered stream of changes. Pure.

Whoever has a snapshot and puts the changes of every later event in has what a fresh snapshot would give:
`applied(snapshot, event.changed)`, and web/js/room_state.js does the same in browsers. Who was away asks for
what it missed; when that is no longer here, for a snapshot.

`changed` names members by paths: "status", or with "/" a member within, elements of lists by their `id`
("participants/ab12/muted"). "questions/list/*" is a list's new order: the `id`s of what was there, and
whole what is new. So an event stays small, for it goes to every listener. Who is speaking is not in here:
it changes with the sound and travels with it.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hustings.bus.messages import RoomEvent

MAX_EVENTS = 500
"""Events kept for those who were away."""
MAX_BYTES = 512 * 1024
"""... and what they may weigh together, as text."""
FIGURES = 2.0
"""Seconds between two events at least when nothing but figures (listeners, talk time, votes) changed."""

CROWD = 1.0
"""... and when the audience does what many may do at once: asks to speak, asks questions."""
ORDER = "*"

_FIGURES = ("audience", "vote", "talked")

type State = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class News:
    """What happened, as a kind of docs/api.md and what of it is worth telling a person."""

    kind: str
    data: Mapping[str, Any] = field(default_factory=dict)


def diff(old: State, new: State) -> dict[str, Any]:
    """What `applied` needs to make `new` of `old`. Both have the same members."""
    changed: dict[str, Any] = {}
    _diff("", old, new, changed)
    return changed


def _diff(path: str, old: Any, new: Any, changed: dict[str, Any]) -> None:
    if old == new:
        return
    before, after = _members(old), _members(new)
    listed = isinstance(new, list)
    if before is None or after is None or isinstance(old, list) != listed:
        changed[path] = new
        return
    if listed and list(before) != list(after):
        if before.keys().isdisjoint(after):
            changed[path] = new
            return
        changed[f"{path}/{ORDER}"] = [name if name in before else each for name, each in after.items()]
    elif before.keys() != after.keys():
        changed[path] = new
        return
    for name, value in after.items():
        if name in before:
            _diff(f"{path}/{name}" if path else name, before[name], value, changed)


def _members(value: Any) -> Mapping[str, Any] | None:
    """What can be named within `value`; None when it is only ever replaced whole."""
    if isinstance(value, Mapping):
        names = value
    elif isinstance(value, list) and value and all(isinstance(each, Mapping) for each in value):
        names = {str(each.get("id", "")): each for each in value}
        if len(names) != len(value):
            return None
    else:
        return None
    return names if all(name and name != ORDER and "/" not in name for name in names) else None


def applied(state: State, changed: Mapping[str, Any]) -> dict[str, Any]:
    """`state` with `changed` put in. Raises KeyError when it is not the state the change was made for."""
    result: Any = state
    for path, value in changed.items():
        result = _put(result, path.split("/"), value)
    return dict(result)


def _put(value: Any, path: Sequence[str], content: Any) -> Any:
    name, *rest = path
    if isinstance(value, list) and name == ORDER:
        known = {each["id"]: each for each in value}
        return [known[each] if isinstance(each, str) else each for each in content]
    if isinstance(value, list):
        at = next((at for at, each in enumerate(value) if each["id"] == name), None)
        if at is None:
            raise KeyError(name)
        return [*value[:at], _put(value[at], rest, content) if rest else content, *value[at + 1 :]]
    return {**value, name: _put(value[name], rest, content) if rest else content}


def without_speaking(state: State) -> dict[str, Any]:
    """The part of state.json that events keep current."""
    people = [{k: v for k, v in person.items() if k != "speaking"} for person in state["participants"]]
    return {**state, "participants": people}


def _lines(old: State, new: State) -> list[News]:
    """Who is heard now and was not, and the other way round. The end of a broadcast says it for all."""
    if new["status"] == "ended":
        return []
    news = []
    for kind, a, b in (("left", old, new), ("joined", new, old)):
        there = {person["id"] for person in b["participants"] if person["connected"]}
        news += [
            News(kind, {"id": person["id"], "name": person["name"], "role": person["role"]})
            for person in a["participants"]
            if person["connected"] and person["id"] not in there
        ]
    return news


def _questions(old: State, new: State) -> list[News]:
    before = {question["id"]: question for question in old["list"]}
    news = []
    for question in new["list"]:
        known = before.get(question["id"])
        if known is None or known["state"] != question["state"]:
            # What moved up into the list because others left it is old news.
            fresh = known is not None or new["asked"] > old["asked"]
            data = {name: question[name] for name in ("id", "state", "name", "text")}
            news += [News("question", data)] if fresh else []
    return news


def _figures(old: State, new: State, changed: Mapping[str, Any]) -> str:
    """The kind of event when nothing but figures changed, "" when it is more."""
    kinds = {_figure(path) for path in changed}
    if "questions" in kinds and _without_votes(old["questions"]) == _without_votes(new["questions"]):
        kinds = kinds - {"questions"} | {"vote"}
    return next((kind for kind in _FIGURES if kinds <= set(_FIGURES) and kind in kinds), "")


def _figure(path: str) -> str:
    member, _, rest = path.partition("/")
    if member == "participants":
        return "talked" if rest.endswith("/talked_seconds") else ""
    return "audience" if member in ("listeners", "listeners_by_door") else member


def _asked_patience(old: State, new: State) -> float:
    """As RoomFeed._patience, of the questions: what a host does with them is told at once."""
    before = {each["id"]: each["state"] for each in old["list"]}
    after = {each["id"]: each["state"] for each in new["list"]}
    if any(old[name] != new[name] for name in ("open", "moderated")) or len(after) < len(before):
        return 0.0
    if any(before.get(name, "open") != state for name, state in after.items()):
        return 0.0
    return FIGURES if before.keys() == after.keys() else CROWD


def _without_votes(questions: State) -> object:
    """The questions as a set: votes may also change their order."""
    shown = {each["id"]: {k: v for k, v in each.items() if k != "votes"} for each in questions["list"]}
    return {**questions, "list": shown}


@dataclass(frozen=True, slots=True)
class Kept:
    """An event with its text for sockets: one string for all of them."""

    event: RoomEvent
    text: str


class RoomFeed:
    """`stream` names the run of the studio, `seq` counts from 1 in it. Times are the caller's: `at` wall
    clock, `now` monotonic."""

    def __init__(self, slug: str, stream: str, state: State) -> None:
        self.slug = slug
        self.stream = stream
        self.seq = 0
        self.state: dict[str, Any] = without_speaking(state)
        """As all know it who have taken every event."""
        self.due: float | None = None
        """When figures that were held back may go out."""
        self._ring: deque[Kept] = deque()
        self._bytes = 0
        self._held: list[News] = []
        self._figures_at = float("-inf")

    def advance(self, state: State, news: Sequence[News], at: float, now: float) -> list[RoomEvent]:
        """`state` is how the room stands now, `news` what was decided since the last call; the events that
        tell of it, in order. The first carries what changed, the others only their own news."""
        new = without_speaking(state)
        changed = diff(self.state, new)
        self.due = None
        if not news and not self._held and not changed:
            return []
        news = [*self._held, *news]
        wait = self._patience(news, new, changed)
        if now < self._figures_at + wait:
            self._held = news
            self.due = self._figures_at + wait
            return []
        self._held = []
        told = [*news, *_lines(self.state, new), *_questions(self.state["questions"], new["questions"])]
        figures = _figures(self.state, new, changed)
        self.state = new
        self._figures_at = now
        told = _once(told) or [News(figures or "edited")]
        return [self._keep(each, changed if n == 0 else {}, at) for n, each in enumerate(told)]

    def _patience(self, news: Sequence[News], new: State, changed: Mapping[str, Any]) -> float:
        """How long after the event before these have to wait, in seconds."""
        if any(each.kind != "hand" or each.data.get("state") == "called" for each in news):
            return 0.0
        kinds = {_figure(path) for path in changed} - ({"hands"} if news else set())
        wait = CROWD if news else FIGURES
        if "questions" in kinds:
            wait = min(wait, _asked_patience(self.state["questions"], new["questions"]))
        return wait if kinds <= {*_FIGURES, "questions"} else 0.0

    def _keep(self, news: News, changed: Mapping[str, Any], at: float) -> RoomEvent:
        self.seq += 1
        event = RoomEvent(
            slug=self.slug,
            stream=self.stream,
            seq=self.seq,
            at=round(at, 3),
            kind=news.kind,
            data=dict(news.data),
            changed=dict(changed),
        )
        text = event_text(event)
        self._ring.append(Kept(event, text))
        self._bytes += len(text)
        while len(self._ring) > MAX_EVENTS or (self._bytes > MAX_BYTES and len(self._ring) > 1):
            self._bytes -= len(self._ring.popleft().text)
        return event

    def since(self, stream: str, seq: int) -> list[Kept] | None:
        """The events after `seq` of `stream`; None when not all of them are here: only a snapshot helps."""
        if stream != self.stream or not 0 <= seq <= self.seq:
            return None
        missed = self.seq - seq
        if missed > len(self._ring):
            return None
        return [self._ring[n] for n in range(len(self._ring) - missed, len(self._ring))]

    def forget(self) -> None:
        """Keeps the state but no events."""
        self._ring.clear()
        self._bytes = 0


def _once(news: Sequence[News]) -> list[News]:
    """Each thing said once, at its first mention."""
    said: list[News] = []
    for each in news:
        if each not in said:
            said.append(each)
    return said


def event_text(event: RoomEvent) -> str:
    """The event as sockets send it."""
    return compact(
        {
            "type": "event",
            "stream": event.stream,
            "seq": event.seq,
            "at": event.at,
            "kind": event.kind,
            "data": event.data,
            "changed": event.changed,
        }
    )


def compact(value: object) -> str:
    """JSON without spaces."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
