"""What can be said of dependencies without asking anybody: all are pinned, each with its hashes, and nothing
in a lock could bring in another. `./dev audit` asks a vulnerability service and needs the network."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
LOCKS = ("requirements.txt", "requirements-dev.txt", "requirements-tools.txt")
_ENTRY = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)(?:\[[^]]+\])?(?P<rest>(?:[^\\\n]|\\\n)*)", re.M)


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def entries(lock: str) -> dict[str, str]:
    """Package and what is said of it, comments left out."""
    text = re.sub(r"^\s*#.*\n", "", lock, flags=re.M)
    return {normal(found["name"]): found["rest"] for found in _ENTRY.finditer(text)}


def wrong(lock: str) -> list[str]:
    """What is not pinned to a version and hashes; options of any kind."""
    found = [name for name, rest in entries(lock).items() if not re.match(r"==[^\s;*]+[ ;\\]", rest)]
    found += [
        name for name, rest in entries(lock).items() if not re.search(r"--hash=sha256:[0-9a-f]{64}\b", rest)
    ]
    found += re.findall(r"--hash=(?!sha256:[0-9a-f]{64}(?:\s|$))\S*", lock)
    # Another index, an address or a folder would get around the hashes' origin.
    found += re.findall(r"^\s*(?:-[a-zA-Z-]+ .*|.* @ .*|.*://.*|\..*|/.*)$", re.sub(r"#.*", "", lock), re.M)
    return [each for each in found if not each.lstrip().startswith("--hash")]


def test_every_lock_pins_everything_with_hashes() -> None:
    for name in LOCKS:
        lock = (ROOT / name).read_text()
        assert entries(lock), name
        assert wrong(lock) == [], name


def test_what_is_not_pinned_is_found() -> None:
    good = f"one==1.0 \\\n    --hash=sha256:{'a' * 64}\n"
    assert wrong(good) == []
    for bad in (
        f"one>=1.0 \\\n    --hash=sha256:{'a' * 64}\n",
        "one==1.0\n",
        f"one==1.0 \\\n    --hash=md5:{'a' * 32}\n",
        f"one @ https://example.org/one.whl \\\n    --hash=sha256:{'a' * 64}\n",
        f"--extra-index-url https://example.org/simple\n{good}",
    ):
        assert wrong(bad), bad


def test_the_locks_hold_all_that_the_project_asks_for() -> None:
    """And the tests run with the very versions that users get."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    locks = {name: entries((ROOT / name).read_text()) for name in LOCKS}
    wanted = [normal(re.split(r"[\s\[<>=!~;]", each)[0]) for each in project["project"]["dependencies"]]
    assert wanted
    assert set(wanted) <= locks["requirements.txt"].keys() & locks["requirements-dev.txt"].keys()
    for name, rest in locks["requirements.txt"].items():
        assert name in locks["requirements-dev.txt"], name
        assert rest.split()[0] == locks["requirements-dev.txt"][name].split()[0], name


def test_the_scripts_lock_names_each_file_by_its_hash() -> None:
    lock = json.loads((ROOT / "package-lock.json").read_text())
    packages = {name: each for name, each in lock["packages"].items() if name}
    assert packages
    for name, each in packages.items():
        assert each["integrity"].startswith("sha512-"), name
        assert "://" not in each.get("resolved", ""), name


def test_installing_asks_for_the_hashes() -> None:
    script = (ROOT / "dev").read_text()
    installs = re.findall(r"(?:pip install|-m pip install)(?:[^\\\n]|\\\n)*", script)
    assert installs
    for each in installs:
        assert "--require-hashes" in each or "--no-deps" in each, each
