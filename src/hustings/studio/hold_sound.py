"""Makes hold music of an untrusted file; a process of its own: python -m hustings.studio.hold_sound.

The bytes come on stdin, M4A goes out on stdout (audio.hold.rewrite). What is no usable sound: exit code 2 and
a word or two on stderr. Bounds are the kernel's, as with pictures (picture.py).
"""

from __future__ import annotations

import os
import resource
import sys

from hustings.audio.hold import Unusable, rewrite

REFUSED = 2
_SECONDS = 20
_MEMORY = 1024 * 1024 * 1024


def main() -> int:
    """See the module."""
    resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS, _SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(5)  # the mixer comes first
    try:
        made = rewrite(sys.stdin.buffer.read())
    except Unusable as error:
        sys.stderr.write(error.reason)
        return REFUSED
    sys.stdout.buffer.write(made)
    sys.stdout.buffer.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
