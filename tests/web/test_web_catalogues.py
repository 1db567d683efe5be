"""The German and the English catalogue hold the same texts, and exactly those that pages and scripts use."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import get_args

import hustings
from hustings.bus.health_messages import NodeEventKind
from hustings.bus.messages import RecordingState
from hustings.edge.lobby_page import SPOKEN
from hustings.edge.static import EXCERPTS
from hustings.studio.operator.findings import Key

PACKAGE = Path(hustings.__file__).parent
LANGUAGES = ("de", "en")
RECORDING = ("on", "off_record", "off")
SAID = """
    role.host role.cohost role.speaker role.listener key key.was created created.scheduled plan
    plan.scheduled cancelled scheduled_again invitation invitation.offered invitation.seen
    invitation.accepted invitation.declined invitation.withdrawn invitation.expired invitation.word
    invitation.proposed doors_opened doors_opened.planned on_stage.agreed on_stage.not_agreed
    consent.agreed consent.not_agreed first_speaker live live.late first_sound incident
    incident.studio_restarted incident.stage_restarted incident.edge_restarted incident.bus_lost
    incident.edge_widened incident.edge_refusing incident.recording_failing chapter off_record
    on_record paused resumed taken_up talk_time ended recording.whole recording.not_whole
    recording_deleted recording_deleted.host recording_deleted.retention recording_deleted.take_down
    statement correction audience_total audience_total.sealed audience_replay audience_replay.sealed
