"""The command line. Everything behind it is imported when a command needs it."""

from __future__ import annotations

import sys


def main() -> None:
    """The `hustings` command."""
    from hustings.cli.app import run

    sys.exit(run(sys.argv[1:]))
