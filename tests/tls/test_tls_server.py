"""The context of a door is made anew when the files change, and never becomes worse than it was."""

from __future__ import annotations

import ssl
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from authority import Authority, Pair
from prometheus_client import REGISTRY

from hustings.clock import SystemClock
from hustings.config import Settings
from hustings.errors import UsageError
from hustings.tls import server_tls
from hustings.tls.server import ServerTls


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "ca")


def served(pair: Pair) -> ServerTls:
    return ServerTls(pair.cert, pair.key, SystemClock())


def shake_hands(
    context: ssl.SSLContext, client: ssl.SSLContext, name: str | None = "localhost"
) -> ssl.SSLObject:
    """A whole handshake in memory; the client's end."""
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = context.wrap_bio(up, down, server_side=True)
    asker = client.wrap_bio(down, up, server_hostname=name)
    for _ in range(4):
        for side in (asker, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                pass
    return asker


def shown(context: ssl.SSLContext, root: Path, name: str | None = "localhost") -> str:
    client = ssl.create_default_context(cafile=str(root))
    if name is None:
        client.check_hostname = False
    certificate = shake_hands(context, client, name).getpeercert()
    assert certificate is not None
    return str(certificate["serialNumber"])


def reloads(outcome: str) -> float:
    return REGISTRY.get_sample_value("hustings_tls_reloads_total", {"outcome": outcome}) or 0.0


def test_no_certificate_no_tls() -> None:
    assert server_tls(Settings(), SystemClock()) is None


def test_versions_and_protocol(authority: Authority) -> None:
    tls = served(authority.issue())
    client = ssl.create_default_context(cafile=str(authority.root))
    client.set_alpn_protocols(["h2", "http/1.1"])
    asker = shake_hands(tls.current, client)
    assert (asker.version(), asker.selected_alpn_protocol()) == ("TLSv1.3", "http/1.1")
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    assert shake_hands(tls.current, client).version() == "TLSv1.2"
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError):
        shake_hands(tls.current, old)


def test_a_changed_certificate_is_shown_from_then_on(authority: Authority) -> None:
    tls = served(authority.issue())
    swapping = tls.swapping()
    first = shown(tls.current, authority.root)
    assert not tls.look()
    authority.issue(kind="rsa")  # another kind of key, as some authorities change it
    assert tls.look()
    second = shown(tls.current, authority.root)
    assert second != first
    assert shown(swapping, authority.root) == second
    assert shown(swapping, authority.root, None) == second  # who gives no name gets the new one, too


@pytest.mark.parametrize("fault", ["missing", "mixed", "expired", "nonsense"])
def test_what_does_not_load_changes_nothing(authority: Authority, fault: str) -> None:
    pair = authority.issue()
    tls = served(pair)
    before, failed = shown(tls.current, authority.root), reloads("failed")
    if fault == "missing":
        pair.cert.unlink()
    elif fault == "mixed":
        pair.key.write_bytes(authority.issue("other").key.read_bytes())
    elif fault == "expired":
        authority.issue(age=40, days=-1)
    else:
        pair.cert.write_text("nonsense")
    assert not tls.look()
    assert shown(tls.current, authority.root) == before
    assert reloads("failed") == failed + 1
    assert not tls.look()
    assert reloads("failed") == failed + 1, "the same fault was counted twice"
    authority.issue()
    assert tls.look()
    assert shown(tls.current, authority.root) != before


def test_an_expired_certificate_is_served_by_a_role_that_starts_again(authority: Authority) -> None:
    tls = served(authority.issue(age=40, days=-1))
    assert tls.certificate.days_left(SystemClock().wall()) < 0


def test_a_role_refuses_what_cannot_be_served(authority: Authority) -> None:
    pair = authority.issue()
    pair.cert.unlink()
    with pytest.raises(UsageError):
        served(pair)
