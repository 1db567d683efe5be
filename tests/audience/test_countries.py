"""Countries: what the database says of an address, and what may be told of that."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mmdb
from hustings.addresses import address_key
from hustings.audience.countries import AT_LEAST, MOST, Countries, code_in, named
from hustings.audience.published import _totals, total
from hustings.config import Settings
from hustings.countries import countries_of_role, read_countries
from hustings.errors import UsageError
from hustings.log import SUPERVISED
from hustings.rooms.record import MAX_LINE, canonical

NETWORKS = {
    "127.0.1.0/24": "DE",
    "203.0.113.0/24": {"country_code": "CH", "country": "Switzerland"},
    "198.51.100.0/24": {"country": "AT"},
    "192.0.2.0/24": {"continent": {"code": "EU"}},
    "2001:db8::/32": "FR",
    "2001:db9:1:2::/64": "IT",
}
EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "recompute.py"
RECOMPUTE = runpy.run_path(str(EXAMPLE))["audience"]


def read(path: Path) -> Countries:
    found = read_countries(Settings(audience_countries=str(path)))
    assert found is not None
    return found


# --- what the database says ------------------------------------------------------------------------------


@pytest.mark.parametrize("without", ["", "memory that has a path", "the reader in C"])
def test_addresses_are_where_the_database_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, without: str
) -> None:
    if without == "memory that has a path":
        monkeypatch.delattr("os.memfd_create")
    elif without:
        monkeypatch.setattr("hustings.countries.find_spec", lambda _name: None)
    path = mmdb.write(tmp_path / "some.mmdb", NETWORKS)
    countries = read(path)
    path.write_bytes(b"")  # renewed in place, half done
    for address, code in (
        ("127.0.1.9", "DE"), ("::ffff:127.0.1.9", "DE"), ("127.0.2.9", ""), ("203.0.113.4", "CH"),
        ("198.51.100.1", "AT"), ("192.0.2.1", ""), ("2001:db8:5::1", "FR"), ("2001:db9:1:2:3:4:5:6", "IT"),
        ("2001:db9:1:3::1", ""), ("10.0.0.1", ""), ("fd00::1", ""), ("fe80::1%eth0", ""), ("", ""),
        ("no address", ""), ("999.1.1.1", ""), ("ff" * 16, ""),
    ):  # fmt: skip
        assert countries.of(address_key(address)) == code, address


def test_what_is_published_of_the_database(tmp_path: Path) -> None:
    countries = read(mmdb.write(tmp_path / "some.mmdb", NETWORKS, kind="DBIP-Country-Lite"))
    sha256 = countries.about.pop("sha256")
    assert countries.about == {"database": "DBIP-Country-Lite", "built": "2026-10-26", "at_least": AT_LEAST}
    assert len(str(sha256)) == 64


def test_ipv6_in_a_database_of_ipv4_and_a_damaged_one_are_unknown(tmp_path: Path) -> None:
    countries = read(mmdb.write(tmp_path / "four.mmdb", {"127.0.1.0/24": "DE"}, version=4))
    assert (countries.of("127.0.1.1"), countries.of(address_key("2001:db8::1"))) == ("DE", "")
    whole = mmdb.database({"127.0.1.0/24": "DE", "127.0.2.0/24": "FR"})
    (tmp_path / "damaged.mmdb").write_bytes(whole.replace(b"BFR", b"\xff\xff\xff"))
    damaged = read(tmp_path / "damaged.mmdb")
    assert (damaged.of("127.0.1.1"), damaged.of("127.0.2.1")) == ("DE", "")


@pytest.mark.parametrize(
    "record",
    [None, 7, "DE", {}, {"country": {}}, {"country": {"iso_code": "de"}}, {"country": {"iso_code": 7}},
     {"country": {"iso_code": "ZZ"}}, {"country": "Germany"}, {"country": "ÄÖ"}, {"country_code": "D1"}],
)  # fmt: skip
def test_records_without_a_code_are_none(record: object) -> None:
    assert code_in(record) == ""


def test_without_a_database_nobody_looks() -> None:
    assert read_countries(Settings()) is None


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "cannot be read"),
        (b"", "no whole database"),
        (b"country,DE\n" * 999, "no whole database"),
        (mmdb.database(NETWORKS)[:-30], "no whole database"),
        (mmdb.database({"10.0.0.0/8": {"autonomous_system_number": 64512}}, kind="X-ASN"), "X-ASN"),
        (mmdb.database({"10.0.0.0/8": "DE"}, built=2**60), "no whole database"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_line_that_says_what_to_do(
    tmp_path: Path, content: bytes | None, why: str
) -> None:
    path = tmp_path / "some.mmdb"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match=why) as refused:
        read(path)
    text = str(refused.value)
    assert text.startswith(f"HUSTINGS_AUDIENCE_COUNTRIES: {path}")
    assert "give a country database" in text
    assert "\n" not in text


def test_a_folder_and_what_is_too_large_are_refused_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        read(tmp_path)
    monkeypatch.setattr("hustings.countries.MAX_BYTES", 100)
    with pytest.raises(UsageError, match="more than"):
        read(mmdb.write(tmp_path / "some.mmdb", NETWORKS))


def test_a_role_that_is_started_again_goes_on_without_a_file_that_has_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(audience_countries=str(tmp_path / "gone.mmdb"))
    with pytest.raises(UsageError):  # on its own it says so and ends
        countries_of_role(settings)
    monkeypatch.setenv(SUPERVISED, "1")
    assert countries_of_role(settings) is None
    mmdb.write(tmp_path / "gone.mmdb", NETWORKS)
    found = countries_of_role(settings)
    assert found is not None
    assert found.of("127.0.1.1") == "DE"


# --- what is told of it ----------------------------------------------------------------------------------


def test_nine_are_others_and_ten_are_named() -> None:
    heard = {"DE": (600_000, AT_LEAST), "FR": (540_000, AT_LEAST - 1), "IT": (60_000, 1), "": (5_000, 2)}
    assert named(heard, 1205) == {
        "DE": {"seconds": 600, "listeners": 10},
        "other": {"seconds": 600, "listeners": 10},
        "unknown": {"seconds": 5, "listeners": 2},
    }
    assert named({}, 0) == {}


codes = st.one_of(st.just(""), st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=2, max_size=2))
heards = st.dictionaries(codes, st.tuples(st.integers(0, 10**9), st.integers(0, 40)), max_size=60)


@given(heards)
def test_nothing_is_lost_and_nobody_named_who_may_not_be(heard: dict[str, tuple[int, int]]) -> None:
    seconds = (sum(milliseconds for milliseconds, _ in heard.values()) + 500) // 1000
    told = named(heard, seconds)
    assert sum(each["seconds"] for each in told.values()) == seconds
    assert sum(each["listeners"] for each in told.values()) == sum(count for _, count in heard.values())
    for name, each in told.items():
        if name not in ("other", "unknown"):
            assert each["listeners"] == heard[name][1] >= AT_LEAST
            assert abs(each["seconds"] * 1000 - heard[name][0]) < 1000
    assert {code for code, (_, count) in heard.items() if code and count >= AT_LEAST} <= told.keys()


def test_an_entry_with_all_countries_there_can_be_fits_into_the_record() -> None:
    heard = {f"{chr(65 + n // 26)}{chr(65 + n % 26)}": (60_000_000 + n, 10**6 + n) for n in range(400)}
    told = named(heard, sum(milliseconds for milliseconds, _ in heard.values()) // 1000)
    assert len(told) == MOST + 1
    assert "AA" not in told, "who has most is named"
    day: Any = {name: {**each, "seconds": each["seconds"] * 1440} for name, each in told.items()}
    assert len(canonical(day)) < MAX_LINE - 2500


# --- anybody computes the same ---------------------------------------------------------------------------


def minute(number: int, heard: dict[str, tuple[int, int]] | None) -> dict[str, Any]:
    """An entry's data."""
    seconds = sum(milliseconds for milliseconds, _ in (heard or {}).values()) // 1000
    net = {"concurrent": 1, "peak": 1 + number % 3, "seconds": seconds, "unique": 1, "joined": 0, "left": 0}
    none = {"concurrent": 0, "peak": 0, "seconds": 0, "unique": 0}
    more = {"requests": 0, "connections": 0, "salts": 1}
    data = {"minute": f"2026-11-29T20:{number:02}:00.000Z", "net": net, "doors": {}}
    told = {} if heard is None else {"countries": named(heard, seconds)}
    return {**data, "beacon": none, "bots": none, **more, **told}


@given(st.lists(st.one_of(st.none(), heards), max_size=8))
def test_totals_of_countries_are_recomputed_by_the_example(told: list[Any]) -> None:
    minutes = [minute(number, heard) for number, heard in enumerate(told)]
    published = _totals(total(minutes, 480_000))["net"]
    computed = RECOMPUTE(minutes, 480_000)
    assert computed == {name: published[name] for name in computed}
    assert ("countries" in published) == any(heard is not None for heard in told) == ("countries" in computed)


def test_a_total_sums_what_was_listened_and_has_the_greatest_number() -> None:
    minutes = [
        minute(0, {"DE": (600_000, 12), "FR": (9_000, 9)}),
        minute(1, None),
        minute(2, {"FR": (60_000, 11)}),
    ]
    assert total(minutes, 180_000)["countries"] == {
        "DE": {"seconds": 600, "listeners": 12},
        "FR": {"seconds": 60, "listeners": 11},
        "other": {"seconds": 9, "listeners": 9},
    }
    assert "countries" not in total([minute(1, None)], 60_000)
