"""From which countries was listened, as far as that may be said: by a database of the operator's, and never
of a few (docs/audience.md). hustings.countries opens the database."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from ipaddress import IPv6Address
from typing import Final

AT_LEAST: Final = 10
"""Listeners of a country who listened in a minute for which it is named; the others are OTHER together."""
OTHER: Final = "other"
UNKNOWN: Final = "unknown"
MOST: Final = 250
"""Countries named in one minute: there are not more, and an entry of the record has a bound."""


class Countries:
    """`look`: what the database has of an address, None for nothing; whatever it raises is nothing, too.
    `about`: what is published of the database. Addresses are passed on and not kept."""

    def __init__(self, look: Callable[[str | IPv6Address], object], about: Mapping[str, str]) -> None:
        self._look = look
        self.about = {**about, "at_least": AT_LEAST}

    def of(self, address: str) -> str:
        """The country's code (ISO 3166-1 alpha-2), "" for unknown. `address`: as
        hustings.addresses.address_key makes it (IPv6: the /64 in hexadecimal digits)."""
        try:
            return code_in(self._look(address if "." in address else IPv6Address(int(address, 16) << 64)))
        except Exception:  # noqa: BLE001  # a damaged file or no address: a listener is not lost for that
            return ""


def code_in(record: object) -> str:
    """The code in a database's record, "" for none: MaxMind and DB-IP have it in `country`, others flat."""
    if not isinstance(record, dict):
        return ""
    country = record.get("country")
    nested = country.get("iso_code") if isinstance(country, dict) else None
    for code in (nested, country, record.get("country_code")):
        if isinstance(code, str) and is_code(code):
            return sys.intern(code)  # one text for all its listeners
    return ""


def is_code(text: str) -> bool:
    """Whether it can be a country's. ZZ is none (CLDR; DB-IP has it for addresses that are nowhere)."""
    return len(text) == 2 and text.isascii() and text.isalpha() and text.isupper() and text != "ZZ"


def named(heard: Mapping[str, tuple[int, int]], seconds: int) -> dict[str, dict[str, int]]:
    """What is published of a minute. `heard`: milliseconds and listeners by code, "" for unknown; `seconds`:
    of all of them together, rounded, which those of the parts add up to (largest remainders)."""
    most = sorted((code for code in heard if code), key=lambda code: (-heard[code][1], code))[:MOST]
    may = {code for code in most if heard[code][1] >= AT_LEAST}
    folded: dict[str, tuple[int, int]] = {}
    for code, (milliseconds, listeners) in heard.items():
        name = code if code in may else OTHER if code else UNKNOWN
        before = folded.get(name, (0, 0))
        folded[name] = (before[0] + milliseconds, before[1] + listeners)
    whole = {name: milliseconds // 1000 for name, (milliseconds, _) in folded.items()}
    rest = max(0, seconds - sum(whole.values()))
    for name in sorted(folded, key=lambda name: (-(folded[name][0] % 1000), name))[:rest]:
        whole[name] += 1
    return {
        name: {"seconds": whole[name], "listeners": folded[name][1]}
        for name in sorted(folded)
        if any(folded[name])
    }
