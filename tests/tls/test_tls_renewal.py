"""When a certificate is renewed; what becomes of it when that fails."""

from __future__ import annotations

import asyncio
import datetime
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY

sys.path.insert(0, str(Path(__file__).parent))

from authority import Authority

from hustings.clock import SystemClock
from hustings.errors import Unavailable
from hustings.tls.acme_client import placeholder, write_private
from hustings.tls.files import Certificate, read_certificate
from hustings.tls.main import Keeper
from hustings.tls.renewal import FIRST_RETRY, LAST_RETRY, due_at, retry_after

DAY = 86400.0


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "ca")


@given(st.floats(0, 1), st.floats(1 * DAY, 400 * DAY), st.floats(0, 2e9))
def test_renewal_is_due_a_third_before_the_end_and_a_little_earlier(
    jitter: float, lifetime: float, begin: float
) -> None:
    due = due_at(Certificate(("a",), begin, begin + lifetime, False), jitter)
    assert begin + lifetime * 0.58 < due <= begin + lifetime * 0.67


def test_jitter_spreads_servers() -> None:
    certificate = Certificate(("a",), 0, 90 * DAY, False)
    assert due_at(certificate, 0) - due_at(certificate, 1) == pytest.approx(7.5 * DAY)


def test_none_or_a_placeholder_is_due_at_once() -> None:
    assert due_at(None, 0.5) == due_at(Certificate(("a",), 0, 9e9, True), 0.5) == 0


def test_tries_become_rare_but_never_end() -> None:
    waits = [retry_after(failures) for failures in range(1, 100)]
    assert waits[:3] == [FIRST_RETRY, 2 * FIRST_RETRY, 4 * FIRST_RETRY]
    assert waits == sorted(waits)
    assert waits[-1] == LAST_RETRY
    # Authorities refuse a name after some five failures in an hour.
    times = [sum(waits[:n]) for n in range(10)]
    assert sum(1 for at in times if at < 3600) <= 5


class Bench:
    """A keeper with an authority in the same process."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "keys" / "tls-talk.example.org.pem"
        self.answer: Callable[[], bytes] = lambda: b""
        self.asked = 0
        self.keeper = Keeper("talk.example.org", self.path, self._obtain, SystemClock(), jitter=0.0)

    def _obtain(self) -> bytes:
        self.asked += 1
        return self.answer()

    def given(self, pem: bytes) -> None:
        write_private(self.path, pem)

    def step(self) -> None:
        asyncio.run(self.keeper.step())

    def serial(self) -> str:
        return str(read_certificate(self.path, self.path))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def both(authority: Authority, name: str = "server", **given: float) -> bytes:
    pair = authority.issue(name, names=("talk.example.org",), **given)  # type: ignore[arg-type]  # days, age
    return pair.key.read_bytes() + pair.cert.read_bytes()


def fake(pem: bytes) -> Callable[[], bytes]:
    return lambda: pem


def failing() -> float:
    return REGISTRY.get_sample_value("hustings_certificate_failing") or 0.0


def test_a_placeholder_is_replaced_at_once(bench: Bench, authority: Authority) -> None:
    bench.given(placeholder("talk.example.org", datetime.datetime.now(datetime.UTC)))
    assert read_certificate(bench.path, bench.path).self_signed
    assert bench.keeper.wait_for() == 0
    bench.answer = fake(both(authority, days=90))
    bench.step()
    found = read_certificate(bench.path, bench.path)
    assert not found.self_signed
    assert found.names == ("talk.example.org",)
    assert bench.path.stat().st_mode & 0o777 == 0o600
    assert bench.path.parent.stat().st_mode & 0o777 == 0o700
    assert [each.name for each in bench.path.parent.iterdir()] == [bench.path.name]


def test_an_authority_is_never_asked_without_pause(bench: Bench, authority: Authority) -> None:
    """Its certificate is due again as soon as it comes: a clock that is wrong, or days in place of weeks."""
    bench.answer = fake(both(authority, days=0.001, age=10))
    bench.step()
    assert bench.asked == 1
    assert FIRST_RETRY - 5 < bench.keeper.wait_for() <= FIRST_RETRY


def test_a_fresh_one_is_left_alone(bench: Bench, authority: Authority) -> None:
    bench.given(both(authority, days=80, age=10))
    bench.step()
    assert bench.asked == 0
    assert bench.keeper.wait_for() > 3600


def test_one_with_a_third_left_is_renewed(bench: Bench, authority: Authority) -> None:
    bench.given(both(authority, days=29, age=61))
    assert bench.keeper.wait_for() == 0
    bench.answer = fake(both(authority, "new", days=90))
    bench.step()
    assert bench.asked == 1
    assert read_certificate(bench.path, bench.path).days_left(SystemClock().wall()) > 80


@pytest.mark.parametrize("fault", ["unreachable", "disk", "other name", "expired", "nonsense", "no key"])
def test_what_fails_leaves_the_old_one(bench: Bench, authority: Authority, fault: str) -> None:
    bench.given(both(authority, days=10, age=80))
    before = bench.serial()

    def unreachable() -> bytes:
        raise Unavailable("nobody there")

    def disk() -> bytes:
        raise OSError(28, "No space left on device")

    other = authority.issue("other", names=("evil.example.org",), days=90)
    bench.answer = {
        "unreachable": unreachable,
        "disk": disk,
        "other name": fake(other.key.read_bytes() + other.cert.read_bytes()),
        "expired": fake(both(authority, "old", days=-1, age=90)),
        "nonsense": fake(b"nonsense"),
        "no key": fake(other.cert.read_bytes()),
    }[fault]
    bench.step()
    assert (bench.asked, bench.serial(), failing()) == (1, before, 1)
    assert bench.keeper.wait_for() == FIRST_RETRY
    assert [each.name for each in bench.path.parent.iterdir()] == [bench.path.name]
    bench.step()
    assert bench.keeper.wait_for() == 2 * FIRST_RETRY
    bench.answer = fake(both(authority, "new", days=90))
    bench.step()
    assert (bench.serial() != before, failing()) == (True, 0)
