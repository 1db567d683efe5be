"""`hustings serve`: bus, stage, studio, edges and scribe as children of one process."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Callable, Mapping
from pathlib import Path

import structlog
from prometheus_client import REGISTRY, disable_created_metrics, generate_latest

from hustings.addresses import by_name
from hustings.archive.open_store import KEYS, where
from hustings.bus import subjects
from hustings.bus.client import Bus
from hustings.bus.health_messages import NodeEventKind
from hustings.bus.messages import RoleMetrics, RoleReady
from hustings.bus.rights import kind_of
from hustings.clock import Clock, SystemClock
from hustings.config import Settings
from hustings.counted_apart import read_bots
from hustings.countries import read_countries
from hustings.errors import HustingsError
from hustings.log import configure_logging
from hustings.notify import NOTIFY_SOCKET, notify, status
from hustings.sockets import audience_socket, studio_socket
from hustings.store.tokens import kept_secret
from hustings.studio.trusted_time import since_boot
from hustings.supervisor.cgroups import Groups, NoGroups, own_group
from hustings.supervisor.child import Child, Doorway, NeverStarted, role_command, tethered
from hustings.supervisor.doors import Door, doors, hold
from hustings.supervisor.folder import DataFolder
from hustings.supervisor.health import Health
from hustings.supervisor.hung import LOOKS, SILENT_FOR, Hung, waited
from hustings.supervisor.logs import LogWriter
from hustings.supervisor.memory import (
    cgroup_gauge,
    limit_gauge,
    limits,
    machine_memory,
    memory_gauge,
    memory_kills,
    own_memory,
)
from hustings.supervisor.metrics_door import MetricsDoor
from hustings.supervisor.nats_server import NatsServer, tidy
from hustings.supervisor.prometheus import merge_metrics
from hustings.supervisor.rolling import Rolling
from hustings.supervisor.spares import Spares
from hustings.supervisor.tls import usable_certificate, with_links

log = structlog.get_logger()

disable_created_metrics()  # type: ignore[no-untyped-call]  # as role.py

GATE_KEY = "HUSTINGS_GATE_KEY"
HEALTH_EVERY = 2.0
"""Seconds between two NodeHealth."""
PATIENCE = {"edge": 10.0, "certificates": 3.0, "studio": 6.0, "scribe": 3.0, "stage": 6.0, "bus": 3.0}
"""Seconds each kind of role has to stop, in the order they are stopped."""

type Say = Callable[[str], None]


class Supervisor:
    """One node. Raises HustingsError from `__init__` when folder or doors cannot be had.

    `say` gets one line per ready door; `command` tells how a role is started (tests start others).
    """

    def __init__(
        self,
        settings: Settings,
        say: Say,
        *,
        clock: Clock | None = None,
        command: Callable[..., list[str]] = role_command,
    ) -> None:
        self._clock: Clock = clock or SystemClock()
        self._say = say
        self._folder = DataFolder(settings.data)
        try:
            where(settings)  # what is no store is said now; one that fails concerns nobody who is on air
            read_bots(settings)  # nor are lists of the audience that cannot be used found out by each role
            read_countries(settings)
            certificate = usable_certificate(settings, self._clock)
            self.doors = doors(settings)
            self._held: socket.socket = hold(self.doors["audience"])
            self._nats = None if settings.bus else NatsServer(self._folder)
        except HustingsError:
            self._folder.close()
            raise
        self._logs = LogWriter(json_lines=settings.log_json)
        configure_logging("server", json_lines=settings.log_json, stream=self._logs)
        self._all_open = asyncio.Event()
        self._spares: dict[str, Spares] = {}
        self._settings = settings = with_links(settings, self.doors, certificate)
        self._children = self._make_children(settings, command)
        self._health = Health(
            self._children,
            settings.data,
            wall=self._clock.wall,
            monotonic=self._clock.monotonic,
            steady=since_boot,
        )
        self._groups: Groups | None = None
        self._limits: dict[str, int] = {}
        self._rolling: asyncio.Task[None] | None = None
        self._texts: dict[str, str] = {}
        self._opened: set[str] = set()
        self._setup_said = False
        self._studio_url = settings.studio_url.rstrip("/")
        self._stop = asyncio.Event()
        self._kill = asyncio.Event()
        self._started = self._clock.monotonic()
        self._bus: Bus | None = None

    def _separate(self) -> None:
        """Bounds each role's memory, by cgroups where they may be made; the log says what could be had."""
        self._limits = self._health.limits = limits(self._children, machine_memory())
        for name, limit in self._limits.items():
            limit_gauge.labels(name).set(limit)
        why = ""
        try:
            proc = Path("/proc/self")
            group = own_group((proc / "cgroup").read_text(), (proc / "mounts").read_text())
            self._groups = Groups(group, self._limits)
        except OSError:
            why = "this system has no /proc"
        except NoGroups as none:
            why = str(none)
        has = self._groups.has if self._groups else frozenset[str]()
        for controller in ("cpu", "memory"):
            cgroup_gauge.labels(controller).set(int(controller in has))
        log.info(
            "separation",
            processor="cgroup weights" if "cpu" in has else "niceness",
            memory="cgroups and watched" if "memory" in has else "watched",
            **({"why": why} if why else {}),
        )

    def _placed(self, name: str, pid: int) -> None:
        if self._groups is not None:
            self._groups.place(name, pid)

    def _tell(self, kind: NodeEventKind, name: str) -> None:
        if not self._stop.is_set():
            self._health.happened(kind, name)

    def _bus_url(self, role: str) -> str:
        return self._nats.url(role) if self._nats else self._settings.bus

    def _make_children(self, settings: Settings, command: Callable[..., list[str]]) -> dict[str, Child]:
        general = child_environment(settings, self.doors)
        edges = settings.edges or max(1, len(os.sched_getaffinity(0)) - 1)
        commands = {
            "stage": command("stage"),
            "studio": command("studio"),
            **{f"edge-{index}": command("edge", str(index)) for index in range(edges)},
        }
        # The store's keys are for who reads recordings, the gate's for who opens it.
        keyless = dict.fromkeys((*KEYS, GATE_KEY), "")
        keyed = {GATE_KEY: settings.gate_key or kept_secret(settings.data, "gate-key")}
        own = {"stage": keyless, "studio": keyed, "edge": keyed, "scribe": {}, "certificates": {}}
        told = {role: general | {"HUSTINGS_BUS": self._bus_url(role)} | more for role, more in own.items()}
        if settings.spares and command is role_command:
            self._spares = {
                kind: Spares(command("spare", kind), told[kind])
                for kind in ("stage", "studio", "edge", "scribe")
            }
        children = {
            name: Child(
                *(name, argv, told[kind_of(name)], self._logs, self._clock),
                door=self._doorway(kind_of(name)),
                spares=self._spares.get(kind_of(name)),
                begun=self._placed,
                tell=self._tell,
            )
            for name, argv in commands.items()
        }
        # Nobody waits for the scribe: it starts when all doors are open, and may fail by itself.
        children["scribe"] = Child(
            *("scribe", command("scribe"), told["scribe"], self._logs, self._clock),
            after=self._all_open,
            needed=False,
            spares=self._spares.get("scribe"),
            begun=self._placed,
            tell=self._tell,
        )
        if settings.domain:
            children["certificates"] = Child(
                *("certificates", command("certificates"), told["certificates"], self._logs, self._clock),
                needed=False,
                tell=self._tell,
            )
        if self._nats:
            bus = Child(
                *("bus", tethered(self._nats.command, "bus"), keyless),
                *(self._logs, self._clock, tidy),
                begun=self._placed,
                tell=self._tell,
            )
            children = {"bus": bus, **children}
        return children

    def _doorway(self, kind: str) -> Doorway | None:
        """The listening socket of an edge, each its own at one port, or of the studio."""
        listen = {"edge": ("audience", audience_socket), "studio": ("studio", studio_socket)}.get(kind)
        if listen is None:
            return None
        door, open_socket = self.doors[listen[0]], listen[1]
        return Doorway(lambda: open_socket(door.host, door.port))

    @property
    def pids(self) -> dict[str, int]:
        """Process ids of what runs now, by name."""
        return {name: child.pid for name, child in self._children.items() if child.pid}

    def stop(self) -> None:
        """Ends `run` in order; the second time at once."""
        if self._stop.is_set():
            self._kill.set()
        self._stop.set()

    def reload(self) -> None:
        """Both doors look at their certificate now; beside a domain, what failed is tried again."""
        if self._settings.certificate_files is None:
            log.info("nothing to load again: there is no certificate")
            return
        log.info("looking at certificates")
        for name, child in self._children.items():
            if name.partition("-")[0] in ("edge", "studio", "certificates") and child.ready.is_set():
                child.hang_up()

    def restart(self) -> None:
        """Restarts all roles one after the other, for an upgrade; a second call meanwhile is passed over."""
        if self._rolling is None or self._rolling.done():
            if not self._all_open.is_set() or self._stop.is_set():
                log.warning("not all doors are open; nothing is restarted")
                return
            rolling = Rolling(self._children, self._spares, PATIENCE, self._folder.remember_restart)
            self._rolling = asyncio.create_task(rolling.run())

    async def run(self) -> None:
        """Until `stop`. Raises HustingsError when a role cannot start at all."""
        running: dict[str, asyncio.Task[None]] = {}
        bus: Bus | None = None
        self._separate()
        door = MetricsDoor(self.doors["metrics"], self._metrics, self._health.ready)
        watch = asyncio.gather(self._watch(), self._watch_memory(), self._watch_health())
        try:
            # All at once: while the bus starts, the roles are still importing, and then they wait for it.
            for name, child in self._children.items():
                running[name] = asyncio.create_task(child.run())
            bus = await self._connect(running)
            if bus is not None:
                self._open("metrics")
                await self._until_stopped(running)
        finally:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)
            door.close()
            await self._shut_down(running, bus)

    async def _connect(self, running: Mapping[str, asyncio.Task[None]]) -> Bus | None:
        """The supervisor's own connection; None when asked to stop before it came about."""
        connecting = asyncio.create_task(Bus.connect(self._bus_url("supervisor"), "supervisor"))
        stopped = asyncio.create_task(self._stop.wait())
        await asyncio.wait({connecting, stopped, *running.values()}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if not connecting.done():
            connecting.cancel()
            _raise_failures(running)
            return None
        bus = self._bus = connecting.result()
        self._health.bus_connected = lambda: bus.connected
        await bus.subscribe(subjects.ROLE_READY, RoleReady, self._on_ready)
        await bus.subscribe(subjects.ROLE_METRICS, RoleMetrics, self._on_metrics)
        if "bus" in self._children:
            self._children["bus"].ready.set()
        return bus

    async def _until_stopped(self, running: Mapping[str, asyncio.Task[None]]) -> None:
        stopped = asyncio.create_task(self._stop.wait())
        await asyncio.wait({stopped, *running.values()}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        _raise_failures(running)

    async def _shut_down(self, running: Mapping[str, asyncio.Task[None]], bus: Bus | None) -> None:
        """Edges first, so that no listener meets a half-stopped server; the bus last."""
        log.info("stopping")
        notify("STOPPING=1")
        self._folder.forget_addresses()
        killer = asyncio.create_task(self._kill_when_told())
        for kind, patience in PATIENCE.items():
            if kind == "bus" and bus is not None:
                await bus.close()
            ours = [name for name in running if name.partition("-")[0] == kind]
            await asyncio.gather(*(self._children[name].stop(patience) for name in ours))
        killer.cancel()
        if self._rolling is not None:
            self._rolling.cancel()
            await asyncio.gather(self._rolling, return_exceptions=True)
        for spares in self._spares.values():
            await spares.close()
        await asyncio.gather(*running.values(), return_exceptions=True)
        self._held.close()
        if self._nats:
            self._nats.forget()
        self._folder.close()
        if self._groups is not None:
            self._groups.close()
        log.info("stopped")
        self._logs.finish()

    async def _kill_when_told(self) -> None:
        await self._kill.wait()
        for child in self._children.values():
            child.kill()

    def _on_ready(self, message: RoleReady) -> None:
        child = self._children.get(message.role)
        if child is not None and child.said_ready(message.pid):
            self._open_doors()

    def _on_metrics(self, message: RoleMetrics) -> None:
        child = self._children.get(message.role)
        if child is not None and child.pid == message.pid:
            child.heard = self._clock.monotonic()
            self._texts[message.role] = message.text

    def _open_doors(self) -> None:
        """Says which doors are ready now, and remembers the addresses once all are."""
        ready = {name for name, child in self._children.items() if child.ready.is_set()}
        edges = {name for name in self._children if name.startswith("edge-")}
        if edges <= ready:
            self._open("audience")
        if "studio" in ready:
            self._open("studio")
            self._say_setup()
        if "stage" in ready:
            self._open("media")
        if "certificates" in ready:
            self._open("http")
        # Port 80 is for those who forget https: nobody waits for it.
        if self._opened >= self.doors.keys() - {"http"} and not self._all_open.is_set():
            addresses = {name: shown(door).removeprefix("udp ") for name, door in self.doors.items()}
            addresses |= {name: getattr(self._settings, name) for name in ("audience_url", "studio_url")}
            if self._settings.certificate_files is not None:
                cert, key = self._settings.certificate_files
                addresses |= {"certificate": str(cert.absolute()), "certificate_key": str(key.absolute())}
            self._folder.remember_addresses(addresses)
            self._all_open.set()
            notify("READY=1", status("all doors are open"))
            log.info("ready", seconds=round(self._clock.monotonic() - self._started, 2))

    def _open(self, name: str) -> None:
        if name not in self._opened:
            self._opened.add(name)
            self._say(f"{name:<9} {shown(self.doors[name])}")

    def _say_setup(self) -> None:
        """The address where the first account is made, as long as there is none."""
        secret = self._folder.setup_secret()
        if secret and not self._setup_said:
            self._setup_said = True
            self._say(f"{'setup':<9} {by_name(self._studio_url)}/setup#{secret}")

    def _metrics(self) -> str:
        """Called from the metrics door's thread: everything here is replaced, never changed in place."""
        now = self._clock.monotonic()
        current: dict[str, str] = {}
        self._health.ups()
        for name, child in list(self._children.items()):
            fresh = child.heard is not None and now - child.heard < SILENT_FOR
            text = self._texts.get(name)
            if text and fresh:
                current[name] = text
        return merge_metrics({"supervisor": generate_latest(REGISTRY).decode(), **current})

    async def _watch(self) -> None:
        """Kills roles that run but say nothing: a deadlock is a death that nobody announced."""
        hung = Hung()
        while True:
            await asyncio.sleep(LOOKS)
            roles = {
                name: (child.heard, waited(child.pid))
                for name, child in self._children.items()
                if child.heard is not None and child.pid
            }
            for name in hung.look(self._clock.monotonic(), roles):
                log.error("role hangs; killing it", name=name)
                self._tell("hung", name)
                self._children[name].kill()

    async def _watch_memory(self) -> None:
        """Kills a role that has taken more memory than it may have."""
        while True:
            await asyncio.sleep(1.0)
            for name, child in self._children.items():
                has = own_memory(child.pid) if child.pid else None
                if has is None:
                    continue
                memory_gauge.labels(name).set(has)
                self._health.has_memory(name, has)
                if has > self._limits[name]:
                    memory_kills.labels(name).inc()
                    log.error("role has too much memory; killing it", name=name, bytes=has)
                    self._tell("memory", name)
                    child.kill()

    async def _watch_health(self) -> None:
        """Looks once a second; tells the studio, and systemd where that asks."""
        told = 0.0
        while True:
            self._health.look()
            if self._bus is not None and self._clock.monotonic() - told >= HEALTH_EVERY:
                told = self._clock.monotonic()
                await self._bus.publish(subjects.NODE_HEALTH, self._health.report())
            if self._all_open.is_set():
                away = ", ".join(name for name, up in self._health.ups().items() if not up)
                notify("WATCHDOG=1", status(f"not serving: {away}" if away else "all roles serve"))
            await asyncio.sleep(1.0)


def _raise_failures(running: Mapping[str, asyncio.Task[None]]) -> None:
    for name, task in running.items():
        if task.done() and not task.cancelled() and (error := task.exception()) is not None:
            if isinstance(error, NeverStarted):
                raise HustingsError(f"The {name} cannot start; the lines above say why.") from None
            raise error


def shown(door: Door) -> str:
    """How a door is printed and stored."""
    if door.kind == socket.SOCK_DGRAM:
        return f"udp {door.address}"
    return f"{door.local_url}/metrics" if door.name == "metrics" else door.local_url


def child_environment(settings: Settings, doors: Mapping[str, Door]) -> dict[str, str]:
    """Every setting as HUSTINGS_..., with the ports as they are. The bus is not among them: each role has a
    way of its own there."""
    values = settings.model_dump(mode="json")
    values["data"] = str(settings.data.absolute())
    values.pop("bus")
    for name, door in doors.items():
        values[f"{name}_door"] = door.address
    for name in ("tls_cert", "tls_key"):
        if values[name]:
            values[name] = str(Path(values[name]).absolute())
    values["audience_url"] = settings.audience_url or doors["audience"].local_url
    values["studio_url"] = settings.studio_url or doors["studio"].local_url
    values["studio"] = doors["studio"].local_url
    values.pop("token")  # for commands only
    values["gate_key"] = ""  # for studio and edges only
    return {f"HUSTINGS_{name.upper()}": str(value) for name, value in values.items()}


def serve(settings: Settings, say: Say) -> None:
    """Runs a node in the foreground until SIGTERM or SIGINT; then returns. SIGHUP ends it, too, but under
    systemd, and with TLS away from a terminal, it has the certificate looked at. SIGUSR2 restarts all roles
    one by one.

    `say` gets one line per door that is ready. Raises HustingsError when it cannot start.
    """
    asyncio.run(_serve(settings, say))


async def _serve(settings: Settings, say: Say) -> None:
    supervisor = Supervisor(settings, say)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, supervisor.stop)
    # At a terminal SIGHUP says that it was closed; under nohup it is ignored, and stays so. `systemctl
    # reload` must never end a broadcast, whether there is something to load or not.
    reloads = NOTIFY_SOCKET in os.environ or (settings.certificate_files is not None and not os.isatty(0))
    if reloads or signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        loop.add_signal_handler(signal.SIGHUP, supervisor.reload if reloads else supervisor.stop)
    loop.add_signal_handler(signal.SIGUSR2, supervisor.restart)
    await supervisor.run()
