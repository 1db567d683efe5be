"""Relays: how they are written in the settings, named in headers, and read by clients."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest

from hustings.config import Settings
from hustings.errors import UsageError
from hustings.turn import HOLDS, credentials, links, read_links, read_relay, read_relays


def test_addresses_are_read_with_their_defaults() -> None:
    assert read_relay("turn:relay.example.org")[1:] == ("turn", "relay.example.org", 3478, "udp")
    assert read_relay("turns:relay.example.org:443?transport=tcp")[2:] == ("relay.example.org", 443, "tcp")
    assert read_relay("turns:[2001:db8::1]")[1:] == ("turns", "2001:db8::1", 5349, "tcp")
    assert read_relay("stun:relay.example.org")[1:] == ("stun", "relay.example.org", 3478, "udp")


@pytest.mark.parametrize(
    "text",
    ["relay.example.org", "turn://relay", "turn:a:99999", "turn:a?transport=sctp", 'turn:a">;x', "turn:"],
)
def test_what_is_no_address_says_how_they_are_written(text: str) -> None:
    with pytest.raises(UsageError, match="turn:relay"):
        read_relays(text, "secret")


def test_a_relay_without_a_secret_and_too_many_are_refused() -> None:
    with pytest.raises(UsageError, match="HUSTINGS_TURN_SECRET"):
        read_relays("turn:a.example.org", "")
    assert read_relays("stun:a.example.org", "") != ()
    with pytest.raises(UsageError, match="at most"):
        read_relays(",".join(f"turn:r{n}.example.org" for n in range(9)), "secret")


def test_the_password_is_what_coturn_makes_of_the_name() -> None:
    """turnserver(1), use-auth-secret: usercombo = "timestamp:userid", password = base64(HMAC-SHA1)."""
    name, password = credentials("north", "abc", 1_764_400_000.7)
    assert name == f"{1_764_400_000 + HOLDS}:abc"
    assert base64.b64decode(password) == hmac.new(b"north", name.encode(), hashlib.sha1).digest()


def test_headers_are_read_back_as_they_were_written() -> None:
    relays = read_relays("turn:a.example.org?transport=tcp, turns:[2001:db8::1]:443, stun:a.example.org", "s")
    written = links(relays, "s", "label", 0.0)
    name, password = credentials("s", "label", 0.0)
    read = read_links(written)
    assert [one.url for one in read] == [relay.url for relay in relays]
    assert read[0][1:] == read[1][1:] == (name, password)
    assert read[2][1:] == ("", "")
    assert read_links([", ".join(written)]) == read, "joined by a proxy"
    assert read_links(['<https://example.org>; rel="help"', "<turn:a", '<turn:x>; rel="next"']) == []


def test_the_secret_is_not_shown_with_the_settings() -> None:
    assert "north" not in repr(Settings(turn="turn:a", turn_secret="north"))
