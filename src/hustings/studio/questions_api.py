"""Questions of the audience: what hosts make of them, and the public log. Asking: at the audience door."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field

from hustings.rooms.questions import QuestionState
from hustings.studio.answers import problems
from hustings.studio.auth import KnownSlug, TheStudio, conductor
from hustings.studio.questions import Questions
from hustings.studio.schemas import Body
from hustings.studio.text import utc

router = APIRouter(prefix="/api/rooms/{slug}/questions", tags=["questions"])


class Decision(Body):
    """What a host makes of a question."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"state": "chosen"}]})
    state: Literal["open", "chosen", "answered", "hidden"]


class QuestionShown(BaseModel):
    """A question as hosts see it."""

    id: str
    text: str
    name: str
    votes: int
    state: Literal["pending", "open", "chosen", "answered", "hidden"]
    asked_at: str
    chosen_at: str | None = None
    answered_at: str | None = None


class QuestionLog(BaseModel):
    """What was asked in the current or last broadcast, as everybody may read it."""

    slug: str
    broadcast: str | None
    asked: int = Field(description="How many anybody may read.")
    pending: int = Field(description="How many wait for a host to let them through.")
    hidden: int = Field(description="How many a host has hidden.")
    left_out: int = Field(description="How many of `asked` are not in `questions`, for length.")
    questions: list[QuestionShown]


def get_questions(request: Request) -> Questions:
    questions = request.app.state.questions
    assert isinstance(questions, Questions)
    return questions


type TheQuestions = Annotated[Questions, Depends(get_questions)]


@router.get("", response_model=QuestionLog, responses=problems(404, 503))
async def question_log(slug: KnownSlug, studio: TheStudio, questions: TheQuestions) -> dict[str, Any]:
    """The public log, newest state; at the audience door it is `/r/{slug}/questions.json`."""
    studio.room(slug)
    return questions.public_log(slug)


@router.post(
    "/{question_id}",
    response_model=QuestionShown,
    dependencies=[Depends(conductor)],
    responses=problems(400, 401, 403, 404, 409, 413, 422, 503),
)
async def decide(
    slug: KnownSlug, question_id: str, body: Decision, questions: TheQuestions
) -> dict[str, Any]:
    """Lets a question through (`open`), chooses it, marks it as answered, hides it, or takes one of these
    back. 409 for what does not follow: a hidden question is opened before it is chosen."""
    question = await questions.decide(slug, question_id, QuestionState(body.state))
    return {
        "id": question.id,
        "text": question.text,
        "name": question.name,
        "votes": question.votes,
        "state": question.state.value,
        "asked_at": utc(question.asked_at),
        "chosen_at": utc(question.chosen_at) or None,
        "answered_at": utc(question.answered_at) or None,
    }
