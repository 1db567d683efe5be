"""Runs one role in this process: what the supervisor starts, and what `hustings stage` calls.

Kept free of the command line's libraries: a role is ready sooner and smaller without them.
"""

from __future__ import annotations

import os
import sys

ROLES = ("stage", "studio", "edge", "scribe", "certificates")


def without_rich() -> None:
    """structlog imports rich for coloured tracebacks, which no server ever writes: 0.1 s, 9 MB each."""
    sys.modules.setdefault("rich", None)  # type: ignore[arg-type]  # None makes the import fail


def for_its_owner_only() -> None:
    """What this process and its children write nobody else on the machine can read, whatever the folder it
    lies in: recordings, pictures, figures. Files that hold secrets are made so one by one all the same."""
    os.umask(0o077)


def run_role(role: str, index: int = 0, bus: str | None = None) -> None:
    """Until SIGTERM or SIGINT; settings come from the environment. Raises HustingsError."""
    import asyncio

    from hustings.cli.settings import read_settings

    for_its_owner_only()
    settings = read_settings(bus=bus)
    if role == "edge":
        import uvloop

        from hustings.edge.main import run_edge

        uvloop.run(run_edge(settings, index))
    elif role == "stage":
        from hustings.stage.main import run_stage

        asyncio.run(run_stage(settings))
    elif role == "scribe":
        from hustings.scribe.main import run_scribe

        asyncio.run(run_scribe(settings))
    elif role == "certificates":
        from hustings.tls.main import run_certificates

        asyncio.run(run_certificates(settings))
    else:
        from hustings.studio.lateness import watched_loop
        from hustings.studio.main import run_studio

        asyncio.run(run_studio(settings), loop_factory=watched_loop)


def main(arguments: list[str]) -> int:
    """`ROLE [INDEX]`; the exit code."""
    parent = os.environ.get("HUSTINGS_SUPERVISOR_PID")
    if parent:
        from hustings.supervisor.tether import tether

        tether(int(parent))
    without_rich()

    if arguments[0] == "spare":
        from hustings.cli.reserve import wait_in_reserve

        arguments = wait_in_reserve(arguments[1])
    from hustings.cli.errors import exit_code
    from hustings.priority import take_priority

    take_priority(arguments[0])
    return exit_code(lambda: run_role(arguments[0], int(arguments[1]) if len(arguments) > 1 else 0))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
