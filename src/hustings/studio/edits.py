"""Edited versions of recordings (editions): asked for here, made by the scribe, published here.

An edition is a recording of its own, with an identifier of its own. Of a recording and its editions one is
public, or none: all others have a `withheld.json` in their folders (archive/withheld.py), which is written
before the database says so and removed after, so that whatever dies in between, less is public and not more.
`settle` brings folders to what the database says, as often as one likes.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

import msgspec
import structlog

from hustings.archive.editing import Asked, BadEdit, Kept, begins_of, check, kept_of
from hustings.archive.library import Library
from hustings.archive.model import INDEX_NAME, Index, read_index
from hustings.archive.objects import Objects
from hustings.archive.orders import EDIT_KIND, EditOrder, edit_id
from hustings.archive.tombstone import is_deleted
from hustings.archive.withheld import WITHHELD_NAME, Withheld, read_withheld, withhold
from hustings.bus.messages import EditReport, JobsDue, RecordingWithheld
from hustings.clock import Clock
from hustings.errors import Corrupt, Refused, Unavailable
from hustings.ids import is_broadcast_id
from hustings.store.edits import Edit, EditStore
from hustings.store.jobs import DEAD, OPEN, Job, Jobs
from hustings.studio.shelf import Shelf
from hustings.studio.text import utc

log = structlog.get_logger()

MOST_EDITIONS: Final = 20
"""Of one recording, at a time."""
ROUND: Final = 30.0
"""Seconds between two looks at whether all is as it should be."""

type EditState = Literal["waiting", "making", "made", "failed"]
type Tell = Callable[[RecordingWithheld], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Edition:
    """One edition as hosts see it. `samples`: how long it is or will be."""

    edit: Edit
    asked: Asked
    state: EditState
    public: bool
    samples: int
    progress: float = 0.0
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """A recording with its editions. `public`: the identifier of the one everybody hears; "": none."""

    broadcast: str
    index: Index
    public: str
    editions: list[Edition]

    @property
    def begins(self) -> int:
        """media_time of the first frame."""
        return begins_of(self.index)


class Edits:
    """Raises Refused, Unavailable, OSError."""

    def __init__(
        self,
        data: Path,
        shelf: Shelf,
        store: EditStore,
        jobs: Jobs,
        wake: Callable[[JobsDue], Awaitable[None]],
        tell: Tell,
        clock: Clock,
        *,
        levelling: bool = True,
        objects: Objects | None = None,
    ) -> None:
        self._rooms = data / "rooms"
        self.library = Library(data, objects=objects)
        """For hosts: what is withheld, too."""
        self._shelf = shelf
        self._store = store
        self._jobs = jobs
        self._wake = wake
        self._tell = tell
        self._clock = clock
        self._levelling = levelling
        self.family = shelf.family
        self._reports: dict[str, EditReport] = {}
        self._lock = asyncio.Lock()
        self._published: list[Callable[[str, str], Awaitable[None]]] = []

    def on_publish(self, callback: Callable[[str, str], Awaitable[None]]) -> None:
        """`callback(slug, identifier)` when a recording or an edition has become public."""
        self._published.append(callback)

    async def load(self) -> None:
        """Takes up what the database holds, and brings the folders to it."""
        self.family.load(await self._store.all())
        await self._settle(*self.family.originals(), *await asyncio.to_thread(self._left_behind))

    async def run(self) -> None:
        """Finishes what a crash has left, now and then."""
        while True:
            try:
                async with self._lock:
                    await self._finish()
            except (Refused, Unavailable, OSError, Corrupt) as error:
                log.warning("an edit waits", error=type(error).__name__)
            except Exception:
                log.exception("edits cannot be looked after")
            await asyncio.sleep(ROUND)

    async def reported(self, report: EditReport) -> None:
        """The scribe says how one gets on."""
        if self.family.edition(report.edition) is None:
            return
        self._reports[report.edition] = report
        if report.state == "made":
            self._reports.pop(report.edition, None)
            async with self._lock:
                await self._settle(report.broadcast_id)
                await self._finish()

    async def listed(self, slug: str, broadcast: str) -> Listing:
        """Newest edition last."""
        index = await self._index(slug, broadcast)
        standing = await self._jobs.standing(EDIT_KIND)
        editions = [
            await asyncio.to_thread(self._edition, edit, index, standing)
            for edit in self.family.of(broadcast)
        ]
        return Listing(broadcast, index, self.family.public_of(broadcast), editions)

    async def ask(self, slug: str, broadcast: str, asked: Asked, by: str) -> Edition:
        """Has an edition made. With `take_down`, the recording is public no more from now on."""
        async with self._lock:
            index = await self._index(slug, broadcast)
            failed = await self._may_ask(broadcast, asked, index)
            if asked.take_down:
                asked = self.family.taken_over(broadcast, asked, failed)
            try:
                kept = await asyncio.to_thread(check, asked, index)
            except BadEdit as error:
                where = error.where if error.where == "body" else f"body: {error.where}"
                raise Refused(422, "This cannot be edited so", error.detail, where=where) from None
            edit = await self._new(slug, broadcast, asked, by)
            if asked.take_down:
                for useless in (*failed, *self.family.overtaken(broadcast, asked)):
                    await self._give_up(useless)
            await self._wake(JobsDue(kind=EDIT_KIND))
            log.info("an edit was asked for", slug=slug, number=edit.number, take_down=edit.take_down)
            return Edition(edit, asked, "waiting", public=False, samples=kept.samples)

    async def publish(self, slug: str, broadcast: str, number: int) -> Listing:
        """Makes edition `number` public, or the original (0)."""
        async with self._lock:
            await self._index(slug, broadcast)
            edit = self._numbered(broadcast, number)
            identifier = edit.edition if edit is not None else broadcast
            if edit is not None and not await asyncio.to_thread(self._is_made, edit):
                raise Refused(409, "Not made yet", "It can be published when it is made.")
            if self.family.taken_down(identifier):
                raise Refused(
                    409, "Somebody's part is being taken down", "This one still has that part in it."
                )
            await self._publish(slug, broadcast, edit)
        return await self.listed(slug, broadcast)

    async def drop(self, slug: str, broadcast: str, number: int) -> None:
        """Gives an edition up. Not the one that is public."""
        async with self._lock:
            await self._index(slug, broadcast)
            edit = self._numbered(broadcast, number)
            if edit is None:
                detail = "DELETE .../recordings/{broadcast} deletes a recording with all its editions."
                raise Refused(409, "This is the original", detail)
            if edit.public:
                raise Refused(409, "This one is public", "Publish another one first, or the original (0).")
            await self._give_up(edit)
            await self._settle(broadcast)

    async def folder(self, slug: str, broadcast: str, number: int) -> Path:
        """Where the original (0) or a finished edition lies, for its hosts."""
        await self._index(slug, broadcast)
        edit = self._numbered(broadcast, number)
        if edit is None:
            return self._folder(slug, broadcast)
        if not await asyncio.to_thread(self._is_made, edit):
            raise Refused(409, "Not made yet", "It can be heard when it is made.")
        return self._folder(slug, edit.edition)

    # --- asking ------------------------------------------------------------------------------

    async def _may_ask(self, broadcast: str, asked: Asked, index: Index) -> list[Edit]:
        """Take-downs that have failed, which this one stands for. Raises Refused."""
        if self.family.is_edition(broadcast):
            raise Refused(409, "This is an edited version", "Edit the original.")
        if len(self.family.of(broadcast)) >= MOST_EDITIONS:
            raise Refused(409, "Too many editions", f"At most {MOST_EDITIONS} of a recording: delete some.")
        pending = self.family.pending(broadcast)
        standing = await self._jobs.standing(EDIT_KIND)
        looked_at = [await asyncio.to_thread(self._edition, edit, index, standing) for edit in pending]
        failed = [each.edit for each in looked_at if each.state == "failed"]
        if len(failed) < len(pending) or (failed and not asked.take_down):
            raise Refused(409, "A part is being taken down", "Editing goes on when that is done.")
        return failed

    async def _new(self, slug: str, broadcast: str, asked: Asked, by: str) -> Edit:
        at = self._clock.wall()
        # Of the original's time, so that it stands where that stood.
        edition = f"{broadcast[:15]}-{secrets.token_hex(3)}"
        while await asyncio.to_thread(self._folder(slug, edition).exists):
            edition = f"{broadcast[:15]}-{secrets.token_hex(3)}"
        number = self.family.next_number(broadcast)
        body = msgspec.json.encode(asked).decode()
        edit = Edit(edition, broadcast, number, slug, body, at, by, asked.take_down)
        order = EditOrder(
            slug=slug,
            broadcast=broadcast,
            edition=edition,
            number=number,
            asked=asked,
            levelling=self._levelling,
        )
        job = Job(edit_id(edition), EDIT_KIND, broadcast, msgspec.json.encode(order).decode(), at, at)
        self.family.put(edit)
        try:
            # What is to be taken down is public no more when this is answered, whatever comes after.
            await self._settle(broadcast)
            if not await self._store.add(edit, job):
                raise Refused(409, "Asked for at the same time", "Try again.")
        except BaseException:
            self.family.remove(edit)
            await self._settle(broadcast)
            raise
        return edit

    async def _give_up(self, edit: Edit) -> None:
        at = self._clock.wall()
        await self._store.drop(edit.edition, edit_id(edit.edition), at)
        self.family.put(replace(edit, public=False, dropped_at=at))
        self._reports.pop(edit.edition, None)
        if await asyncio.to_thread(self._is_made, edit) and not self._shelf.gone(edit.edition):
            await self._shelf.delete(edit.slug, edit.edition, "take_down" if edit.take_down else "host")
        await self._wake(JobsDue(kind=EDIT_KIND))

    # --- publishing --------------------------------------------------------------------------

    async def _publish(self, slug: str, broadcast: str, edit: Edit | None) -> None:
        before = self.family.of(broadcast)
        at = self._clock.wall()
        self.family.publish(broadcast, edit.edition if edit is not None else "", at)
        try:
            await self._settle(broadcast, showing=False)
            await self._store.publish(broadcast, edit.edition if edit is not None else "", at)
        except BaseException:
            for each in before:
                self.family.put(each)
            await self._settle(broadcast)
            raise
        await self._settle(broadcast)
        log.info("published", slug=slug, number=edit.number if edit is not None else 0)
        for callback in self._published:
            await callback(slug, edit.edition if edit is not None else broadcast)

    async def _finish(self) -> None:
        """Take-downs that are made become public, and what they were made of goes."""
        for edit in self.family.take_downs():
            if edit.published_at is None:
                if not await asyncio.to_thread(self._is_made, edit):
                    continue
                await self._publish(edit.slug, edit.broadcast, edit)
            for identifier in self.family.holding(edit):
                if not self._shelf.gone(identifier) and await asyncio.to_thread(
                    self._is_there, edit.slug, identifier
                ):
                    await self._shelf.delete(edit.slug, identifier, "take_down")
        for edit in self.family.orphans():
            why = self._shelf.why(edit.broadcast)
            # One that was finished just while its original was deleted.
            if why is not None and why != "take_down" and await asyncio.to_thread(self._is_made, edit):
                await self._shelf.delete(edit.slug, edit.edition, why)

    async def _settle(self, *broadcasts: str, showing: bool = True) -> None:
        """Brings the folders of these recordings and their editions to what they should be: what is to be
        withheld first. `showing`: also what has become public."""
        wanted = [each for broadcast in broadcasts for each in self.family.wanted(broadcast)]
        changed: set[str] = set()
        for slug, identifier, withheld in sorted(wanted, key=lambda each: each[2] is None):
            slug = slug or await asyncio.to_thread(self._slug_of, identifier)
            if withheld is None and not showing:
                continue
            differs = bool(slug) and await asyncio.to_thread(self._mark, slug, identifier, withheld)
            if differs:
                changed.add(slug)
                if withheld is not None:
                    await self._tell(RecordingWithheld(broadcast_id=identifier, slug=slug))
        for slug in changed:
            await self._shelf.tell(slug)

    # --- in a thread -------------------------------------------------------------------------

    def _mark(self, slug: str, identifier: str, withheld: Withheld | None) -> bool:
        folder = self._folder(slug, identifier)
        if not (folder / INDEX_NAME).is_file() or is_deleted(folder):
            return False
        if withheld is not None and not withheld.since:
            withheld = msgspec.structs.replace(withheld, since=utc(self._clock.wall()))
        try:
            return withhold(folder, withheld)
        except FileNotFoundError:
            return False  # it was deleted meanwhile

    def _left_behind(self) -> list[str]:
        """Recordings that are withheld for an edit of which the database knows nothing: the studio was killed
        before it could write that down. Editions are left as they are."""
        found: list[str] = []
        for path in self._rooms.glob(f"*/*/{WITHHELD_NAME}"):
            name = path.parent.name
            withheld = read_withheld(path.parent)
            known = name in self.family.originals() or self.family.edition(name) is not None
            if withheld is not None and withheld.why != "draft" and not known:
                try:
                    if read_index(path.parent).edited_from is msgspec.UNSET:
                        found.append(name)
                except (Corrupt, OSError):
                    continue
        return found

    def _slug_of(self, identifier: str) -> str:
        found = next(self._rooms.glob(f"*/{identifier}/{INDEX_NAME}"), None)
        return found.parent.parent.name if found is not None else ""

    def _is_there(self, slug: str, identifier: str) -> bool:
        folder = self._folder(slug, identifier)
        return (folder / INDEX_NAME).is_file() and not is_deleted(folder)

    def _is_made(self, edit: Edit) -> bool:
        return self._is_there(edit.slug, edit.edition)

    def _edition(self, edit: Edit, index: Index, standing: dict[str, tuple[str, str]]) -> Edition:
        asked = msgspec.json.decode(edit.asked, type=Asked)
        try:
            kept = kept_of(asked, index)
        except BadEdit:  # the recording is shorter than it was
            kept = Kept(())
        public = self.family.is_public(edit.edition)
        if self._is_made(edit):
            return Edition(edit, asked, "made", public, kept.samples, 1.0)
        job, note = standing.get(edit_id(edit.edition), (DEAD, "It was not made."))
        if job != OPEN:
            return Edition(edit, asked, "failed", public, kept.samples, problem=note)
        report = self._reports.get(edit.edition)
        if report is not None and report.state == "making":
            return Edition(edit, asked, "making", public, kept.samples, report.progress)
        return Edition(edit, asked, "waiting", public, kept.samples, problem=note)

    # --- what there is -----------------------------------------------------------------------

    def _numbered(self, broadcast: str, number: int) -> Edit | None:
        """None: the original. Raises Refused."""
        found = next((edit for edit in self.family.of(broadcast) if edit.number == number), None)
        if found is None and number != 0:
            raise Refused(404, "No such edition", where="path")
        return found

    def _folder(self, slug: str, identifier: str) -> Path:
        return self._rooms / slug / identifier

    async def _index(self, slug: str, broadcast: str) -> Index:
        """Of a recording that is over. Raises Refused."""
        if not is_broadcast_id(broadcast):
            raise Refused(404, "No such recording", where="path")
        state = await self._shelf.state(slug, broadcast)
        if state is None or state in ("deleting", "deleted"):
            raise Refused(404, "No such recording", where="path")
        if state in ("on_air", "finishing"):
            raise Refused(409, "The broadcast is not over", "Its recording can be edited when it is over.")
        try:
            return await asyncio.to_thread(read_index, self._folder(slug, broadcast))
        except FileNotFoundError:
            raise Refused(409, "The recording is not finished", "It has no index.") from None
        except Corrupt as error:
            raise Refused(409, "The recording cannot be read", str(error)[:200]) from error
