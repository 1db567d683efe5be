"""The Grafana dashboard and the alerts ask for metrics that there are, by labels they have."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # it ships no types
from metric_labels import Documented, metrics, values

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
DASHBOARD = EXAMPLES / "grafana-hustings.json"
ALERTS = EXAMPLES / "alerts.yml"
RULE_TESTS = Path(__file__).with_name("alerts_test.yml")

FUNCTIONS = {
    *("rate", "increase", "histogram_quantile", "time", "vector", "clamp_min", "predict_linear"),
    *("sum", "max", "min", "count"),
}
WORDS = {"by", "on", "and", "or", "unless"}
EVERYWHERE = {"instance", "job", "role"}
"""Labels of every series: the first two are Prometheus' own."""

TOKEN = re.compile(
    r"\s+|(?P<string>\"[^\"]*\")|(?P<range>\[[^\]]*\])|(?P<number>[0-9][0-9.]*)"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)|(?P<sign>=~|!~|!=|==|>=|<=|[-+*/(){},=<>])"
)


class Bad(Exception):
    """What is wrong with an expression."""


def tokens(expression: str) -> list[tuple[str, str]]:
    found, at = [], 0
    while at < len(expression):
        match = TOKEN.match(expression, at)
        if match is None:
            raise Bad(f"cannot be read at {expression[at : at + 20]!r}")
        if match.lastgroup:
            found.append((match.lastgroup, match.group()))
        at = match.end()
    return found


def check(expression: str, documented: dict[str, Documented]) -> set[str]:
    """The documented metrics an expression asks for. Raises Bad. Not all of PromQL: what these files use."""
    found, asked, at = tokens(expression), set(), 0
    depth = 0
    while at < len(found):
        kind, text = found[at]
        after = found[at + 1][1] if at + 1 < len(found) else ""
        at += 1
        if text in ("(", ")"):
            depth += 1 if text == "(" else -1
            if depth < 0:
                raise Bad("one bracket too many")
        if kind != "name":
            continue
        if text in WORDS:
            if text in ("by", "on"):
                at = _labels(found, at)
        elif after == "(" or text in ("sum", "max", "min", "count"):
            if text not in FUNCTIONS:
                raise Bad(f"no function {text}")
        else:
            name = _metric(text, documented)
            asked.add(name)
            if after == "{":
                at = _matchers(found, at + 1, name, documented)
    if depth:
        raise Bad("a bracket is open")
    if not asked:
        raise Bad("asks for nothing")
    return asked - {"up"}


def _metric(text: str, documented: dict[str, Documented]) -> str:
    if text == "up" or (text in documented and documented[text].kind != "histogram"):
        return text
    base = re.sub(r"_(bucket|sum|count)$", "", text)
    if base != text and base in documented and documented[base].kind == "histogram":
        return base
    raise Bad(f"no metric {text}")


def _labels(found: list[tuple[str, str]], at: int) -> int:
    """`(a, b)` after by and on."""
    if found[at][1] != "(":
        raise Bad("labels stand in brackets")
    while found[at][1] != ")":
        kind, text = found[at]
        known = {label for row in metrics().values() for label in row.labels} | EVERYWHERE | {"le"}
        if kind == "name" and text not in known:
            raise Bad(f"no label {text}")
        at += 1
    return at + 1


def _matchers(found: list[tuple[str, str]], at: int, name: str, documented: dict[str, Documented]) -> int:
    """`a="b", c=~"d|e"}` of the metric `name`."""
    while found[at][1] != "}":
        (_, label), (_, sign), (_, quoted) = found[at : at + 3]
        own = documented[name].labels if name in documented else ()
        if label not in EVERYWHERE and label not in own:
            raise Bad(f"{name} has no label {label}")
        text = quoted.strip('"')
        if label in own:
            for each in text.split("|") if sign == "=~" else [text]:
                if not any(re.fullmatch(pattern, each) for pattern in values(name, label)):
                    raise Bad(f"{name}: {label} is never {each}")
        at += 3
        if found[at][1] == ",":
            at += 1
    return at + 1


# --- the checker itself ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "expression",
    [
        "hustings_edge_nothing",
        "hustings_stage_tick_lateness_seconds",
        "hustings_stage_ticks_total_bucket",
        'hustings_edge_listeners{reason="full"}',
        'hustings_edge_listeners{door="window"}',
        'hustings_edge_listeners{door=~"push|window"}',
        "sum by (room) (hustings_edge_listeners)",
        "sum(hustings_edge_listeners",
        "sum(hustings_edge_listeners))",
        "mean(hustings_edge_listeners)",
        "1 + 1",
        "hustings_edge_level ; 1",
    ],
)
def test_what_asks_for_something_else_is_found(expression: str) -> None:
    with pytest.raises(Bad):
        check(expression, metrics())


