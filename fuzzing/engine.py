"""The fuzzers' engine: seeded mutation of a pool of inputs, guided by the lines of Hustings they reach.

A target takes bytes and raises when a promise is broken. An input that reaches a line of src/hustings that
none before has reached joins the pool. Lines are told by `sys.monitoring` (PEP 669), which is switched off
for each line once it was seen: a run of millions costs nothing for it.
"""

from __future__ import annotations

import contextlib
import hashlib
import random
import signal
import struct
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FrameType

import hustings

SOURCES = str(Path(hustings.__file__).parent)
CORPUS = Path(__file__).parent / "corpus"
"""One folder for each target: inputs that once broke something, or nearly did; a test gives them again."""
FOUND = Path(__file__).parent / "found"
"""Where a run leaves what it found; not committed."""
POOL = 400
"""Inputs kept for each target."""
LONGEST = 64 * 1024
"""Bytes of an input."""
SLOWEST = 5.0
"""Seconds of this thread's processor time one input may take: far above what any needs."""
REST = 500
"""Runs between two rests of a target."""
_TOOL = 4
_NUMBERS = (0, 1, 2, 7, 8, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0xFFFF, 0x1_0000, 0x7FFF_FFFF, 0x8000_0000)
_DIGITS = (b"0", b"-1", b"1e999", b"99999999999999999999", b"0x10", b"\xd9\xa1", b"NaN", b"1.5", b" 1")


class Target:
    """One parser or door. Subclasses say how it is tried."""

    name = ""
    share = 1
    """Of how many runs in ten thousand it gets."""
    tokens: Sequence[bytes] = ()
    """What is put into inputs now and then."""

    def seeds(self) -> list[bytes]:
        """Good inputs. Asked for within `running`."""
        raise NotImplementedError

    def make(self, chance: random.Random) -> bytes | None:
        """An input made by the rules of the format, nearly right; None: one of the pool is changed."""
        return None

    def check(self, data: bytes) -> Awaitable[None] | None:
        """Tries it. Any exception is a finding."""
        raise NotImplementedError

    async def rest(self) -> None:
        """Now and then: what has piled up is looked at and thrown away."""

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Around all runs."""
        yield


class Found(Exception):
    """A promise was broken: `data` does it."""

    def __init__(self, target: str, data: bytes) -> None:
        super().__init__(f"{target}: {data[:200]!r}")
        self.target = target
        self.data = data

    def keep(self) -> Path:
        """Writes the input below FOUND."""
        path = FOUND / self.target / hashlib.sha256(self.data).hexdigest()[:16]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.data)
        return path


class Lines:
    """Which lines of Hustings were reached; `news` counts those since it was last set to 0."""

    def __init__(self) -> None:
        self.news = 0
        self.reached = 0

    def __enter__(self) -> Lines:
        monitoring = sys.monitoring
        monitoring.use_tool_id(_TOOL, "hustings fuzzing")
        monitoring.register_callback(_TOOL, monitoring.events.LINE, self._line)
        monitoring.set_events(_TOOL, monitoring.events.LINE)
        return self

    def __exit__(self, *_: object) -> None:
        monitoring = sys.monitoring
        monitoring.set_events(_TOOL, 0)
        monitoring.free_tool_id(_TOOL)
        monitoring.restart_events()

    def _line(self, code: CodeType, _number: int) -> object:
        if code.co_filename.startswith(SOURCES):
            self.news += 1
            self.reached += 1
        return sys.monitoring.DISABLE


def mutate(data: bytes, chance: random.Random, pool: Sequence[bytes], tokens: Sequence[bytes]) -> bytes:
    """One to five faults."""
    broken = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 5))):
        _fault(broken, chance, pool, tokens)
    return bytes(broken[:LONGEST])


def _fault(broken: bytearray, chance: random.Random, pool: Sequence[bytes], tokens: Sequence[bytes]) -> None:
    at = chance.randrange(len(broken) + 1)
    kind = chance.randrange(11)
    if kind == 0 and at < len(broken):
        broken[at] ^= 1 << chance.randrange(8)
    elif kind == 1 and at < len(broken):
        broken[at] = chance.randrange(256)
    elif kind == 2:
        number = chance.choice(_NUMBERS)
        form = chance.choice((">I", "<I", ">H", "<H", ">Q"))
        size = struct.calcsize(form)
        broken[at : at + size] = struct.pack(form, number & ((1 << 8 * size) - 1))
    elif kind == 3:
        del broken[at : at + chance.choice((1, 2, 4, 8, 40))]
    elif kind == 4:
        broken[at:at] = broken[at : at + chance.randint(1, 120)] * chance.choice((1, 1, 2, 20))
    elif kind == 5:
        del broken[at:]
    elif kind == 6:
        broken[at:at] = chance.randbytes(chance.randint(1, 9))
    elif kind == 7 and tokens:
        broken[at:at] = chance.choice(tokens)
    elif kind == 8 and pool:
        other = chance.choice(pool)
        cut = chance.randrange(len(other) + 1)
        broken[at:] = other[cut : cut + LONGEST]
    elif kind == 9:
        _digits(broken, at, chance)
    else:
        broken[at:at] = bytes((chance.choice((0, 9, 10, 13, 32, 34, 37, 44, 47, 58, 61, 255)),))


def _digits(broken: bytearray, at: int, chance: random.Random) -> None:
    """A number in figures becomes another."""
    while at < len(broken) and not 48 <= broken[at] <= 57:
        at += 1
    end = at
    while end < len(broken) and 48 <= broken[end] <= 57:
        end += 1
    broken[at:end] = chance.choice(_DIGITS)


@dataclass(slots=True)
class Outcome:
    """What a target's runs were."""

    target: str
    runs: int
    seconds: float
    lines: int
    """Of Hustings, reached for the first time by this target's runs."""
    kept: int
    """Inputs that joined the pool."""


