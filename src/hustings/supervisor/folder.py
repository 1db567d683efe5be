"""The data folder as the supervisor keeps it: one server at a time, private run files."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping
from pathlib import Path

from hustings.errors import HustingsError

ADDRESSES = "addresses.json"
LOCK = "lock"
RESTART = "restart.json"
SETUP = "setup"
"""In `keys/`; written by the studio."""


class FolderInUse(HustingsError):
    """Another server runs on this data folder."""


class DataFolder:
    """The lock on a data folder and what lies in its `run/`; the lock goes with the process.

    Raises FolderInUse when another server holds it, HustingsError when it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.run = self.path / "run"
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.run.mkdir(exist_ok=True, mode=0o700)
            self._lock = os.open(self.run / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise HustingsError(
                f"Cannot use the data folder {self.path}: {error.strerror}. Choose another with --data."
            ) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            raise FolderInUse(
                f"Hustings already runs on the data folder {self.path}. "
                "Stop it first, or choose another folder with --data."
            ) from None
        os.ftruncate(self._lock, 0)
        os.write(self._lock, f"{os.getpid()}\n".encode())
        self.forget_addresses()

    def private_file(self, name: str, text: str) -> Path:
        """Writes `run/name`, readable by its owner only, all at once."""
        path = self.run / name
        fresh = path.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
        fresh.replace(path)
        return path

    def remember_addresses(self, addresses: Mapping[str, str]) -> None:
        """Writes where the doors are; commands with --data read it. There only while all are open."""
        self.private_file(ADDRESSES, json.dumps(dict(addresses), indent=1) + "\n")

    def forget_addresses(self) -> None:
        (self.run / ADDRESSES).unlink(missing_ok=True)
        (self.run / RESTART).unlink(missing_ok=True)

    def remember_restart(self, state: str, detail: str) -> None:
        """How a rolling restart goes; `hustings restart` waits for it."""
        self.private_file(RESTART, json.dumps({"state": state, "detail": detail}) + "\n")

    def setup_secret(self) -> str:
        """Of the first account's link, as the studio keeps it while there is no account; else ""."""
        try:
            return (self.path / "keys" / SETUP).read_text("ascii").strip()
        except (OSError, UnicodeDecodeError):
            return ""

    def close(self) -> None:
        """Lets the next server in."""
        self.forget_addresses()
        os.close(self._lock)


def read_addresses(data: Path) -> dict[str, str]:
    """Where the server on `data` can be found: `audience`, `studio`, `metrics` URLs and `media`.

    Raises HustingsError when no server is ready there.
    """
    path = data / "run" / ADDRESSES
    absent = f"No server is ready on {data}. Start one: hustings serve --data {data}"
    try:
        found = json.loads(path.read_text())
        if not _is_locked(data / "run" / LOCK):  # left behind by one that was killed
            raise HustingsError(absent)
    except FileNotFoundError:
        raise HustingsError(absent) from None
    except (OSError, ValueError) as error:
        raise HustingsError(f"Cannot read {path}: {error}.") from error
    return {str(key): str(value) for key, value in found.items()}


def server_pid(data: Path) -> int:
    """Process number of the server that is ready on `data`. Raises HustingsError when there is none."""
    read_addresses(data)
    try:
        return int((data / "run" / LOCK).read_text())
    except (OSError, ValueError):
        raise HustingsError(f"Cannot tell which process serves {data}; restart it by hand.") from None


def restart_state(data: Path) -> tuple[str, str]:
    """State ("" when none was asked for) and detail of a rolling restart."""
    try:
        found = json.loads((data / "run" / RESTART).read_text())
        return str(found["state"]), str(found["detail"])
    except (OSError, ValueError, KeyError, TypeError):
        return "", ""


def _is_locked(path: Path) -> bool:
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False
