"""The software bill of materials, CycloneDX 1.6 as JSON: `python tools/sbom.py [--licences]` (`./dev sbom`).

From what is committed and nothing else: the lock of what users install, and the vendored files of the
pages. The same files give the same document; there is no time in it. `--licences` adds what the installed
packages say of themselves.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import re
import sys
import tomllib
import uuid
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
_PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]+\])?==([^\s;\\]+)(?: ;([^\\\n]+))?", re.MULTILINE)
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_VENDORED = re.compile(
    r"^\| (?P<name>\S+) \| npm package `(?P<package>[^`]+)`, `(?P<path>[^`]+)` \| (?P<version>\S+) "
    r"\| (?P<licence>[A-Za-z0-9.-]+)[^|]*\| (?P<sha256>[0-9a-f]{64}) \|",
    re.MULTILINE,
)
_NAMESPACE = uuid.UUID("6f1b6a57-3a39-5d0e-9a3d-6d0f5f0d7c11")


def python_packages(lock: str, *, licences: bool = False) -> list[dict[str, Any]]:
    """What a hash-pinned requirements file names. The hashes are of its files, one of which is installed."""
    found = []
    pins = list(_PIN.finditer(lock))
    for pin, following in zip(pins, [*pins[1:], None], strict=True):
        name, version, marker = pin[1].lower(), pin[2], (pin[3] or "").strip()
        block = lock[pin.start() : following.start() if following else len(lock)]
        purl = f"pkg:pypi/{name.replace('_', '-')}@{version}"
        properties = [{"name": "hustings:file-sha256", "value": each} for each in _HASH.findall(block)]
        if marker:
            properties.append({"name": "hustings:only-where", "value": marker})
        component: dict[str, Any] = {"type": "library", "bom-ref": purl, "name": name, "version": version}
        if licences and (licence := licence_of(name)):
            component["licenses"] = [{"license": {"name": licence}}]
        found.append({**component, "purl": purl, "properties": properties})
    return found


def licence_of(package: str) -> str:
    """As the installed package says; "" when it is not installed or says nothing."""
    try:
        told = importlib.metadata.metadata(package)
    except importlib.metadata.PackageNotFoundError:
        return ""
    short = told.get("License-Expression") or told.get("License") or ""
    if short and "\n" not in short and len(short) < 100:
        return short
    classifiers = told.get_all("Classifier") or []
    return next(
        (each.rpartition(" :: ")[2] for each in classifiers if each.startswith("License :: OSI Approved ::")),
        "",
    )


def vendored(table: str) -> list[dict[str, Any]]:
    """Files of others that the pages bring along, from VENDOR.md."""
    found = []
    for row in _VENDORED.finditer(table):
        # A package of which several files are here is named once for each, by its place in the package.
        purl = f"pkg:npm/{row['package']}@{row['version']}#{row['path']}"
        found.append(
            {
                "type": "library",
                "bom-ref": purl,
                "name": row["package"],
                "version": row["version"],
                "purl": purl,
                "licenses": [{"license": {"id": row["licence"]}}],
                "hashes": [{"alg": "SHA-256", "content": row["sha256"]}],
                "properties": [{"name": "hustings:file", "value": f"web/vendor/{row['name']}"}],
            }
        )
    return found


def bill(root: Path = ROOT, *, licences: bool = False) -> dict[str, Any]:
    """The whole document."""
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    components = python_packages((root / "requirements.txt").read_text(), licences=licences)
    components += vendored((root / "src/hustings/web/vendor/VENDOR.md").read_text())
    ours = f"pkg:pypi/{project['name']}@{project['version']}"
    content = json.dumps(components, sort_keys=True)
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(_NAMESPACE, content)}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": ours,
                "name": project["name"],
                "version": project["version"],
                "purl": ours,
                "licenses": [{"license": {"id": project["license"]}}],
            }
        },
        "components": components,
        "dependencies": [{"ref": ours, "dependsOn": [each["bom-ref"] for each in components]}],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--licences", action="store_true", help="what installed packages say of theirs")
    options = parser.parse_args()
    json.dump(bill(licences=options.licences), sys.stdout, indent=1)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
