"""Who may say and hear what on the bus. Each role has a credential of its own, so that an edge, which the
audience can reach, gives no orders to the stage and hears nothing that is for one speaker only.

Subjects as in subjects.py, `*` for an identifier. Answers to requests need no right of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hustings.bus import subjects


@dataclass(frozen=True, slots=True)
class Rights:
    publish: tuple[str, ...]
    subscribe: tuple[str, ...] = ()
    answers: bool = False
    """Whether it serves requests."""


_TO_STAGE = (
    subjects.STAGE_OPEN,
    subjects.STAGE_LIVE,
    subjects.STAGE_STOP,
    subjects.STAGE_OFFER,
    subjects.STAGE_TRICKLE,
    subjects.STAGE_DELETE,
    subjects.STAGE_MUTE,
    subjects.STAGE_PLACE,
    subjects.STAGE_REMOVE,
    subjects.STAGE_ANNOUNCE,
    subjects.STAGE_RECORD,
    subjects.STAGE_PACKETS,
    subjects.MEDIA_WINDOW,
    subjects.AUDIENCE_SALT_WANTED,
)
_FROM_STAGE = (
    subjects.STAGE_HELLO,
    subjects.STAGE_REPORT,
    subjects.STAGE_LEVELS,
    subjects.RECORDING_REPORT,
    subjects.RECORDING_READY,
)
_FROM_EDGES = (
    subjects.ROOMS_SNAPSHOT,
    subjects.AUDIENCE_REPORT,
    subjects.AUDIENCE_SOUND,
    subjects.AUDIENCE_REACTIONS,
    subjects.AUDIENCE_INPUT,
    subjects.AUDIENCE_SALT,
    subjects.AUDIENCE_SALT_HELD,
    subjects.AUDIENCE_HEARD,
    subjects.AUDIENCE_PLAYED,
)
_ROOMS = (subjects.ROOMS_UPDATE, subjects.ROOMS_EVENT, subjects.ROOMS_REACTIONS)
_FROM_SCRIBE = (subjects.DOWNLOAD_REPORT, subjects.EDIT_REPORT, subjects.RECORDING_DELETED)
_OF_ITSELF = (subjects.ROLE_METRICS, subjects.ROLE_READY)
"""What every role says."""
_MEDIA = (subjects.media("*", "*"), subjects.timed("*"))
_RETURNS = subjects.returns("*")

RIGHTS: Mapping[str, Rights] = {
    "stage": Rights(
        (*_OF_ITSELF, *_FROM_STAGE, *_MEDIA, _RETURNS, subjects.AUDIENCE_COUNTED), _TO_STAGE, answers=True
    ),
    "studio": Rights(
        (*_OF_ITSELF, *_TO_STAGE, *_ROOMS, subjects.JOBS_DUE, subjects.RECORDING_WITHHELD),
        (
            *(*_OF_ITSELF, subjects.NODE_HEALTH, _RETURNS),
            *(*_FROM_STAGE, *_FROM_EDGES, *_FROM_SCRIBE, subjects.AUDIENCE_COUNTED),
        ),
        answers=True,
    ),
    "edge": Rights(
        (*_OF_ITSELF, *_FROM_EDGES, subjects.AUDIENCE_COUNTED, subjects.MEDIA_WINDOW),
        (
            *(*_ROOMS, *_MEDIA, subjects.AUDIENCE_SALT_WANTED),
            *(subjects.RECORDING_REPORT, subjects.RECORDING_DELETED, subjects.RECORDING_WITHHELD),
        ),
    ),
    "scribe": Rights((*_OF_ITSELF, *_FROM_SCRIBE), (subjects.JOBS_DUE, subjects.RECORDING_READY)),
    "certificates": Rights(_OF_ITSELF),
    "supervisor": Rights((subjects.NODE_HEALTH,), _OF_ITSELF),
}
"""By role, which is the user's name on the bus, too."""


def kind_of(name: str) -> str:
    """ "edge" of edge-3."""
    return name.partition("-")[0]


def inbox(name: str) -> str:
    """Below which the answers to what the role `name` asks arrive: nobody else may listen there."""
    return f"_INBOX.{kind_of(name)}"


def users(passwords: Mapping[str, str]) -> str:
    """The `authorization` block of nats-server's configuration; `passwords`: by role, as written there."""
    return "\n".join(["authorization {", "  users = [", *map(_user, passwords.items()), "  ]", "}"])


def _user(credential: tuple[str, str]) -> str:
    role, password = credential
    rights = RIGHTS[role]
    answers = "\n      allow_responses: true" if rights.answers else ""
    return (
        f"    {{ user: {role}, password: {password}, permissions: {{\n"
        f"      publish: {_list(rights.publish)}\n"
        f"      subscribe: {_list((*rights.subscribe, inbox(role) + '.>'))}{answers}\n"
        "    } }"
    )


def _list(wanted: tuple[str, ...]) -> str:
    return "[" + ", ".join(f'"{subject}"' for subject in wanted) + "]"
