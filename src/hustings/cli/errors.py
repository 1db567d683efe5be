"""How every command ends: one line on stderr that says what to do, never a traceback."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from hustings.errors import HustingsError, UsageError

INTERRUPTED = 130
"""128 + SIGINT, as shells count."""


def complain(line: str) -> None:
    """One line on stderr."""
    print(f"hustings: {' '.join(line.split())}", file=sys.stderr)


def exit_code(command: Callable[[], object]) -> int:
    """Runs `command`: 0 when it returns, 1 after an error, 2 after wrong usage, 130 after Ctrl-C."""
    try:
        command()
    except UsageError as error:
        complain(str(error))
        return 2
    except HustingsError as error:
        complain(str(error))
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output went away; closing stdout at exit must not complain again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        named = f"{error.filename}: " if error.filename else ""
        complain(f"{named}{error.strerror or error}.")
        return 1
    except Exception as error:
        if os.environ.get("HUSTINGS_TRACEBACK"):
            raise
        complain(
            f"internal error ({type(error).__name__}: {error}). "
            "Please report it; HUSTINGS_TRACEBACK=1 shows where it happened."
        )
        return 1
    return 0
