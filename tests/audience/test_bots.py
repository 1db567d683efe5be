"""Who is counted apart."""

from __future__ import annotations

import pytest

from hustings.addresses import address_key
from hustings.audience.bots import MAX_RANGES, Bots
from hustings.config import Settings
from hustings.counted_apart import AGENTS, read_bots
from hustings.errors import Corrupt, UsageError


@pytest.mark.parametrize(
    ("agent", "apart"),
    [
        (b"Mozilla/5.0 (compatible; Googlebot/2.1)", True),
        (b"curl/8.5.0", True),
        (b"python-requests/2.32", True),
        (b"", True),
        (b"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/156.0 Safari/537.36", False),
        (
            b"Mozilla/5.0 (iPhone; CPU iPhone OS 20_0 like Mac OS X) Version/20.0 Safari/604.1",
            False,
        ),
        (b"VLC/3.0.21 LibVLC/3.0.21", False),
        (b"Lavf/59.27.100", False),
    ],
)
def test_programs_by_their_own_word(agent: bytes, apart: bool) -> None:
    assert Bots(AGENTS.read_text()).is_bot("192.0.2.1", agent) is apart


def test_data_centres_by_ranges() -> None:
    bots = Bots("", "203.0.113.0/24 # one\n203.0.114.0/24\n2001:db8::/32\n\n# nothing\n198.51.100.7")
    for address, apart in (
        ("203.0.113.0", True), ("203.0.114.255", True), ("203.0.115.0", False), ("198.51.100.7", True),
        ("198.51.100.8", False), ("2001:db8:1:2::5", True), ("2001:db9::1", False), ("", False),
    ):  # fmt: skip
        assert bots.is_bot(address_key(address), b"Mozilla") is apart, address
    assert (bots.lists["agents"], bots.lists["ranges"]) == (0, 4)


def test_lists_that_cannot_be_used_say_which_line(tmp_path: object) -> None:
    for bad in ("203.0.113.0/33", "example.org", "2001:db8::/96"):
        with pytest.raises(Corrupt, match=bad.split("/")[0]):
            Bots("", bad)
    with pytest.raises(Corrupt, match="at most"):
        Bots("", "\n".join(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}" for n in range(MAX_RANGES + 1)))
    with pytest.raises(UsageError, match="AUDIENCE_RANGES"):
        read_bots(Settings(audience_ranges=f"{tmp_path}/none"))
