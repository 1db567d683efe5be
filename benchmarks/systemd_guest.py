"""Inside the machine of on_systemd.py: the unit as it is, then with cgroups. As root, to the console.

Each line of JSON after `SHOWN` is one thing that was looked at: `what`, `ok`, `seen`.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

HUSTINGS = "/opt/hustings/bin/hustings"
DATA = "/var/lib/hustings"
GROUP = Path("/sys/fs/cgroup/system.slice/hustings.service")
VOICE = next(Path("/opt/hustings/lib").glob("python3*/site-packages/hustings/web/demo/host.opus"))
DROP_IN = Path("/etc/systemd/system/hustings.service.d/groups.conf")
HOG = "b = []\nwhile True: b.append(bytearray(8 << 20))"
SPIN = "while True: pass"
EMULATED = "emulated" in Path("/proc/cmdline").read_text().split()
"""Without KVM everything is ten times slower: nothing is on air then, since no stage could keep its tick."""


def say(what: str, ok: bool, seen: object) -> None:
    print("SHOWN " + json.dumps({"what": what, "ok": ok, "seen": seen}), flush=True)


def run(*command: str, timeout: float = 300.0) -> str:
    print(f"{time.monotonic():.0f} s: {' '.join(command)[:100]}", flush=True)
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done.stdout


def hustings(*arguments: str, timeout: float = 300.0) -> Any:
    """What the command says, as JSON if it is."""
    out = run(HUSTINGS, *arguments, timeout=timeout)
    try:
        return json.loads(out)
    except ValueError:
        return out


def unit(name: str) -> str:
    return run("systemctl", "show", "hustings", f"--property={name}", "--value").strip()


def until(what: Callable[[], Any], within: float = 300.0) -> Any:
    end = time.monotonic() + within
    while time.monotonic() < end:
        if found := what():
            return found
        time.sleep(0.1)
    raise RuntimeError(f"not within {within:g} s")


def roles() -> dict[str, int]:
    """The process of each role, by /proc: not the spares."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            owner = entry.stat().st_uid
        except OSError:
            continue
        if "nats-server" in line and owner:
            found["bus"] = int(entry.name)
        if match := re.search(r"hustings\.cli\.role (stage|studio|scribe|edge)\b", line):
            found.setdefault(match[1], int(entry.name))
    return found


def all_roles() -> dict[str, int]:
    """Once each is there."""
    until(lambda: len(roles()) == 5)
    return roles()


def log() -> str:
    return run("journalctl", "-u", "hustings", "-o", "cat", "--no-pager")


def group_of(pid: int) -> str:
    return Path(f"/proc/{pid}/cgroup").read_text().strip().rpartition("/")[2]


def evening(seconds: int, *, during: Callable[[str], None] = lambda _slug: None) -> dict[str, Any]:
    """A speaker, a recording and a listener of `seconds`; `during` is called once it is heard. Nothing of
    it when emulated."""
    if EMULATED:
        during("")
        return {"emulated": True}
    slug = json.loads(run(HUSTINGS, "room", "create", "Under systemd", "--json", "--data", DATA))["slug"]
    ticket = json.loads(run(HUSTINGS, "invite", slug, "Ada", "--json", "--data", DATA))["ticket"]
    hustings("open", slug, "--data", DATA)
    speaker = subprocess.Popen(
        [HUSTINGS, "speak", slug, "--ticket", ticket, "--file", str(VOICE), "--loop", "--data", DATA],
        stdout=subprocess.DEVNULL,
    )
    try:
        hustings("start", slug, "--data", DATA)
        address = f"http://127.0.0.1:8000/r/{slug}"
        until(lambda: hustings("listen", address, "--seconds", "1", "--json")["seconds"] > 0)
        listener = subprocess.Popen(
            [HUSTINGS, "listen", address, "--seconds", str(seconds), "--json"],
            stdout=subprocess.PIPE,
            text=True,
        )
        during(slug)
        out, _ = listener.communicate(timeout=seconds + 300)
        hustings("stop", slug, "--data", DATA)
        heard: dict[str, Any] = json.loads(out)
        return heard
    finally:
        speaker.kill()
        speaker.wait()


def say_heard(what: str, heard: dict[str, Any], *, whole: bool = True) -> None:
    """Nothing is said of it where nothing was on air."""
    if not EMULATED:
        good = heard["gaps"] == 0 and heard["seconds"] > 19 if whole else heard["seconds"] > 15
        say(what, good, heard)


def as_it_is() -> None:
    began = time.monotonic()
    run("systemctl", "start", "hustings", timeout=200)
    took = round(time.monotonic() - began, 1)
    say("the unit starts, READY=1 when all doors are open", unit("ActiveState") == "active", f"{took} s")
    say("`systemctl status` has a line of ours", bool(unit("StatusText")), unit("StatusText"))
    separation = re.findall(r".*separation.*", log())
    say("without Delegate it says why there are no groups", "niceness" in separation[-1], separation[-1])
    # nice is field 19, the policy field 41 of /proc/PID/stat (proc(5)), counted after the command's name.
    stats = {
        name: Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        for name, pid in all_roles().items()
    }
    nice = {name: int(fields[16]) for name, fields in stats.items()}
    say("LimitNICE: bus and stage first", (nice["stage"], nice["studio"], nice["edge"]) == (-10, -5, 0), nice)
    policy = {name: int(fields[38]) for name, fields in stats.items()}
    say("LimitRTPRIO: the stage is SCHED_RR", policy["stage"] == os.SCHED_RR, policy)
    user = Path(f"/proc/{roles()['edge']}").stat().st_uid
    say("DynamicUser", user >= 61184, user)
    heard = evening(20)
    say_heard("a speaker, a recording and a listener under its walls", heard)


