"""Counting who listens by WHEP (docs/audience.md): whose connection stands.

It stands as long as the other side consents (RFC 7675), which is noticed to be over after up to 30 s; a
session that ends without a word counts until so long before. RTCP would say more, but libdatachannel does not
hand receiver reports on our stream to a track that only sends.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

from hustings.audience.tally import Session, Tally
from hustings.bus.audience_messages import Counted, CountedOffer

REPORT_EVERY: Final = 5.0
CONSENT: Final = 30.0
"""Seconds until it is noticed that nobody is there any more (RFC 7675 section 5.1)."""
AFTER_END: Final = 12.0
"""Seconds for which a broadcast's figures are kept and told after it has ended."""


@dataclass(slots=True)
class Ear:
    """One WHEP session. `since`: up to here it is known what was delivered (monotonic), None while nothing
    is. `hold`: seconds that may turn out not to have been."""

    tally: Tally
    session: Session
    hold: float
    since: float | None = None

    def look(self, now: float, *, hears: bool) -> None:
        """`hears`: connected, and the program goes out."""
        if not hears:
            self._took(now)
            self.since = None
        elif self.since is None:
            self.since = now
        else:
            self._took(now - self.hold)

    def leave(self, now: float, *, said: bool) -> None:
        """The session is over. `said`: by somebody's word, not for want of one."""
        if said:
            self._took(now)
        self.tally.end(self.session)

    def _took(self, until: float) -> None:
        if self.since is not None and until > self.since:
            self.tally.took(self.session, self.since, until)
            self.since = until


@dataclass(slots=True)
class _Broadcast:
    slug: str
    salt: str
    tally: Tally
    ended: float | None = None


class EarCounting:
    """All broadcasts of a stage."""

    def __init__(self, place: str, seconds: float) -> None:
        self._place = place
        self._seconds = seconds
        self._broadcasts: dict[str, _Broadcast] = {}

    def begin(self, offer: CountedOffer, slug: str) -> Ear | None:
        """A listener's session."""
        broadcast = self._broadcasts.get(offer.broadcast_id)
        if broadcast is None:
            tally = Tally(time.time() - time.monotonic(), seconds=self._seconds, within=1.5 * self._seconds)
            broadcast = self._broadcasts[offer.broadcast_id] = _Broadcast(slug, offer.salt, tally)
        # A studio that lost the salt has another one: those keys belong to other sketches than these.
        key = offer.key if offer.salt == broadcast.salt else 0
        session = broadcast.tally.begin("bots" if offer.bot else "whep", key, offer.country)
        if session is not None:
            broadcast.tally.asked(time.monotonic(), connections=1)
        return Ear(broadcast.tally, session, min(CONSENT, self._seconds / 2)) if session is not None else None

    def end(self, broadcast_id: str) -> None:
        """The broadcast is over."""
        if (broadcast := self._broadcasts.get(broadcast_id)) is not None:
            broadcast.ended = time.monotonic()

    def report(self, *, everything: bool = False) -> list[Counted]:
        """To be published."""
        now = time.monotonic()
        messages = []
        for broadcast_id, each in list(self._broadcasts.items()):
            minutes, older = each.tally.all() if everything else (each.tally.drain(), {})
            if minutes or older:
                messages.append(
                    Counted(
                        place=self._place,
                        broadcast_id=broadcast_id,
                        slug=each.slug,
                        salt=each.salt,
                        minutes=minutes,
                        older=older,
                    )
                )
            each.tally.forget(now)
            if each.ended is not None and now - each.ended > AFTER_END:
                del self._broadcasts[broadcast_id]
        return messages
