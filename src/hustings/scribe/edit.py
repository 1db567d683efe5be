"""Makes one edition of one recording; a process of its own: python -m hustings.scribe.edit.

As scribe.make, whose ways of being talked to it shares: the first line on stdin is a `Task`, the end of stdin
ends it; on stdout {"progress": 0 to 1}, at last {"seconds": ...} or {"problem": "..."}, with exit code 0, 2
(it cannot be made) or 3 (another try may help). It runs at the lowest priority.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import msgspec

from hustings.archive.editing import BadEdit
from hustings.archive.orders import EditOrder
from hustings.errors import Corrupt
from hustings.scribe.edition import make_edition
from hustings.scribe.process import FAILED, REFUSED, Teller, first_line
from hustings.scribe.source import NothingRecorded


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """`data`: the data folder."""

    data: str
    order: EditOrder


def main() -> int:
    """See the module."""
    task = msgspec.json.decode(first_line(), type=Task)
    teller = Teller()
    try:
        made = make_edition(Path(task.data), task.order, time.time(), teller.progress)
    except NothingRecorded:
        return teller.problem("Nothing was recorded.", REFUSED)
    except BadEdit as error:
        return teller.problem(error.detail, REFUSED)
    except Corrupt as error:
        return teller.problem(f"The recording cannot be read: {error}", REFUSED)
    except OSError as error:
        return teller.problem(f"The edition cannot be written: {error.strerror or error}.", FAILED)
    teller.say(seconds=made.duration / 48_000)
    return 0


if __name__ == "__main__":
    sys.exit(main())
