"""Webhooks, under /api."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from hustings.store.webhooks import Webhook
from hustings.studio.answers import problems
from hustings.studio.auth import Actor, IsKeeper, TheStudio
from hustings.studio.problems import Forbidden
from hustings.studio.schemas import Body, Slug, WebAddress
from hustings.studio.text import utc
from hustings.studio.webhooks.payloads import TYPES
from hustings.studio.webhooks.service import DEAD, OPEN, Webhooks

router = APIRouter(prefix="/api/webhooks", tags=["webhooks"])

type EventType = Literal[
    "room.scheduled",
    "room.edited",
    "room.cancelled",
    "room.opened",
    "room.live",
    "room.paused",
    "room.resumed",
    "room.ended",
    "room.topic",
    "room.locked",
    "room.invited",
    "room.answered",
    "room.seated",
    "room.role",
    "room.hand",
    "room.banned",
    "room.recording",
    "recording.ready",
    "recording.made",
    "recording.deleted",
]
assert set(EventType.__value__.__args__) == TYPES.keys()


class NewWebhook(Body):
    """Where room events are to be sent. See docs/webhooks.md."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "url": "https://example.org/hustings",
                    "events": ["room.live", "room.ended"],
                    "room": "town-hall",
                }
            ]
        }
    )
    url: WebAddress = Field(description="https, a public address. Redirects are not followed.")
    events: Annotated[list[EventType], Field(max_length=50)] = Field([], description="None named: all.")
    room: Slug | None = Field(None, description="Absent: every room of the account.")


class WebhookState(BaseModel):
    """A webhook and how it gets on."""

    id: str
    url: str
    events: list[str]
    room: str | None
    created_at: str
    disabled: bool = Field(description="The receiver answered 410: it hears nothing any more.")
    waiting: int = Field(description="Deliveries that are tried, or tried again.")
    given_up: int = Field(description="Deliveries of the last week that never arrived.")
    last_at: str | None
    last_status: int | None = Field(description="HTTP status of the last attempt; 0: no answer.")
    last_note: str


class WebhookMade(WebhookState):
    secret: str = Field(description="`whsec_...`, to check signatures with. Shown this once.")


class WebhookList(BaseModel):
    webhooks: list[WebhookState]
    types: dict[str, str] = Field(description="What there is to subscribe to, and what it means.")


class Tested(BaseModel):
    """How a test went."""

    id: str = Field(description="The delivery's `webhook-id`.")
    delivered: bool
    status: int = Field(description="0: no answer.")
    note: str


def get_webhooks(request: Request) -> Webhooks:
    webhooks = request.app.state.webhooks
    assert isinstance(webhooks, Webhooks)
    return webhooks


type TheWebhooks = Annotated[Webhooks, Depends(get_webhooks)]


def _whose(actor: Actor) -> str | None:
    return None if actor.kind == "operator" else actor.account_id


@router.get("", response_model=WebhookList, responses=problems(401, 403, 503))
async def list_webhooks(actor: IsKeeper, webhooks: TheWebhooks) -> dict[str, Any]:
    """The account's webhooks; an operator sees all."""
    counts = await webhooks.counts()
    found = await webhooks.store.all(_whose(actor))
    return {"webhooks": [_state(each, counts.get(each.id, {})) for each in found], "types": dict(TYPES)}


@router.post(
    "",
    status_code=201,
    response_model=WebhookMade,
    responses=problems(400, 401, 403, 404, 409, 413, 422, 503),
)
async def new_webhook(
    body: NewWebhook, actor: IsKeeper, webhooks: TheWebhooks, studio: TheStudio
) -> dict[str, Any]:
    """From now on events are sent there, signed (Standard Webhooks). The secret is shown this once."""
    if body.room is not None and not actor.may_conduct(studio.room(body.room)):
        raise Forbidden("Not your room", "Its host, its cohosts and the operator may do this.")
    events = tuple(sorted(set(body.events)))
    webhook = await webhooks.add(actor.account_id, body.url, events, body.room or "")
    return {**_state(webhook, {}), "secret": webhooks.secret(webhook.id)}


@router.delete(
    "/{webhook_id}",
    status_code=204,
    response_class=Response,
    responses={204: {"description": "Done"}, **problems(401, 403, 404, 503)},
)
async def remove_webhook(webhook_id: str, actor: IsKeeper, webhooks: TheWebhooks) -> None:
    """It hears nothing any more, also not what waits."""
    await webhooks.remove(await webhooks.found(webhook_id, _whose(actor)))


@router.post("/{webhook_id}/test", response_model=Tested, responses=problems(401, 403, 404, 413, 429, 503))
async def test_webhook(webhook_id: str, actor: IsKeeper, webhooks: TheWebhooks) -> dict[str, Any]:
    """Sends a `webhook.test` now, once, and says how it went. Takes up to ten seconds."""
    message_id, outcome = await webhooks.test(await webhooks.found(webhook_id, _whose(actor)))
    return {
        "id": message_id,
        "delivered": outcome.delivered,
        "status": outcome.status,
        "note": outcome.note,
    }


def _state(webhook: Webhook, counts: dict[str, int]) -> dict[str, Any]:
    return {
        "id": webhook.id,
        "url": webhook.url,
        "events": list(webhook.events),
        "room": webhook.slug or None,
        "created_at": utc(webhook.created_at),
        "disabled": webhook.disabled_at is not None,
        "waiting": counts.get(OPEN, 0),
        "given_up": counts.get(DEAD, 0),
        "last_at": utc(webhook.last_at) if webhook.last_at is not None else None,
        "last_status": webhook.last_status,
        "last_note": webhook.last_note,
    }
