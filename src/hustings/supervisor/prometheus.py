"""Many roles' metrics as one Prometheus text. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass
class _Family:
    head: list[str] = field(default_factory=list)
    samples: list[str] = field(default_factory=list)


def merge_metrics(texts: Mapping[str, str]) -> str:
    """One exposition (text format 0.0.4) of all `texts` (by role), each sample labelled `role="..."`.

    A family that several roles have appears once, as the format demands: HELP and TYPE of the first
    role, then every role's samples.
    """
    families: dict[str, _Family] = {}
    for role, text in texts.items():
        family = _Family()
        for line in text.splitlines():
            if line.startswith("# "):
                _, _, name = line.split(" ", 3)[:3]
                first = name not in families
                family = families.setdefault(name, _Family())
                # The TYPE line follows the HELP line of the same role.
                if first or (len(family.head) == 1 and not family.samples):
                    family.head.append(line)
            elif line:
                family.samples.append(_with_role(line, role))
    lines = [line for family in families.values() for line in (*family.head, *family.samples)]
    return "\n".join(lines) + "\n" if lines else ""


def _with_role(sample: str, role: str) -> str:
    """`sample` with the label role added before its own."""
    brace, space = sample.find("{"), sample.find(" ")
    if 0 <= brace < space:
        return f'{sample[: brace + 1]}role="{role}",{sample[brace + 1 :]}'
    return f'{sample[:space]}{{role="{role}"}}{sample[space:]}'