def deaths() -> None:
    stage = roles()["stage"]

    def kill(_slug: str) -> None:
        time.sleep(3)
        os.kill(stage, signal.SIGKILL)

    heard = evening(20, during=kill)
    good = all_roles()["stage"] != stage and unit("NRestarts") == "0"
    say("the stage is killed: the supervisor, not systemd, brings it back", good, unit("NRestarts"))
    say_heard("a listener meanwhile", heard, whole=False)
    main = unit("MainPID")
    os.kill(int(main), signal.SIGKILL)
    until(lambda: unit("MainPID") not in ("0", main) and unit("ActiveState") == "active")
    say("the supervisor is killed: systemd starts it again", unit("NRestarts") == "1", unit("NRestarts"))
    main = unit("MainPID")
    os.kill(int(main), signal.SIGSTOP)
    began = time.monotonic()
    until(lambda: unit("MainPID") not in ("0", main) and unit("ActiveState") == "active", 300)
    took = round(time.monotonic() - began)
    say("the supervisor stands still: the watchdog ends it", unit("NRestarts") == "2", f"{took} s")


def used(process: subprocess.Popen[bytes]) -> float:
    """Seconds of processor time (proc(5), fields 14 and 15 of /proc/PID/stat)."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def spin(group: str) -> subprocess.Popen[bytes]:
    """A process that computes for ever, in `group`, on the first processor, at priority 0."""
    process = subprocess.Popen(["taskset", "-c", "0", "/opt/hustings/bin/python", "-c", SPIN])
    (GROUP / group / "cgroup.procs").write_text(str(process.pid))
    return process


def groups() -> None:
    DROP_IN.parent.mkdir(exist_ok=True)
    DROP_IN.write_text("[Service]\nDelegate=cpu memory\nProtectControlGroups=no\n")
    run("systemctl", "daemon-reload")
    run("systemctl", "restart", "hustings", timeout=200)
    separation = re.findall(r".*separation.*", log())[-1]
    say("with Delegate there are groups", "cgroup weights" in separation, separation)
    found = all_roles()
    placed = {name: group_of(pid) for name, pid in found.items()}
    placed["supervisor"] = group_of(int(unit("MainPID")))
    expected = {name: "edge-0" if name == "edge" else name for name in placed}
    say("each role is in its own", placed == expected, placed)
    bounds = {
        folder.name: [(folder / name).read_text().strip() for name in ("cpu.weight", "memory.max")]
        for folder in sorted(GROUP.iterdir())
        if folder.is_dir()
    }
    say("weights and bounds of memory", bounds["stage"][0] == "800" and bounds["edge-0"][0] == "100", bounds)
    heard = evening(20, during=shares)
    say_heard("a listener meanwhile", heard)
    heard = evening(20, during=hog)
    say_heard("a listener meanwhile", heard, whole=False)
    stage = roles()["stage"]
    os.kill(stage, signal.SIGKILL)
    fresh = until(lambda: (pid := roles().get("stage")) not in (None, stage) and pid)
    until(lambda: group_of(fresh) == "stage")
    say("a role that comes back, out of its spare, is in its group again", True, group_of(fresh))


def shares(_slug: str) -> None:
    """One spins in the stage's group, one in the edge's: who gets the processor both want?"""
    both = [spin("stage"), spin("edge-0")]
    before = [used(each) for each in both]
    time.sleep(10)
    stage, edge = (used(each) - earlier for each, earlier in zip(both, before, strict=True))
    for each in both:
        each.kill()
        each.wait()
    say("cpu.weight: stage against edge, both wanting all of one processor", 4 < stage / edge < 12,
        f"{stage:.1f} and {edge:.1f} s of 10 s")  # fmt: skip


def hog(_slug: str) -> None:
    """Something in the edge's group takes memory for ever."""
    process = subprocess.Popen(["/opt/hustings/bin/python", "-c", HOG])
    (GROUP / "edge-0" / "cgroup.procs").write_text(str(process.pid))
    code = process.wait(300)
    events = (GROUP / "edge-0" / "memory.events").read_text().split()
    peak = int((GROUP / "edge-0" / "memory.peak").read_text()) >> 20
    killed = dict(zip(events[::2], events[1::2], strict=True))
    bound = int((GROUP / "edge-0" / "memory.max").read_text()) >> 20
    ok = code == -signal.SIGKILL and int(killed["oom_kill"]) >= 1 and peak <= bound + 1
    say("memory.max: the kernel ends what grows in there", ok, f"{killed}, at most {peak} MB of {bound}")


def the_end() -> None:
    run("systemctl", "reload", "hustings")
    time.sleep(1)
    say("`systemctl reload` without TLS ends nothing", len(roles()) == 5, unit("ActiveState"))
    began = time.monotonic()
    run("systemctl", "stop", "hustings")
    took = round(time.monotonic() - began, 1)
    say("it stops in order", unit("Result") == "success" and not roles(), f"{took} s, {unit('Result')}")
    say("no group is left", not GROUP.exists(), str(GROUP))


def main() -> None:
    try:
        for part in (as_it_is, groups, deaths, the_end):
            part()
    except Exception as error:
        say("no error", False, repr(error)[-1500:])
        traceback.print_exc()
        print(log()[-6000:], flush=True)
    print("THE END", flush=True)
