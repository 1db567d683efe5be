"""Settings of the stage."""

from __future__ import annotations

import pytest

from hustings.errors import UsageError
from hustings.stage.main import public_addresses


def test_public_addresses() -> None:
    assert public_addresses("") == ()
    assert public_addresses("203.0.113.5, 2001:db8::1") == ("203.0.113.5", "2001:db8::1")
    with pytest.raises(UsageError, match="'example' is no IP address"):
        public_addresses("203.0.113.5,example")
