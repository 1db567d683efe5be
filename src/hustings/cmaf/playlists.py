"""LL-HLS playlists of a live program: draft-pantos-hls-rfc8216bis-22 ("RFC 8216bis").

A `MediaTimeline` is fed with chunks in order and knows what is listed; text of what no longer changes
is made once. URIs are relative to the folder both playlists lie in: `opus.m3u8`, `opus/init.mp4`,
`opus/12.m4s` (segment 12), `opus/12.3.m4s` (its part 3).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from itertools import chain
from math import ceil, inf

from hustings.cmaf.listed import (
    Past,
    RenditionReport,
    Segment,
    advance_part_limit,
    date_time,
    part_line,
    part_target,
    seconds_text,
)
from hustings.cmaf.multivariant import VERSION
from hustings.cmaf.old_segments import OldSegments
from hustings.cmaf.timeline import (
    CHUNKS_PER_PART,
    CHUNKS_PER_SEGMENT,
    CODECS,
    SAMPLE_RATE,
    SEGMENT_SAMPLES,
    Codec,
    chunk_media_time,
    ends_part,
    ends_segment,
    longest,
    part_index,
    segment_number,
    starts_segment,
)

TARGET_DURATION = SEGMENT_SAMPLES // SAMPLE_RATE
"""Seconds. AAC segments have 281 or 282 units: at most 6.016 s, which rounds to 6 (4.4.3.1)."""
SKIP_UNTIL = 6 * TARGET_DURATION
"""Seconds; at least six target durations (4.4.3.8)."""
_KEEP_PARTS = 3 * TARGET_DURATION * SAMPLE_RATE
"""EXT-X-PART leaves when further than three target durations from the end (6.2.2)."""
_OLD = SKIP_UNTIL * SAMPLE_RATE
"""Further from the end no text of parts is kept, and delta updates skip."""
_DATE_OVERLAP = 0.5
"""Seconds by which a segment's date may lie before the end of the one before."""
_GRACE_SEGMENTS = 2
"""How many segments stay downloadable after they left the playlist: the availability duration of
6.2.2 is one segment longer than the playlist, and somebody may just be asking for it."""


# The same in every rendition, as 6.2.4 demands, so made from the longest part target of all (4.4.3.8).
_PART_HOLD_BACK = 3 * max(longest(codec, CHUNKS_PER_PART) for codec in CODECS)
_SERVER_CONTROL = (
    f"CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL={SKIP_UNTIL:.1f},"
    f"HOLD-BACK={3 * TARGET_DURATION:.1f},PART-HOLD-BACK={ceil(_PART_HOLD_BACK / 48) / 1000:.3f}"
)


