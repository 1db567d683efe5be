"""Transactions with the database's errors in our words."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from hustings.errors import Unavailable
from hustings.store.engine import READ_ONLY


@contextlib.asynccontextmanager
async def writing(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A transaction, committed at the end. Raises Unavailable; IntegrityError passes: it means something."""
    try:
        async with engine.begin() as connection:
            yield connection
    except IntegrityError:
        raise
    except SQLAlchemyError as error:
        raise _unavailable(error) from error


@contextlib.asynccontextmanager
async def reading(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection that takes no lock. Raises Unavailable."""
    try:
        async with engine.execution_options(**{READ_ONLY: True}).connect() as connection:
            yield connection
    except SQLAlchemyError as error:
        raise _unavailable(error) from error


def _unavailable(error: SQLAlchemyError) -> Unavailable:
    cause = getattr(error, "orig", None)
    return Unavailable(f"The database cannot be used: {type(cause or error).__name__}: {cause or error}")
