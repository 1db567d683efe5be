"""Secrets in the data folder."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hustings.errors import UsageError
from hustings.store.tokens import kept_secret, operator_token


def test_the_token_is_made_once_and_private(tmp_path: Path) -> None:
    token = operator_token(tmp_path / "new")
    assert operator_token(tmp_path / "new") == token
    path = tmp_path / "new" / "keys" / "operator-token"
    assert path.read_text().strip() == token
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [entry.name for entry in path.parent.iterdir()] == ["operator-token"]
    assert kept_secret(tmp_path / "new", "other") != token


def test_all_who_ask_at_once_get_the_same(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        assert len(set(pool.map(operator_token, [tmp_path] * 64))) == 1


def test_an_empty_file_is_refused_with_what_to_do(tmp_path: Path) -> None:
    operator_token(tmp_path)
    (tmp_path / "keys" / "operator-token").write_text("")
    with pytest.raises(UsageError, match="remove it"):
        operator_token(tmp_path)


def test_a_folder_that_cannot_be_made_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="Cannot use"):
        operator_token(tmp_path / "file")