"""
"""Entries of a public record, as its page tells them: record.say.{kind}, perhaps with what it is about."""
COMPOSED = {
    # Keys that pages and scripts put together: their beginnings.
    "status.": ("scheduled", "open", "live", "paused", "ended", "cancelled"),
    "role.": ("host", "cohost", "speaker", "listener"),
    "invitation.": ("offered", "seen", "accepted", "declined", "withdrawn", "expired"),
    "player.": (
        "waiting",
        "waiting_hint",
        *(
            state + hint
            for state in ("stalled", "seeking", "reconnecting", "blocked", "failed", "ended")
            for hint in ("", "_hint")
        ),
    ),
    "room.": (
        *(f"react.{kind}" for kind in ("applause", "heart", "laugh", "surprise", "agree", "disagree")),
        *(f"{place}{state}" for place in ("rec.", "tell.recording_") for state in RECORDING),
    ),
    "hand.": (
        *("nobody", "connecting", "heard", "heard_hint", "heard_stage", "heard_stage_hint"),
        *("muted", "muted_hint", "muted_by_host", "reconnecting", "reconnecting_hint"),
        *(f"trouble.{why}" for why in ("insecure", "old", "refused", "missing", "busy")),
    ),
    "replay.": (
        *(f"gap.{cause}" for cause in ("off_record", "no_consent", "lost", "disk")),
        *("file_mp3", "file_made_m4a", "file_flac"),
        *(f"edited_{what}" for what in ("trimmed", "cuts", "removed", "gains", "without", "take_down")),
    ),
    "edit.": (
        *(f"{what}_{end}" for what in ("mark", "marked", "cut", "whole") for end in ("from", "to")),
        *(f"{end}_here" for end in ("from", "to", "whole_from", "whole_to")),
        *("whole_from_at", "whole_to_at", "cuts.one", "cuts.other"),
        *(f"why.{why}" for why in ("least", "many", "nobody", "removing")),
        *(f"remove_{what}" for what in ("at_once", "instead", "deleted", "others")),
    ),
    "record.": (
        *(f"say.{kind}" for kind in SAID.split()),
        *(f"bad.{why}" for why in ("end", "empty", "line", "seq", "room", "prev", "key", "sig", "head")),
        *(f"proves{what}_{n}" for what in ("", "_not") for n in (1, 2, 3)),
    ),
    "clip.": tuple(f"{end}{what}" for end in ("begin", "end") for what in ("", "s", "_earlier", "_later")),
    "audience.door.": ("push", "hls", "stream", "whep"),
    "audience.col.": (
        *("time", "into", "left_of", "chapter", "speaking", "hear", "begins", "listening_then", "peak"),
        *("joined", "left", "door", "unique", "unique_so_far", "listening", "share", "who", "day"),
        *("recording", "plays", "country", "most_in_minute"),
    ),
    "audience.country.": ("other", "unknown"),
    "error.": tuple(
        f"{status}.{part}" for status in (400, 404, 429, 500, 503, "other") for part in ("title", "detail")
    ),
    "app.language.": LANGUAGES,
    "lobby.": (*SPOKEN, "title", "lead", "crowded", "stay", "invited", "noscript"),
    "feed.": ("planned", "cancelled", "live", "recorded", "of_host", "all"),
    "desk.": (
        *(
            name + hint
            for name in (
                "green_room",
                "hands",
                "questions",
                "moderated",
                "equal_time",
                "queue_by_talk",
                "recording",
            )
            for hint in ("", "_hint")
        ),
        *(f"cover_{word}" for word in ("sending", "kept", "gone", "type", "size", "bad", "failed")),
        *(f"figures_{who}" for who in ("all", "hosts")),
        *(f"calendar_note.{role}" for role in ("host", "cohost", "speaker", "listener")),
    ),
    "speak.": (
        *("onair", "not_on_air", "doors_open", "paused", "over", "cancelled"),
        *(
            f"heard.{word}"
            for word in ("nobody", "nobody_now", "stage", "air", "muted", "muted_by_host", "ended")
        ),
        *(
            f"hint.{word}"
            for word in (
                *("before", "ready", "connecting", "doors", "stage", "air", "muted", "muted_by_host"),
                *(
                    "reconnecting",
                    "left",
                    "ended",
                    "ended_host",
                    "cancelled",
                    "doors_host",
                    "reconnecting_green",
                ),
                *(
                    "invited",
                    "before_host",
                    "ready_green",
                    "muted_green",
                    "aside_guest",
                    "aside_host",
                    "green",
                    "paused",
                ),
            )
        ),
        *(f"level.{word}" for word in ("quiet", "good", "loud", "none", "wait", "clipped")),
        *(
            f"problem.{name}.{part}"
            for name in (
                *("ticket", "bad_ticket", "insecure", "old", "refused", "missing", "busy", "unplugged"),
                *("elsewhere", "server", "rejected", "used", "expired", "withdrawn", "removed", "banned"),
                "locked",
            )
            for part in ("title", "text")
        ),
        *("problem.again", "problem.elsewhere.action"),
    ),
    "operator.": (
        *("well", "warnings", "trouble"),
        *(f"{what}.{key}" for key in get_args(Key.__value__) for what in ("find", "do")),
        *(f"event.{kind}" for kind in get_args(NodeEventKind.__value__)),
        *(f"level.{level}" for level in range(5)),
        *(f"role_state.{state}" for state in ("up", "starting", "away")),
        *(f"record.{state}" for state in (*get_args(RecordingState.__value__), "unknown")),
    ),
    "desk.recording_": (
        *("on_air", "finishing", "deleting", "deleted_host", "deleted_retention", "deleted_take_down"),
    ),
    "console.": (
        *(f"invitation.is.{state}" for state in ("offered", "seen", "accepted", "declined")),
        *(f"questions.{step}" for step in ("let_through", "choose", "done")),
        *(f"reaction.{kind}" for kind in ("applause", "heart", "laugh", "surprise", "agree", "disagree")),
        *(
            f"told.{kind}"
            for kind in (
                "opened",
                "live",
                "ended",
                "joined",
                "left",
                "topic",
                "locked",
                "unlocked",
                "hand",
                "lapsed",
            )
        ),
        *(f"{place}{state}" for place in ("rec.", "told.recording_") for state in RECORDING),
        *(f"rec.{state}" for state in ("will", "will_not", "will_off", "waiting", "failing", "unknown")),
        *(f"rec.{what}.{why}" for what in ("alarm", "do") for why in ("failing", "unknown", "spare")),
        *(f"rec.{what}unconfirmed" for what in ("", "alarm.", "do.")),
        *(f"rec.problem.{why}" for why in ("full", "read_only", "forbidden", "broken", "hung")),
    ),
}


def catalogue(lang: str) -> dict[str, str]:
    texts: dict[str, str] = json.loads((PACKAGE / "web" / "i18n" / f"{lang}.json").read_text("utf-8"))
    return texts


def used() -> set[str]:
    found: set[str] = set()
    for path in [*(PACKAGE / "studio" / "templates").glob("*.html"), *(PACKAGE / "web" / "js").glob("*.js")]:
        text = path.read_text("utf-8")
        for call, key in re.findall(r"\bt(\.n)?\(\s*[\"']([a-z0-9_.]+)[\"']\s*[,)]", text):
            found |= {f"{key}.one", f"{key}.other"} if call else {key}
        for key in re.findall(r"(?:strings|_strings)\.n\(\"([a-z_.]+)\"", text):
            found |= {f"{key}.one", f"{key}.other"}
        found |= set(re.findall(r"[?:] \"((?:console|speak)(?:\.[a-z_]+)+)\"", text))
        for first, second in re.findall(r"\? \"([a-z]+\.[a-z_]+)\" : \"([a-z]+\.[a-z_]+)\"", text):
            found |= {first, second}
    return found | {start + rest for start, rests in COMPOSED.items() for rest in rests}


def test_both_languages_have_the_same_texts_with_the_same_places() -> None:
    german, english = (catalogue(lang) for lang in LANGUAGES)
    places = re.compile(r"\{\w+\}")
    assert {key: sorted(places.findall(text)) for key, text in german.items()} == {
        key: sorted(places.findall(text)) for key, text in english.items()
    }


def test_every_text_that_is_used_exists_and_every_text_that_exists_is_used() -> None:
    texts, wanted = set(catalogue("en")), used()
    assert wanted - texts == set()
    assert texts - wanted == set()


def test_german_addresses_people_as_sie() -> None:
    familiar = re.compile(r"\b(du|dein|deine|deinem|dir|dich)\b", re.I)
    assert [text for text in catalogue("de").values() if familiar.search(text)] == []


def test_the_listeners_page_finds_its_texts_in_its_part_of_the_catalogue() -> None:
    """The edge serves i18n/listener.{lang}.json; scripts that other pages share are looked through, too."""
    scripts = [
        path
        for path in (PACKAGE / "web" / "js").glob("*.js")
        if path.name.startswith(("listen", "room_")) and path.name not in ("room_events.js", "listen_clip.js")
    ]
    wanted = _asked_by(scripts)
    assert len(wanted) > 60
    assert {key for key in wanted if not key.startswith(EXCERPTS["listener"])} == set()


def test_the_pages_of_recordings_and_clips_find_theirs() -> None:
    folder = PACKAGE / "web" / "js"
    scripts = [*folder.glob("replay*.js"), *folder.glob("clip*.js"), folder / "listen_clip.js"]
    wanted = _asked_by(scripts)
    assert len(wanted) > 25
    assert {key for key in wanted if not key.startswith(EXCERPTS["replay"])} == set()


def test_the_page_of_who_listened_finds_its_own() -> None:
    wanted = _asked_by([*(PACKAGE / "web" / "js").glob("audience*.js")])
    assert len(wanted) > 30
    assert {key for key in wanted if not key.startswith(EXCERPTS["audience"])} == set()


def _asked_by(scripts: list[Path]) -> set[str]:
    """Keys of texts, or their beginnings."""
    return {
        key
        for path in scripts
        for key in re.findall(r"\b[tn]\(\s*[\"'`]([a-z0-9_]+\.[a-z0-9_.]*)", path.read_text("utf-8"))
    }