def corpus(name: str) -> list[bytes]:
    """The target's kept inputs, oldest name first."""
    folder = CORPUS / name
    return [path.read_bytes() for path in sorted(folder.iterdir())] if folder.is_dir() else []


def _hangs(_number: int, _frame: FrameType | None) -> None:
    raise TimeoutError("an input takes for ever")


async def fuzz(
    target: Target, runs: int, seed: int, progress: Callable[[int, int], None] | None = None
) -> Outcome:
    """`runs` inputs, always the same for one `seed`. Raises Found. `progress(runs, lines)` now and then."""
    chance = random.Random(f"{seed} {target.name}")
    began = time.monotonic()
    old = signal.signal(signal.SIGPROF, _hangs)
    data = b""
    try:
        with Lines() as lines:
            async with target.running():
                pool = target.seeds() + corpus(target.name)
                first, tokens = len(pool), target.tokens
                for number in range(runs):
                    if number % REST == 0:
                        signal.setitimer(signal.ITIMER_PROF, 30 * SLOWEST)
                        await target.rest()
                        if progress is not None:
                            progress(number, lines.reached)
                    made = target.make(chance) if chance.random() < 0.4 else None
                    data = chance.choice(pool) if made is None else made
                    if made is None or chance.random() < 0.5:
                        data = mutate(data, chance, pool, tokens)
                    lines.news = 0
                    at = time.thread_time()
                    if (waiting := target.check(data)) is not None:
                        await waiting
                    if time.thread_time() - at > SLOWEST:
                        raise TimeoutError(f"{time.thread_time() - at:.0f} s for one input")
                    if lines.news and len(pool) < POOL:
                        pool.append(data)
                await target.rest()
    except Exception as error:
        raise Found(target.name, data) from error
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, old)
    return Outcome(target.name, runs, time.monotonic() - began, lines.reached, len(pool) - first)


async def replay(target: Target, inputs: Sequence[bytes]) -> None:
    """Gives each of `inputs`. Raises Found."""
    async with target.running():
        for data in inputs:
            try:
                if (waiting := target.check(data)) is not None:
                    await waiting
                await target.rest()
            except Exception as error:
                raise Found(target.name, data) from error
