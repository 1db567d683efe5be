"""Push listeners with and without TLS: `python benchmarks/edge_push.py [--listeners 4000]`.

`hustings bench push` measures what a listener costs. Here the same is done once more with TLS 1.3 (a P-256
certificate, the suite Chromium asks for first), for what that costs a listener in comparison. The listeners
shake hands and then leave the records as they come.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "tls"))

from authority import Authority

from hustings.bench import machine, push
from hustings.bench.results import Results


async def compare(options: argparse.Namespace, results: Results) -> None:
    how: dict[str, Any] = {
        "listeners": options.listeners,
        "crowd": 0,
        "seconds": options.seconds,
        "runs": options.runs,
    }
    await push.measure(results, [], **how)
    with tempfile.TemporaryDirectory() as folder:
        pair = Authority(Path(folder)).issue()
        keys: dict[str, Any] = {"tls_cert": str(pair.cert), "tls_key": str(pair.key)}
        await push.measure(results, [], **how, subject="hustings+tls", **keys)
    secure = results.value("push", "cpu_per_listener", "hustings+tls")
    plain = results.value("push", "cpu_per_listener")
    assert secure
    assert plain
    results.add("push", "tls_cost_ratio", [secure / plain], "x a listener's CPU", "hustings+tls")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--listeners", type=int, default=4000)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--tls", action="store_true", help="always done now; kept for who gives it")
    options = parser.parse_args()
    machine.raise_descriptor_limit()
    results = Results()
    asyncio.run(compare(options, results))
    print(results.text())


if __name__ == "__main__":
    main()
