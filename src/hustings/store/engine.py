"""The database engine: where it is, how SQLite is set up, when it is closed."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from hustings.config import Settings
from hustings.errors import UsageError

READ_ONLY = "hustings_read_only"
"""Execution option of connections that only read: SQLite then takes no write lock."""

_ASYNC_DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+psycopg"}


def database_url(settings: Settings) -> URL:
    """`settings.database`, or hustings.db in the data folder. Raises UsageError for what is no URL."""
    if not settings.database:
        return URL.create("sqlite+aiosqlite", database=str(settings.data / "hustings.db"))
    try:
        url = make_url(settings.database)
    except ArgumentError as error:
        raise UsageError("HUSTINGS_DATABASE is not a database URL (postgresql://user@host/name).") from error
    return url.set(drivername=_ASYNC_DRIVERS.get(url.drivername, url.drivername))


def open_engine(url: URL) -> AsyncEngine:
    """An engine for `url`; `dispose()` it before the event loop ends, or the process hangs at exit.

    Raises UsageError when the driver is not installed.
    """
    sqlite = url.get_backend_name() == "sqlite"
    if sqlite and url.database:
        _create_private(Path(url.database))
    own = {"factory": _Connection, "check_same_thread": False} if sqlite else {}
    try:
        engine = create_async_engine(url, pool_pre_ping=not sqlite, connect_args=own)
    except ImportError as error:
        raise UsageError(f"The driver for {url.drivername} is not installed: {error.name}.") from error
    if sqlite:
        event.listen(engine.sync_engine, "connect", _set_up_sqlite)
        event.listen(engine.sync_engine, "begin", _begin_sqlite)
    return engine


class _Connection(sqlite3.Connection):
    """Closes itself when dropped: aiosqlite loses one whose opener is cancelled while it opens."""

    def __del__(self) -> None:
        self.close()


def _create_private(path: Path) -> None:
    """Makes the file readable by its owner only; SQLite gives its -wal and -shm the same mode."""
    path.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))


def _set_up_sqlite(connection: Any, _record: object) -> None:
    # The driver must not begin transactions by itself: _begin_sqlite does.
    connection.isolation_level = None
    cursor = connection.cursor()
    try:
        for pragma in ("busy_timeout=5000", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()
    except BaseException:
        connection.close()  # the pool does not know it yet; its thread would outlive us
        raise


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that reads first and writes later fails at once under WAL when another wrote in
    # between, whatever busy_timeout says; so writers take the lock before they read.
    read_only = connection.get_execution_options().get(READ_ONLY, False)
    connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")
