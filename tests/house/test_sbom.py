"""The bill of materials names everything that users install, and is always the same."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))

from sbom import bill, python_packages

ROOT = Path(__file__).parents[2]


def test_it_names_every_pinned_package_and_every_vendored_file() -> None:
    found = {each["purl"]: each for each in bill()["components"]}
    pins = re.findall(
        r"^([A-Za-z0-9._-]+)(?:\[[^]]+\])?==([^\s;]+)", (ROOT / "requirements.txt").read_text(), re.M
    )
    assert {f"pkg:pypi/{name}@{version}" for name, version in pins} <= found.keys()
    assert len(found) > len(pins)
    folder = ROOT / "src" / "hustings" / "web"
    files = {
        each["properties"][0]["value"]: each["hashes"][0]["content"]
        for each in found.values()
        if each["purl"].startswith("pkg:npm/")
    }
    kinds = (".mjs", ".js", ".css")
    scripts = {f"web/vendor/{path.name}" for path in (folder / "vendor").iterdir() if path.suffix in kinds}
    assert files.keys() == scripts
    for name, expected in files.items():
        assert hashlib.sha256((folder.parent / name).read_bytes()).hexdigest() == expected


def test_its_form_is_cyclonedx() -> None:
    """What the schema of CycloneDX 1.6 requires of these parts."""
    told = bill()
    assert (told["bomFormat"], told["specVersion"], told["version"]) == ("CycloneDX", "1.6", 1)
    assert re.fullmatch(r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", told["serialNumber"])
    references = [each["bom-ref"] for each in (told["metadata"]["component"], *told["components"])]
    assert len(set(references)) == len(references)
    for each in told["components"]:
        assert each["type"] == "library"
        assert each["name"]
        assert each["version"]
        assert all(set(one) == {"name", "value"} for one in each["properties"])
        for licence in each.get("licenses", []):
            assert len(licence["license"]) == 1
    (dependency,) = told["dependencies"]
    assert set(dependency["dependsOn"]) | {dependency["ref"]} == set(references)


def test_markers_and_hashes_are_kept() -> None:
    lock = (
        'one[extra]==1.0 ; sys_platform == "win32" \\\n'
        f"    --hash=sha256:{'a' * 64} \\\n    --hash=sha256:{'b' * 64}\n"
        f"two==2.0 \\\n    --hash=sha256:{'c' * 64}\n"
    )
    one, two = python_packages(lock)
    assert [each["value"] for each in one["properties"]] == ["a" * 64, "b" * 64, 'sys_platform == "win32"']
    assert (two["purl"], len(two["properties"])) == ("pkg:pypi/two@2.0", 1)


def test_the_command_gives_the_same_twice() -> None:
    command = [sys.executable, str(ROOT / "tools" / "sbom.py"), "--licences"]
    first, second = (subprocess.run(command, check=True, capture_output=True).stdout for _ in range(2))
    assert first == second
    told = json.loads(first)
    assert sum("licenses" in each for each in told["components"]) > len(told["components"]) / 2
