"""Recordings and their editions: which of them is public. Pure.

A recording has editions; an edition has some only once its original is gone (somebody's part was taken down).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import msgspec

from hustings.archive.editing import Asked
from hustings.archive.withheld import Withheld
from hustings.store.edits import Edit


class Family:
    """All editions there are. `gone`: whether a recording was given up."""

    def __init__(self, gone: Callable[[str], bool]) -> None:
        self._gone = gone
        self._edits: dict[str, Edit] = {}
        self._asked: dict[str, Asked] = {}

    def load(self, edits: Iterable[Edit]) -> None:
        self._edits.clear()
        for edit in edits:
            self.put(edit)

    def put(self, edit: Edit) -> None:
        """It is there, or is so now."""
        self._edits[edit.edition] = edit
        self._asked[edit.edition] = msgspec.json.decode(edit.asked, type=Asked)

    def remove(self, edit: Edit) -> None:
        """It never was."""
        self._edits.pop(edit.edition, None)

    def publish(self, broadcast: str, edition: str, at: float) -> None:
        """This one of the recording's editions is public; "": the original."""
        for edit in self._all(broadcast):
            if edit.edition != edition:
                self.put(replace(edit, public=False))
            elif not edit.public:
                self.put(replace(edit, public=True, published_at=at))

    # --- what there is -----------------------------------------------------------------------

    def _all(self, broadcast: str) -> list[Edit]:
        return [edit for edit in self._edits.values() if edit.broadcast == broadcast]

    def of(self, broadcast: str) -> list[Edit]:
        """The recording's editions that were not given up, in order."""
        found = [
            edit for edit in self._all(broadcast) if edit.dropped_at is None and not self._gone(edit.edition)
        ]
        return sorted(found, key=lambda edit: edit.number)

    def originals(self) -> set[str]:
        """Recordings that have editions."""
        return {edit.broadcast for edit in self._edits.values()}

    def editions(self, broadcast: str) -> list[str]:
        """Identifiers of what goes with the recording when it is deleted."""
        return [edit.edition for edit in self.of(broadcast)]

    def edition(self, identifier: str) -> Edit | None:
        """The edition of this identifier, if it is one."""
        return self._edits.get(identifier)

    def is_edition(self, identifier: str) -> bool:
        """Whether this is an edition whose original is there."""
        edit = self._edits.get(identifier)
        return edit is not None and not self._gone(edit.broadcast)

    def orphans(self) -> list[Edit]:
        """Editions that are there although their original was given up."""
        return [
            edit
            for edit in self._edits.values()
            if edit.dropped_at is None and not self._gone(edit.edition) and self._gone(edit.broadcast)
        ]

    def next_number(self, broadcast: str) -> int:
        return max((edit.number for edit in self._all(broadcast)), default=0) + 1

    # --- take-downs --------------------------------------------------------------------------

    def take_downs(self) -> list[Edit]:
        """All that were asked for and not given up."""
        return [
            edit
            for edit in self._edits.values()
            if edit.take_down and edit.dropped_at is None and not self._gone(edit.edition)
        ]

    def pending(self, broadcast: str) -> list[Edit]:
        """Take-downs of this recording that are not public yet."""
        return [
            edit for edit in self.take_downs() if edit.broadcast == broadcast and edit.published_at is None
        ]

    def holding(self, take_down: Edit) -> list[str]:
        """The original, and its editions that have somebody in them whose part is to go."""
        persons = set(self._asked[take_down.edition].without)
        return [
            take_down.broadcast,
            *(
                edit.edition
                for edit in self.of(take_down.broadcast)
                if persons - set(self._asked[edit.edition].without)
            ),
        ]

    def taken_down(self, identifier: str) -> bool:
        """Whether this has a part in it that is to go, or ought to be gone."""
        return any(identifier in self.holding(each) for each in self.take_downs())

    def overtaken(self, broadcast: str, asked: Asked) -> list[Edit]:
        """Editions never published that a take-down leaves nothing to be made of, or stands for."""
        persons = set(asked.without)
        return [
            edit
            for edit in self.of(broadcast)
            if edit.published_at is None and persons - set(self._asked[edit.edition].without)
        ]

    def taken_over(self, broadcast: str, asked: Asked, failed: list[Edit]) -> Asked:
        """A take-down publishes by itself: so whoever is left out of what is public, or of a take-down that
        failed, is left out of it too; if it says nothing of cuts and gains, those of what is public hold."""
        public = [edit for edit in self.of(broadcast) if edit.public]
        without = list(asked.without)
        for edit in (*public, *failed):
            without += [who for who in self._asked[edit.edition].without if who not in without]
        asked = msgspec.structs.replace(asked, without=without)
        plain = asked.begins is None and asked.ends is None and not asked.cuts and not asked.gains
        if public and plain:
            before = self._asked[public[0].edition]
            gains = {who: gain for who, gain in before.gains.items() if who not in without}
            asked = msgspec.structs.replace(
                asked, begins=before.begins, ends=before.ends, cuts=before.cuts, gains=gains
            )
        return asked

    # --- what is public ----------------------------------------------------------------------

    def was_public(self, identifier: str) -> bool:
        """Whether it is, or was once, what everybody hears."""
        edit = self._edits.get(identifier)
        return edit is None or edit.published_at is not None

    def is_public(self, identifier: str) -> bool:
        """Whether everybody may hear this one, as far as its editions go."""
        edit = self._edits.get(identifier)
        if edit is not None and (not edit.public or edit.dropped_at is not None):
            return False
        return not any(each.public for each in self._all(identifier)) and not self.taken_down(identifier)

    def public_of(self, broadcast: str) -> str:
        """Of the recording and its editions the one everybody hears; "": none."""
        for identifier in (broadcast, *self.editions(broadcast)):
            if self.is_public(identifier) and not self._gone(identifier):
                return identifier
        return ""

    def wanted(self, broadcast: str) -> list[tuple[str, str, Withheld | None]]:
        """(slug or "", identifier, what its folder should say) of the recording and its editions."""
        edit = self._edits.get(broadcast)
        slugs = [each.slug for each in self._all(broadcast)] + ([edit.slug] if edit is not None else [])
        members = [broadcast, *(each.edition for each in self._all(broadcast))]
        slug = slugs[0] if slugs else ""
        return [(slug, identifier, self._withheld(broadcast, identifier)) for identifier in members]

    def _withheld(self, broadcast: str, identifier: str) -> Withheld | None:
        if self.is_public(identifier):
            return None
        edit = self._edits.get(identifier)
        if edit is not None and edit.published_at is None:
            return Withheld(why="draft", since="")
        instead = self.public_of(broadcast)
        return Withheld(why="edited" if instead else "being_edited", since="", instead=instead)
