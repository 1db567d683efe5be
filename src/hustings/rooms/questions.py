"""Questions of one broadcast: asked and voted on by listeners, let through, chosen and answered by hosts.

Pure, like the room itself, but kept apart from it: there are more of them, and a host's command must not
load them all. A `Sheet` holds one broadcast's; what is decided here is stored first and put in afterwards.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from hustings.rooms.errors import RoomError, UnknownMember

MAX_QUESTIONS = 500
"""Not hidden ones of a broadcast. Hiding one makes room for another, up to MAX_KEPT in all."""
MAX_KEPT = 2000
MAX_BY_DEVICE = 10
MAX_BY_ADDRESS = 50
"""Questions from one address (a household, but perhaps the hall) in one broadcast."""
MAX_VOTES_BY_ADDRESS = 20
"""Votes from one address for one question."""


class QuestionState(Enum):
    """Where a question is on its way to an answer."""

    PENDING = "pending"
    """Waits for a host to let it through; nobody else sees it."""
    OPEN = "open"
    """Everybody sees it and may vote for it."""
    CHOSEN = "chosen"
    """It is being answered, or will be next."""
    ANSWERED = "answered"
    HIDDEN = "hidden"
    """Taken away by a host. The public log counts it and shows nothing of it."""


_S = QuestionState

TABLE: frozenset[tuple[QuestionState, QuestionState]] = frozenset(
    {
        # (from, to); what is missing is illegal, and a state may always be set again
        (_S.PENDING, _S.OPEN),
        (_S.PENDING, _S.CHOSEN),
        (_S.PENDING, _S.HIDDEN),
        (_S.OPEN, _S.CHOSEN),
        (_S.OPEN, _S.ANSWERED),
        (_S.OPEN, _S.HIDDEN),
        (_S.CHOSEN, _S.OPEN),
        (_S.CHOSEN, _S.ANSWERED),
        (_S.CHOSEN, _S.HIDDEN),
        # slips of a host's hand can be taken back
        (_S.ANSWERED, _S.OPEN),
        (_S.ANSWERED, _S.CHOSEN),
        (_S.ANSWERED, _S.HIDDEN),
        (_S.HIDDEN, _S.OPEN),
    }
)
PUBLIC = frozenset({_S.OPEN, _S.CHOSEN, _S.ANSWERED})
"""What everybody may read."""
VOTABLE = frozenset({_S.OPEN, _S.CHOSEN})


class IllegalQuestion(RoomError):
    """A question in `state` cannot become what was wanted."""

    def __init__(self, state: QuestionState, wanted: QuestionState) -> None:
        super().__init__(f"The question is {state.value}; it cannot become {wanted.value}.")
        self.state = state
        self.wanted = wanted


@dataclass(frozen=True, slots=True)
class Question:
    """One question. `device` and `address` are keyed hashes of whoever asked, "" once forgotten."""

    id: str
    text: str
    name: str
    """As the asker wants to be called; "" for nobody."""
    state: QuestionState
    asked_at: float
    changed_at: float
    votes: int = 0
    chosen_at: float | None = None
    answered_at: float | None = None
    device: str = ""
    address: str = ""


@dataclass(frozen=True, slots=True)
class Ask:
    """A listener asks."""

    question_id: str
    text: str
    name: str
    device: str
    address: str
    at: float


@dataclass(frozen=True, slots=True)
class Vote:
    """A listener wants this question answered."""

    question_id: str
    device: str
    address: str


class Why(Enum):
    """Why a question or vote was left out; listeners are not told."""

    REPEATED = "repeated"
    """The same device asked the same, or voted for it already."""
    LIMIT = "limit"
    """As many from this device or address as there may be."""
    FULL = "full"
    """The broadcast has its MAX_QUESTIONS."""
    NOT_OPEN = "not_open"
    """No such question, or none that is voted on."""


class Sheet:
    """All questions of one broadcast. `put` and `voted` are called after the change was stored."""

    def __init__(self, broadcast_id: str, questions: Iterable[Question] = ()) -> None:
        self.broadcast_id = broadcast_id
        self._all: dict[str, Question] = {}
        self._asked: set[tuple[str, str]] = set()
        self._by_device: Counter[str] = Counter()
        self._by_address: Counter[str] = Counter()
        self._shown = 0
        for question in questions:
            self.put(question)

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Question]:
        return iter(self._all.values())

    def get(self, question_id: str) -> Question | None:
        return self._all.get(question_id)

    @property
    def shown(self) -> int:
        """How many are not hidden."""
        return self._shown

    def put(self, question: Question) -> None:
        """A new question, or a known one as it is now."""
        before = self._all.get(question.id)
        self._all[question.id] = question
        self._shown += (question.state is not _S.HIDDEN) - (
            before is not None and before.state is not _S.HIDDEN
        )
        if before is None:
            self._asked.add((question.device, question.text.casefold()))
            self._by_device[question.device] += bool(question.device)
            self._by_address[question.address] += bool(question.address)

    def voted(self, counts: Mapping[str, int]) -> None:
        """So many more votes, by question."""
        for question_id, count in counts.items():
            question = self._all[question_id]
            self._all[question_id] = replace(question, votes=question.votes + count)

    # --- decisions ---------------------------------------------------------------------------

    def ask(self, asks: Sequence[Ask], *, moderated: bool) -> tuple[list[Question], Counter[Why]]:
        """The questions that `asks` become, and how many do not, by why. Changes nothing."""
        new: list[Question] = []
        left_out: Counter[Why] = Counter()
        seen: set[tuple[str, str]] = set()
        devices: Counter[str] = Counter()
        addresses: Counter[str] = Counter()
        for ask in asks:
            key = (ask.device, ask.text.casefold())
            if key in seen or key in self._asked:
                left_out[Why.REPEATED] += 1
            elif self._shown + len(new) >= MAX_QUESTIONS or len(self._all) + len(new) >= MAX_KEPT:
                left_out[Why.FULL] += 1
            elif (
                devices[ask.device] + self._by_device[ask.device] >= MAX_BY_DEVICE
                or addresses[ask.address] + self._by_address[ask.address] >= MAX_BY_ADDRESS
            ):
                left_out[Why.LIMIT] += 1
            else:
                seen.add(key)
                devices[ask.device] += 1
                addresses[ask.address] += bool(ask.address)
                new.append(_question(ask, _S.PENDING if moderated else _S.OPEN))
        return new, left_out

    def may_vote(self, question_id: str) -> bool:
        question = self._all.get(question_id)
        return question is not None and question.state in VOTABLE

    def change(self, question_id: str, wanted: QuestionState, at: float) -> Question:
        """The question as a host wants it; itself when it is so already. Changes nothing here.

        Raises UnknownMember, IllegalQuestion.
        """
        question = self._all.get(question_id)
        if question is None:
            raise UnknownMember("question", question_id)
        if question.state is wanted:
            return question
        if (question.state, wanted) not in TABLE:
            raise IllegalQuestion(question.state, wanted)
        changed = replace(question, state=wanted, changed_at=at)
        if wanted is _S.CHOSEN:
            changed = replace(changed, chosen_at=at)
        elif wanted is _S.ANSWERED:
            changed = replace(changed, answered_at=at)
        return changed

    # --- views -------------------------------------------------------------------------------

    def ranked(self) -> list[Question]:
        """What everybody may read: chosen first, then by votes, answered last; earlier ones before."""
        return sorted(
            (question for question in self._all.values() if question.state in PUBLIC),
            key=lambda q: (_RANK[q.state], -q.votes, q.asked_at, q.id),
        )

    def pending(self) -> list[Question]:
        """What waits for a host, oldest first."""
        waiting = [question for question in self._all.values() if question.state is _S.PENDING]
        return sorted(waiting, key=lambda q: (q.asked_at, q.id))


_RANK = {_S.CHOSEN: 0, _S.OPEN: 1, _S.ANSWERED: 2}


def _question(ask: Ask, state: QuestionState) -> Question:
    return Question(
        id=ask.question_id,
        text=ask.text,
        name=ask.name,
        state=state,
        asked_at=ask.at,
        changed_at=ask.at,
        device=ask.device,
        address=ask.address,
    )


def count_votes(
    votes: Sequence[Vote],
    known: Collection[tuple[str, str]],
    by_address: Mapping[tuple[str, str], int],
) -> tuple[list[Vote], Counter[Why]]:
    """The votes that count, and how many do not, by why.

    `known`: (question, device) of votes there are already; `by_address`: (question, address) -> how many.
    """
    counted: dict[tuple[str, str], Vote] = {}
    left_out: Counter[Why] = Counter()
    addresses: Counter[tuple[str, str]] = Counter()
    for vote in votes:
        key, place = (vote.question_id, vote.device), (vote.question_id, vote.address)
        if key in counted or key in known:
            left_out[Why.REPEATED] += 1
        elif vote.address and addresses[place] + by_address.get(place, 0) >= MAX_VOTES_BY_ADDRESS:
            left_out[Why.LIMIT] += 1
        else:
            addresses[place] += 1
            counted[key] = vote
    return list(counted.values()), left_out
