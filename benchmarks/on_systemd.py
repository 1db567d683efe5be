"""The unit of docs/examples on a real Debian with systemd and cgroups: `python benchmarks/on_systemd.py`.

Makes a small Debian (mmdebstrap) with this tree's code in it, boots it (QEMU with KVM, two processors, 2 GB,
no network at all) and has it run systemd_guest.py: the unit as it is, with an evening under its walls; then
`Delegate=cpu memory`: each role in its group, weights by two loops that want the same processor, memory.max
by something that grows for ever; stage and supervisor killed, the supervisor stopped until the watchdog
bites. Prints a line for each thing that was looked at; exit code 1 if one of them is not so.

As root, with /dev/kvm and Debian's qemu-system-x86, mmdebstrap and e2fsprogs.
`--emulated` does without KVM, ten times slower: nothing is on air then.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent
PACKAGES = (
    *("systemd", "systemd-sysv", "dbus", "udev", "kmod", "linux-image-cloud-amd64", "iproute2", "procps"),
    *("util-linux", "libgomp1", "libssl3", "libsqlite3-0", "libffi8", "liblzma5", "libbz2-1.0"),
    *("libreadline8", "zlib1g"),
)
CHECK_UNIT = """\
[Unit]
After=multi-user.target
[Service]
Type=oneshot
TimeoutStartSec=infinity
StandardOutput=tty
StandardError=tty
TTYPath=/dev/ttyS0
Environment=PYTHONPATH=/opt/check
ExecStart=/opt/hustings/bin/python -c "from systemd_guest import main; main()"
ExecStopPost=/bin/systemctl --no-block poweroff
"""
LONGEST = 3600.0
"""Seconds until the machine is switched off."""


def debian(folder: Path) -> None:
    """A small Debian in `folder`, with this Python."""
    command = ["mmdebstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", "bookworm", str(folder)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    shutil.copytree(sys.base_prefix, folder / "opt" / "python", symlinks=True)
    (folder / "etc" / "ld.so.conf.d" / "python.conf").write_text("/opt/python/lib\n")
    subprocess.run(["chroot", folder, "/sbin/ldconfig"], check=True)


def install(folder: Path) -> None:
    """Hustings as this tree has it, its unit, and what looks at it."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    program = f"/opt/python/bin/{version}"
    subprocess.run(["chroot", folder, program, "-m", "venv", "--without-pip", "/opt/hustings"], check=True)
    there = folder / "opt" / "hustings"
    site = there / "lib" / version / "site-packages"
    shutil.copytree(sysconfig.get_path("purelib"), site, symlinks=True, dirs_exist_ok=True)
    shutil.copytree(ROOT / "src" / "hustings", site / "hustings", dirs_exist_ok=True)
    shutil.copy(Path(sysconfig.get_path("scripts")) / "nats-server", there / "bin")
    script = there / "bin" / "hustings"
    script.write_text("#!/opt/hustings/bin/python\nfrom hustings.cli import main\nmain()\n")
    script.chmod(0o755)
    (folder / "opt" / "check").mkdir(exist_ok=True)
    shutil.copy(HERE / "systemd_guest.py", folder / "opt" / "check")
    units = folder / "etc" / "systemd" / "system"
    shutil.copy(ROOT / "docs" / "examples" / "hustings.service", units)
    (units / "check.service").write_text(CHECK_UNIT)
    wanted = units / "multi-user.target.wants"
    wanted.mkdir(exist_ok=True)
    getty = units / "serial-getty@ttyS0.service"  # it would hang up on what is printed
    for link, target in (
        (wanted / "check.service", "/etc/systemd/system/check.service"),
        (getty, "/dev/null"),
    ):
        link.unlink(missing_ok=True)
        link.symlink_to(target)
    # There is no network in there.
    (folder / "etc" / "hustings.conf").write_text("HUSTINGS_MEDIA_DOOR=127.0.0.1:8002\n")
    (folder / "etc" / "fstab").write_text("/dev/vda / ext4 defaults 0 1\n")


def boot(folder: Path, image: Path, emulated: bool) -> subprocess.Popen[str]:
    """The machine, its console as standard output."""
    command = ["mke2fs", "-q", "-t", "ext4", "-d", str(folder), str(image), "6G"]
    subprocess.run(command, check=True)
    kernel = next((folder / "boot").glob("vmlinuz-*"))
    initrd = next((folder / "boot").glob("initrd.img-*"))
    return subprocess.Popen(
        [
            *("qemu-system-x86_64", "-smp", "2", "-m", "2048", "-no-reboot"),
            *(("-accel", "tcg,thread=multi", "-cpu", "max") if emulated else ("-enable-kvm", "-cpu", "host")),
            *("-nic", "none", "-display", "none", "-serial", "stdio", "-monitor", "none"),
            *("-drive", f"file={image},format=raw,if=virtio,cache=unsafe"),
            *("-kernel", str(kernel), "-initrd", str(initrd)),
            *(
                "-append",
                " ".join(["root=/dev/vda rw console=ttyS0 quiet panic=-1", *["emulated"] * emulated]),
            ),
        ],
        stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
        errors="replace",
    )


def watch(machine: subprocess.Popen[str], verbose: bool) -> list[dict[str, object]]:
    """What was shown, until the machine is off or has had its time."""
    shown = []
    end = time.monotonic() + LONGEST
    assert machine.stdout is not None
    try:
        for line in machine.stdout:
            _, marked, found = line.partition("SHOWN ")
            if marked:
                shown.append(json.loads(found))
                mark = "ok  " if shown[-1]["ok"] else "NOT "
                print(f"{mark} {shown[-1]['what']}: {shown[-1]['seen']}", flush=True)
            elif verbose:
                print(line.rstrip(), file=sys.stderr, flush=True)
            if "THE END" in line or time.monotonic() > end:
                break
        machine.wait(60)
    except subprocess.TimeoutExpired:
        pass
    finally:
        machine.kill()
        machine.wait()
    return shown


def main() -> int:
    """0 when all is as it should be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--verbose", action="store_true", help="print the machine's console as well")
    parser.add_argument(
        "--debian", type=Path, metavar="DIR", help="make the Debian here, or use what is here"
    )
    parser.add_argument("--emulated", action="store_true", help="without KVM")
    options = parser.parse_args()
    missing = [name for name in ("qemu-system-x86_64", "mmdebstrap", "mke2fs") if not shutil.which(name)]
    if os.geteuid():
        missing.append("root")
    if not options.emulated and not os.access("/dev/kvm", os.R_OK | os.W_OK):
        missing.append("/dev/kvm (or --emulated)")
    if missing:
        print(
            f"on_systemd: this takes {', '.join(missing)} (apt-get install qemu-system-x86 mmdebstrap)",
            file=sys.stderr,
        )
        return 2
    with tempfile.TemporaryDirectory(prefix="hustings-systemd-") as work:
        folder = options.debian or Path(work) / "debian"
        if not (folder / "opt" / "python").exists():
            debian(folder)
        install(folder)
        shown = watch(boot(folder, Path(work) / "disk", options.emulated), options.verbose)
    bad = [each for each in shown if not each["ok"]]
    print(f"{len(shown)} looked at, {len(bad)} not as it should be")
    return 1 if bad or not shown else 0


if __name__ == "__main__":
    sys.exit(main())