def test_what_asks_for_what_there_is_passes() -> None:
    found = check(
        'sum by (role) (rate(hustings_edge_listeners{door=~"push|stream",role="edge-0"}[5m])) / '
        "histogram_quantile(0.9, hustings_stage_tick_work_seconds_bucket) > 1e3 or vector(0)".replace(
            "1e3", "3"
        ),
        metrics(),
    )
    assert found == {"hustings_edge_listeners", "hustings_stage_tick_work_seconds"}


# --- alerts ------------------------------------------------------------------------------------------


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(ALERTS.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_each_alert_asks_for_what_there_is_and_says_what_to_do(rule: dict[str, Any]) -> None:
    check(rule["expr"], metrics())
    assert rule.keys() <= {"alert", "expr", "for", "labels", "annotations"}
    assert rule["labels"]["severity"] in ("page", "ticket")
    assert rule["annotations"].keys() == {"summary", "description"}
    assert rule["annotations"]["description"].endswith((".", "?", "!", ")."))
    for label in re.findall(r"\$labels\.(\w+)", json.dumps(rule)):
        assert label in {"instance", "job", "role", "name"}


def test_alerts_have_names_of_their_own() -> None:
    names = [rule["alert"] for rule in rules()]
    assert len(set(names)) == len(names) >= 20


def test_alerts_cover_what_issue_6_asks_for() -> None:
    asked = set().union(*(check(rule["expr"], metrics()) for rule in rules()))
    assert asked >= {
        "hustings_stage_tick_lateness_seconds",
        "hustings_role_restarts_total",
        "hustings_stage_recording",
        "hustings_data_free_bytes",
        "hustings_edge_level",
        "hustings_tls_not_after_seconds",
        "hustings_stage_chunks_total",
        "hustings_clock_steps_total",
    }


# --- the dashboard -----------------------------------------------------------------------------------


def board() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(DASHBOARD.read_text())
    return loaded


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = board()["panels"]
    return found


def expressions() -> Iterator[tuple[str, str]]:
    for panel in panels():
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]
    for note in board()["annotations"]["list"]:
        yield "annotation", note["expr"]


def test_each_panel_asks_for_what_there_is() -> None:
    known = metrics()
    wrong = []
    for title, expression in expressions():
        # What Grafana puts in before it asks.
        filled = expression.replace("$instance", ".*").replace("$__rate_interval", "1m")
        try:
            check(filled, known)
        except Bad as bad:
            wrong.append(f"{title}: {bad}: {expression}")
        assert "$" not in filled, expression
    assert not wrong, "\n".join(wrong)


def test_the_dashboard_is_one_that_grafana_takes() -> None:
    loaded = board()
    assert loaded["id"] is None, "Grafana gives it one"
    assert loaded["uid"]
    assert loaded["schemaVersion"] >= 36
    variables = {each["name"]: each for each in loaded["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    assert variables["datasource"]["query"] == "prometheus"
    chosen = {"type": "prometheus", "uid": "${datasource}"}
    assert variables["instance"]["datasource"] == chosen
    ids = [panel["id"] for panel in panels()]
    assert len(set(ids)) == len(ids)
    for panel in panels():
        if panel["type"] == "row":
            continue
        assert panel["type"] in ("stat", "timeseries")
        assert panel["title"]
        assert panel["description"], panel["title"]
        assert panel["datasource"] == chosen
        refs = [target["refId"] for target in panel["targets"]]
        assert len(set(refs)) == len(refs) >= 1
        assert all(target["datasource"] == chosen for target in panel["targets"])


def test_no_panel_lies_on_another() -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in panels():
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert taken.setdefault((x, y), panel["title"]) == panel["title"], panel["title"]


def test_the_dashboard_shows_what_issue_6_asks_for() -> None:
    known = metrics()
    asked = set()
    for _, expression in expressions():
        asked |= check(expression.replace("$instance", ".*").replace("$__rate_interval", "1m"), known)
    assert asked >= {
        *("hustings_edge_listeners", "hustings_stage_chunks_total", "hustings_stage_speaker_frames_total"),
        *("hustings_stage_tick_lateness_seconds", "hustings_stage_recording", "hustings_edge_level"),
        *("hustings_edge_shed_total", "hustings_role_memory_bytes", "hustings_role_cpu_seconds_total"),
        *("hustings_role_restarts_total", "hustings_bus_dropped_total", "hustings_data_free_bytes"),
    }


# --- by Prometheus' own tool -------------------------------------------------------------------------

needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is not installed (Debian: apt-get install prometheus)"
)


def promtool(*arguments: str) -> str:
    done = subprocess.run(
        ["promtool", *arguments], capture_output=True, text=True, timeout=120, cwd=RULE_TESTS.parent
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@needs_promtool
def test_promtool_takes_the_rules() -> None:
    assert f"{len(rules())} rules found" in promtool("check", "rules", str(ALERTS))


@needs_promtool
def test_the_rules_do_what_they_say() -> None:
    """alerts_test.yml: quiet for a server that is well, and each alarm at its time."""
    assert "SUCCESS" in promtool("test", "rules", RULE_TESTS.name)
