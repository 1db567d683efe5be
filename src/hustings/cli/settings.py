"""Settings from the environment and the command line, with errors in words."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from hustings.config import Settings
from hustings.errors import UsageError


def read_settings(**given: Any) -> Settings:
    """`Settings` from HUSTINGS_* variables; what is `given` and not None wins. Raises UsageError."""
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        where = f"--{name}" if given.get(name) is not None else f"HUSTINGS_{name.upper()}"
        raise UsageError(f"{where}: {first['msg']} (given: {first['input']!r}).") from None
