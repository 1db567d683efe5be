"""What is wrong with a certificate is said in one line; the good one is read."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from authority import Authority, key_bytes, new_key

from hustings.errors import UsageError
from hustings.tls.files import Certificate, check_dates, read_certificate


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "ca")


def refused(cert: Path, key: Path) -> str:
    with pytest.raises(UsageError) as caught:
        check_dates(read_certificate(cert, key), cert, time.time())
    line = str(caught.value)
    assert "\n" not in line
    return line


def test_a_good_pair_is_read(authority: Authority) -> None:
    pair = authority.issue(names=("talk.example.org", "*.example.net", "192.0.2.7"), days=20)
    found = read_certificate(pair.cert, pair.key)
    check_dates(found, pair.cert, time.time())
    assert found.names == ("talk.example.org", "*.example.net", "192.0.2.7")
    assert found.host == "talk.example.org"
    assert 19.9 < found.days_left(time.time()) <= 20
    assert not found.self_signed


def test_one_file_may_hold_both(authority: Authority, tmp_path: Path) -> None:
    pair = authority.issue()
    both = tmp_path / "both.pem"
    both.write_bytes(pair.key.read_bytes() + pair.cert.read_bytes())
    assert read_certificate(both, both).names == ("localhost", "127.0.0.1")


def test_what_is_missing_is_named(authority: Authority, tmp_path: Path) -> None:
    pair = authority.issue()
    nowhere = tmp_path / "nowhere.pem"
    assert f"the certificate {nowhere}: No such file" in refused(nowhere, pair.key)
    assert f"the key {nowhere}: No such file" in refused(pair.cert, nowhere)


def test_a_key_of_another_certificate(authority: Authority) -> None:
    one, two = authority.issue("one"), authority.issue("two")
    assert "does not fit" in refused(one.cert, two.key)


def test_a_key_with_a_password(authority: Authority) -> None:
    pair = authority.issue()
    pair.key.write_bytes(key_bytes(new_key(), b"secret"))
    assert "has a password" in refused(pair.cert, pair.key)


@pytest.mark.parametrize("content", [b"", b"nonsense", b"-----BEGIN CERTIFICATE-----\nAAAA\n"])
def test_no_pem(authority: Authority, content: bytes) -> None:
    pair = authority.issue()
    key = pair.key.read_bytes()
    pair.key.write_bytes(content)
    assert "holds no private key" in refused(pair.cert, pair.key)
    pair.key.write_bytes(key)
    pair.cert.write_bytes(content)
    assert "holds no certificate" in refused(pair.cert, pair.key)


def test_expired_and_not_yet_valid(authority: Authority) -> None:
    old = authority.issue("old", age=40, days=-10)
    assert "expired 10 days ago" in refused(old.cert, old.key)
    early = authority.issue("early", age=-2, days=20)
    assert "not valid yet" in refused(early.cert, early.key)


@pytest.mark.parametrize(
    ("host", "covered"),
    [
        ("talk.example.org", True),
        ("TALK.example.org.", True),
        ("x.talk.example.org", False),
        ("a.example.net", True),
        ("a.b.example.net", False),
        ("example.net", False),
        ("[2001:DB8::1]", True),
        ("192.0.2.1", False),
    ],
)
def test_which_hosts_a_browser_accepts(host: str, covered: bool) -> None:
    names = ("talk.example.org", "*.example.net", "2001:db8::1")
    assert Certificate(names, 0, 1, False).covers(host) is covered