class MediaTimeline:
    """What one rendition's media playlist lists, and its text.

    `window_seconds`: how far back it reaches; older segments leave from the front. Segments whose
    beginning was never seen (an edge that started late) are not listed.
    """

    def __init__(self, codec: Codec, *, window_seconds: float = 3600.0) -> None:
        self.codec: Codec = codec
        self.ended = False
        self.version = 0
        """Grows whenever the playlist's text changes: the key to cache it by."""
        self._window: float = max(round(window_seconds * SAMPLE_RATE), 3 * SEGMENT_SAMPLES)
        self._old = OldSegments()
        self._recent: deque[Segment] = deque()
        """What is listed after the old ones; the last one listed is always here."""
        self._removed: deque[Segment] = deque(maxlen=_GRACE_SEGMENTS)
        self._samples = 0
        """Of all that are listed."""
        self._open: Segment | None = None
        self._chunks: list[tuple[int, int]] = []
        self._last: tuple[int, int] | None = None
        self._next_media_time = 0
        self._next_wall_clock = 0.0
        self._discontinuities = 0
        self._peak = 0.0
        self._newest_part = (-1, -1)
        """Its segment and which it is there, from 0."""

    # --- feeding ---------------------------------------------------------------------------------

    def append(
        self,
        seq: int,
        epoch: int,
        media_time: int,
        duration: int,
        wall_clock: float,
        size: int,
        *,
        segment_start: bool | None = None,
    ) -> bool:
        """Takes the next chunk; returns whether the playlist changed (a part was completed).

        `media_time`, `duration`: samples; `wall_clock`: Unix time of the first sample; `size`: bytes.
        `segment_start`: whether the chunk begins a segment, as its styp tells (`begins_segment`). It
        matters for the very first chunk only: without it a beginning in mid-segment is not listed.
        Chunks not newer than the last one are ignored, as is everything after `finish`.
        """
        if self.ended or (self._last is not None and (epoch, seq) <= self._last):
            return False
        before = self.version
        number = segment_number(seq, epoch)
        restarted = self._last is not None and epoch != self._last[0]
        newest = self._open.number if self._open is not None else self.last_msn
        if restarted and number <= newest:
            # The stage's clock was set back while it restarted: wait for a number not yet taken (3).
            return False
        if self._open is not None and number != self._open.number:
            # In the same epoch the rest of the segment was missed; a restart means it never was.
            self._close_segment(cut=restarted)
        if self._open is None:
            unseen = not (self._recent or restarted or segment_start or starts_segment(seq))
            if unseen:
                self._last = (epoch, seq)
                return False
            if self._recent:
                self._fill_gap(number, epoch, media_time)
            self._open = self._begin_segment(number, epoch, seq, wall_clock)
        self._last = (epoch, seq)
        self._next_media_time = media_time + duration
        self._next_wall_clock = wall_clock + duration / SAMPLE_RATE
        self._add_chunk(self._open, seq, duration, size)
        return self.version != before

    def finish(self) -> bool:
        """The broadcast ended: completes what is begun and adds EXT-X-ENDLIST."""
        if self.ended:
            return False
        if self._open is not None:
            self._close_segment(cut=True)
        self.ended = True
        self.version += 1
        return True

    def keep_all(self) -> None:
        """No segment leaves any more: older ones can be fetched from the recording."""
        self._window = inf

    def precede(self, past: Sequence[Past]) -> bool:
        """Lists what was recorded before the first segment listed; returns whether the playlist changed.

        Gaps between get EXT-X-GAP (6.2.1). Not for a playlist that somebody has seen: its media sequence
        number becomes a smaller one (6.2.2).
        """
        first = self._first or self._open
        before = [each for each in past if first is not None and each.number < first.number]
        if first is None or not before:
            return False
        listed = [*(self._old.popleft() for _ in range(len(self._old))), *self._recent]
        first = listed[0] if listed else first
        self._recent.clear()
        self._samples = 0
        self._window = inf
        for each in before:
            self._precede(each)
            segment = Segment(
                each.number,
                each.epoch,
                each.first_seq,
                each.last_seq,
                each.wall_clock,
                duration=each.duration,
            )
            segment.discontinuity = bool(self._recent) and self._recent[-1].epoch != each.epoch
            self._list_closed(segment)
        self._precede(first)
        if first.epoch != self._recent[-1].epoch:
            first.discontinuity = True
            first.full = "#EXT-X-DISCONTINUITY\n" + first.full if first.full else ""
            first.plain = "#EXT-X-DISCONTINUITY\n" + first.plain if first.plain else ""
        self._discontinuities = before[0].epoch
        for segment in listed:
            self._add(segment)
        return True

    def _precede(self, upcoming: Past | Segment) -> None:
        """Stands in for the segments between the last one listed and `upcoming`, as `_fill_gap` does."""
        last = self._recent[-1] if self._recent else None
        count = upcoming.number - last.number - 1 if last is not None else 0
        for index in range(count):
            before = self._recent[-1]
            ends = before.wall_clock + before.duration / SAMPLE_RATE
            share = round((upcoming.wall_clock - ends) * SAMPLE_RATE) // (count - index)
            gap = Segment(
                before.number + 1, max(before.epoch, upcoming.epoch - count + index), -1, -1, ends, gap=True
            )
            gap.duration = min(max(share, 1), SEGMENT_SAMPLES)
            gap.discontinuity = gap.epoch != before.epoch
            self._list_closed(gap)

    def _list_closed(self, segment: Segment) -> None:
        segment.full = self._opening(segment)
        self._list(segment)

    def _begin_segment(self, number: int, epoch: int, seq: int, wall_clock: float) -> Segment:
        previous = self._recent[-1] if self._recent else None
        slot = (number - epoch) * CHUNKS_PER_SEGMENT
        restarted = previous is not None and previous.epoch != epoch
        # Within an epoch a segment is meant to begin with its slot, even if chunks were missed.
        first = slot if previous is not None and not restarted else seq
        missed = chunk_media_time(self.codec, seq) - chunk_media_time(self.codec, first)
        wall_clock -= missed / SAMPLE_RATE
        if previous is not None:
            # Dates may overlap by less than a second (6.2.1): a clock set back is followed step by step.
            ends = previous.wall_clock + previous.duration / SAMPLE_RATE
            wall_clock = max(wall_clock, ends - _DATE_OVERLAP)
        segment = Segment(
            number,
            epoch,
            first,
            slot + CHUNKS_PER_SEGMENT - 1,
            wall_clock,
            discontinuity=restarted,
        )
        if previous is None:
            self._discontinuities = epoch
        segment.full = self._opening(segment)
        return segment

    def _add_chunk(self, segment: Segment, seq: int, duration: int, size: int) -> None:
        self._close_parts(segment, before=part_index(seq))
        self._chunks.append((seq, duration))
        segment.size += size
        if ends_part(seq):
            self._close_parts(segment, before=part_index(seq) + 1)
        if ends_segment(seq):
            self._close_segment(cut=False)

    def _close_parts(self, segment: Segment, *, before: int) -> None:
        """Lists the parts up to slot `before`; those with chunks missing as GAP=YES (6.2.1)."""
        for slot in range(segment.next_slot, before):
            first, last = segment.chunks(slot)
            chunks = [duration for seq, duration in self._chunks if first <= seq <= last]
            gap = len(chunks) != last - first + 1
            duration = chunk_media_time(self.codec, last + 1) - chunk_media_time(self.codec, first)
            if not gap:
                duration = sum(chunks)
                segment.whole |= 1 << slot
            segment.parts += 1
            segment.duration += duration
            segment.full += part_line(self.codec, segment.number, slot, duration, gap=gap)
            self._newest_part = segment.number, segment.parts - 1
            self.version += 1
        base = (segment.number - segment.epoch) * CHUNKS_PER_SEGMENT
        self._chunks = [chunk for chunk in self._chunks if chunk[0] >= base + before * CHUNKS_PER_PART]

    def _close_segment(self, *, cut: bool) -> None:
        """`cut`: it ends with the newest chunk (restart, end), not with its slot."""
        segment, self._open = self._open, None
        if segment is None:
            return
        if cut and self._last is not None:
            segment.last_seq = self._last[1]
        elif self._last is not None:
            rest = chunk_media_time(self.codec, segment.last_seq + 1) - self._next_media_time
            self._next_media_time += rest
            self._next_wall_clock += rest / SAMPLE_RATE
        self._close_parts(segment, before=part_index(segment.last_seq) + 1)
        segment.gap = not segment.whole
        self._list(segment)
        if segment.duration:
            self._peak = max(self._peak, segment.size * 8 * SAMPLE_RATE / segment.duration)

    def _fill_gap(self, number: int, epoch: int, media_time: int) -> None:
        """Lists the whole segments between the last one and `number` with EXT-X-GAP (6.2.1).

        Their durations add up to the sound that is missing, as far as the target duration allows:
        what a crash cuts off a segment and its successor may be more. An epoch of which nothing is
        left has its EXT-X-DISCONTINUITY here, so that the numbers are the same in every rendition.
        """
        last = self._recent[-1]
        count = number - last.number - 1
        if count <= 0:
            return
        slot = (number - epoch) * CHUNKS_PER_SEGMENT if epoch == last.epoch else None
        until = media_time if slot is None else chunk_media_time(self.codec, slot)
        missing = max(until - self._next_media_time, count)
        wall_clock = self._next_wall_clock
        for index in range(count):
            share = missing * (index + 1) // count - missing * index // count
            in_epoch = max(last.epoch, epoch - count + index)
            segment = Segment(last.number + 1 + index, in_epoch, -1, -1, wall_clock, gap=True)
            segment.discontinuity = in_epoch != self._recent[-1].epoch
            segment.duration = min(share, SEGMENT_SAMPLES)
            self._list_closed(segment)
            wall_clock += share / SAMPLE_RATE

    def _list(self, segment: Segment) -> None:
        gap = "#EXT-X-GAP\n" if segment.gap else ""
        closing = f"{gap}#EXTINF:{seconds_text(segment.duration)},\n{self.codec}/{segment.number}.m4s\n"
        segment.full += closing
        segment.plain = self._opening(segment) + closing
        self._add(segment)
        self.version += 1
        while self._first is not None and self._samples - self._first.duration >= self._window:
            self._remove_first()

    def _add(self, segment: Segment) -> None:
        self._recent.append(segment)
        self._samples += segment.duration
        while sum(each.duration for each in self._recent) - self._recent[0].duration > _OLD:
            self._old.append(self._recent.popleft())

    def _opening(self, segment: Segment) -> str:
        # These apply to the parts too, so they stand before them (4.4.4.9).
        discontinuity = "#EXT-X-DISCONTINUITY\n" if segment.discontinuity else ""
        return f"{discontinuity}#EXT-X-PROGRAM-DATE-TIME:{date_time(segment.wall_clock)}\n"

    def _remove_first(self) -> None:
        removed = (self._old or self._recent).popleft()
        self._samples -= removed.duration
        self._removed.append(removed)
        # The tag left with its segment: count it instead, so that numbers stay the same (6.2.2).
        self._discontinuities += removed.discontinuity

    @property
    def _first(self) -> Segment | None:
        return self._old[0] if self._old else self._recent[0] if self._recent else None

    def _find(self, number: int) -> Segment | None:
        if self._old and 0 <= number - self._old.first < len(self._old):
            return self._old[number - self._old.first]
        begun = [self._open] if self._open is not None else []
        segments = (*begun, *reversed(self._recent), *self._removed)
        return next((each for each in segments if each.number == number), None)

    # --- asking ----------------------------------------------------------------------------------

    @property
    def media_sequence(self) -> int:
        """Media sequence number of the first listed segment (or the one begun, or 0)."""
        first = self._first or self._open
        return first.number if first is not None else 0

    @property
    def last_msn(self) -> int:
        """Media sequence number of the last complete segment listed; one less than the first if none."""
        return self._recent[-1].number if self._recent else self.media_sequence - 1

    @property
    def is_empty(self) -> bool:
        """Whether nothing is listed yet: no segment and no part."""
        return not self._recent and (self._open is None or not self._open.parts)

    @property
    def hint(self) -> tuple[int, int] | None:
        """(segment, part) that comes next, whose request may wait; None after the end."""
        if self.ended or self._last is None:
            return None
        if self._open is None:
            epoch, seq = self._last
            return segment_number(seq + 1, epoch), part_index(seq + 1)
        return self._open.number, self._open.next_slot

    @property
    def peak_bitrate(self) -> int:
        """Bit/s of the largest segment so far (4.4.6.2 BANDWIDTH); 0 before the first is complete."""
        return ceil(self._peak)

    @property
    def first_kept_seq(self) -> int:
        """Chunks older than this may be dropped: their segments have left long enough ago (6.2.2)."""
        kept = chain(self._removed, self._old, self._recent, [self._open] if self._open is not None else [])
        return next((segment.first_seq for segment in kept if segment.first_seq >= 0), 0)

    def segment_chunks(self, number: int) -> tuple[int, int, int] | None:
        """(epoch, first seq, last seq) of a complete segment that can be fetched; None: not found.

        Some chunks in between may have been missed.
        """
        segment = self._find(number)
        if segment is None or segment is self._open or segment.gap:
            return None
        return segment.epoch, segment.first_seq, segment.last_seq

    def part_chunks(self, number: int, part: int) -> tuple[int, int, int] | None:
        """(epoch, first seq, last seq) of a listed part by the numbers in its URI; None: not found."""
        segment = self._find(number)
        span = segment.part_span(part) if segment is not None else None
        return (segment.epoch, *span) if segment is not None and span is not None else None

    def when(self, number: int) -> tuple[float, float] | None:
        """Unix seconds from when to when segment `number` was said, as far as it goes; None: not listed."""
        segment = self._find(number)
        if segment is None:
            return None
        return segment.wall_clock, segment.wall_clock + segment.duration / SAMPLE_RATE

    def report(self) -> RenditionReport:
        """How far this playlist is, for the other renditions' playlists; -1, -1 before the first part."""
        # Segments that are missing as a whole have no parts: the last part counts (4.4.5.4).
        if self._newest_part[0] < self.media_sequence:
            return RenditionReport(self.codec, -1, -1)
        return RenditionReport(self.codec, *self._newest_part)

    def has(self, msn: int, part: int | None = None) -> bool:
        """Whether a request with _HLS_msn (and _HLS_part) can be answered now (6.2.5.2).

        `part` counts from the first part of its segment, wherever in the slot that begins.
        """
        if self.ended:
            return True
        if msn < self.last_msn or (part is None and msn == self.last_msn):
            return True
        begun = self._open.parts if self._open is not None else 0
        if msn == self.last_msn:
            # A part index past the last one means part 0 of the next segment (6.2.5.2).
            return (part or 0) < self._recent[-1].parts or begun > 0
        return part is not None and msn == self.last_msn + 1 and part < begun

    def too_far(self, msn: int, part: int | None = None) -> bool:
        """Whether a blocking request asks for more than 6.2.5.2 lets it: answer 400."""
        if self.ended:
            return False
        if msn > self.last_msn + 2:
            return True
        if part is None or msn <= self.last_msn:
            return False
        begun = self._open.parts if self._open is not None and msn == self._open.number else 0
        return part >= begun + advance_part_limit(self.codec)

    # --- text ------------------------------------------------------------------------------------

    def media_playlist(self, *, skip: bool = False, reports: Iterable[RenditionReport] = ()) -> bytes:
        """The media playlist as it stands; `skip`: as a delta update where one is possible (6.2.5.1).

        `reports`: of the other renditions. Constant for one `version` (and one set of reports): render
        once, send to everybody.
        """
        skipped = self._skippable() if skip and not self.ended else 0
        head = self._header() + (f"#EXT-X-SKIP:SKIPPED-SEGMENTS={skipped}\n" if skipped else "")
        # A delta update skips all that is old, at least.
        old = b"" if skipped else self._old.text
        lines = self._recent_text()[max(skipped - len(self._old), 0) :]
        if self._open is not None and self._open.parts:
            lines.append(self._open.full)
        hint = self.hint
        if hint is not None:
            uri = f"{self.codec}/{hint[0]}.{hint[1]}.m4s"
            lines.append(f'#EXT-X-PRELOAD-HINT:TYPE=PART,URI="{uri}"\n')
        lines += [report.line() for report in reports if report.last_part >= 0]
        if self.ended:
            lines.append("#EXT-X-ENDLIST\n")
        return b"".join((head.encode(), old, "".join(lines).encode()))

    def _header(self) -> str:
        return (
            f"#EXTM3U\n#EXT-X-VERSION:{VERSION}\n#EXT-X-TARGETDURATION:{TARGET_DURATION}\n"
            f"#EXT-X-SERVER-CONTROL:{_SERVER_CONTROL}\n"
            f"#EXT-X-PART-INF:PART-TARGET={part_target(self.codec)}\n"
            f"#EXT-X-MEDIA-SEQUENCE:{self.media_sequence}\n"
            f"#EXT-X-DISCONTINUITY-SEQUENCE:{self._discontinuities}\n"
            f'#EXT-X-MAP:URI="{self.codec}/init.mp4"\n'
        )

    def _recent_text(self) -> list[str]:
        """Of each recent segment; the last ones still show their parts."""
        texts: list[str] = []
        after = self._open.duration if self._open is not None else 0
        for segment in reversed(self._recent):
            texts.append(segment.full if after < _KEEP_PARTS else segment.plain)
            after += segment.duration
        return texts[::-1]

    def _skippable(self) -> int:
        """How many segments end further than the skip boundary from the end of the playlist."""
        after = self._open.duration if self._open is not None else 0
        kept = 0
        for segment in reversed(self._recent):
            if after > _OLD:
                break
            after += segment.duration
            kept += 1
        return len(self._old) + len(self._recent) - kept
