"""All commands, as docs/commands.md lists them."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Sequence
from json import dumps
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
from typer.exceptions import TyperException

from hustings import __version__
from hustings.cli import publish
from hustings.cli.errors import exit_code
from hustings.errors import UsageError

app = typer.Typer(
    name="hustings",
    help="Hold a live conversation in front of any number of people, on your own server.",
    epilog="Settings are HUSTINGS_... variables too: docs/settings.md.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
room_app = typer.Typer(help="Rooms.", rich_markup_mode=None)
app.add_typer(room_app, name="room")

account_app = typer.Typer(help="Accounts of hosts and operators.", rich_markup_mode=None)
app.add_typer(account_app, name="account")

Data = Annotated[
    Path | None,
    typer.Option("--data", metavar="DIR", help="Data folder of the server; names studio and token."),
]
Json = Annotated[bool, typer.Option("--json", help="Answer in JSON.")]
Slug = Annotated[str, typer.Argument(metavar="SLUG", help="The room's short name.")]
BusAddress = Annotated[
    str | None, typer.Option("--bus", metavar="URL", help="nats://USER:PASSWORD@HOST:PORT")
]


def run(arguments: Sequence[str]) -> int:
    """Runs one command line; the exit code."""
    return exit_code(lambda: _run(arguments))


def _run(arguments: Sequence[str]) -> None:
    try:
        code = app(list(arguments), prog_name="hustings", standalone_mode=False)
    except TyperException as error:
        raise UsageError(f"{error.format_message()} See hustings --help.") from None
    if isinstance(code, int) and code:
        raise SystemExit(code)


@app.callback(invoke_without_command=True)
def _hustings(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False,
) -> None:
    if version:
        print(f"hustings {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        print(context.get_help())


@app.command()
def serve(
    data: Annotated[Path | None, typer.Option("--data", metavar="DIR", help="Data folder.")] = None,
    audience: Annotated[
        str | None, typer.Option("--audience", metavar="HOST:PORT", help="The audience's door.")
    ] = None,
    studio: Annotated[
        str | None, typer.Option("--studio", metavar="HOST:PORT", help="Hosts' and speakers' door.")
    ] = None,
    media: Annotated[
        str | None, typer.Option("--media", metavar="HOST:PORT", help="UDP port of all speakers.")
    ] = None,
    metrics: Annotated[
        str | None, typer.Option("--metrics", metavar="HOST:PORT", help="Prometheus metrics; private.")
    ] = None,
    edges: Annotated[
        int | None, typer.Option("--edges", metavar="N", help="Edge processes; 0: cores - 1.")
    ] = None,
    public_ip: Annotated[
        str | None, typer.Option("--public-ip", metavar="IP,...", help="How speakers reach this machine.")
    ] = None,
    bus: BusAddress = None,
    domain: Annotated[
        str | None, typer.Option("--domain", metavar="NAME", help="TLS by itself: certificates are fetched.")
    ] = None,
    tls_cert: Annotated[
        str | None, typer.Option("--tls-cert", metavar="FILE", help="Certificate: both doors speak TLS.")
    ] = None,
    tls_key: Annotated[
        str | None, typer.Option("--tls-key", metavar="FILE", help="Its key; default: in the same file.")
    ] = None,
) -> None:
    """Run everything: bus, stage, studio, edges and scribe."""
    from hustings.cli.role import for_its_owner_only, without_rich

    for_its_owner_only()
    without_rich()
    from hustings.cli.settings import read_settings
    from hustings.supervisor.main import serve as run_server

    settings = read_settings(
        data=data,
        audience_door=audience,
        studio_door=studio,
        media_door=media,
        metrics_door=metrics,
        edges=edges,
        public_ip=public_ip,
        bus=bus,
        domain=domain,
        tls_cert=tls_cert,
        tls_key=tls_key,
    )
    run_server(settings, _say)


@app.command()
def restart(data: Data = None) -> None:
    """Restart all roles of a running server one by one, for an upgrade; listeners hear nothing of it."""
    from hustings.cli.restart import restart as restart_server
    from hustings.cli.settings import read_settings

    restart_server(data or read_settings().data, _say)


@app.command()
def stage(bus: BusAddress = None) -> None:
    """Run the stage alone, on a bus that runs elsewhere."""
    _run_role("stage", bus)


@app.command()
def studio(bus: BusAddress = None) -> None:
    """Run the studio alone, on a bus that runs elsewhere."""
    _run_role("studio", bus)


@app.command()
def edge(
    bus: BusAddress = None,
    index: Annotated[int, typer.Option("--index", min=0, help="Number of this edge on its machine.")] = 0,
) -> None:
    """Run one edge alone, on a bus that runs elsewhere."""
    _run_role("edge", bus, index)


@app.command()
def scribe(bus: BusAddress = None) -> None:
    """Run the scribe alone, on a bus that runs elsewhere."""
    _run_role("scribe", bus)


def _run_role(role: str, bus: str | None, index: int = 0) -> None:
    from hustings.cli.role import run_role

    run_role(role, index, bus=bus)


@app.command()
def token(data: Data = None) -> None:
    """Print the operator's API token."""
    from hustings.cli.remote import operators_token

    print(operators_token(data))


@account_app.command("reset")
def account_reset(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose account it is.")],
    data: Data = None,
    json: Json = False,
) -> None:
    """Print a one-time link back into an account, for whoever lost the way in."""
    from hustings.cli import remote

    with remote.studio_api(data) as api:
        remote.show(api.reset_account(name), json, "link", "expires_at")


@room_app.command("create")
def room_create(
    title: Annotated[str, typer.Argument(metavar="TITLE")],
    slug: Annotated[str, typer.Option("--slug", help="Short name in addresses; default: from TITLE.")] = "",
    at: Annotated[str, typer.Option("--at", metavar="ISO8601", help="When it starts.")] = "",
    figures: Annotated[
        str, typer.Option("--figures", metavar="all|hosts", help="Who sees how many listened.")
    ] = "",
    data: Data = None,
    json: Json = False,
) -> None:
    """Make a room."""
    if figures not in ("", "all", "hosts"):
        raise UsageError(f"--figures is all or hosts, not '{figures}'.")
    from hustings.cli import remote

    with remote.studio_api(data) as api:
        made = api.create_room(title, slug=slug, at=at, figures=figures)
        remote.show(made, json, "slug", "audience_url", "studio_url")


@app.command()
def invite(
    slug: Slug,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Who is invited.")],
    role: Annotated[str, typer.Option("--role", metavar="speaker|cohost")] = "speaker",
    public: Annotated[bool, typer.Option("--public", help="Everybody may see it, and the answer.")] = False,
    data: Data = None,
    json: Json = False,
) -> None:
    """Invite somebody to speak: a link and a ticket."""
    if role not in ("speaker", "cohost", "host"):
        raise UsageError(f"--role is speaker or cohost, not '{role}'.")
    from hustings.cli import remote

    with remote.studio_api(data) as api:
        remote.show(api.invite(slug, name, role=role, public=public), json, "link", "ticket", "state")


@app.command("open")
def open_doors(slug: Slug, data: Data = None, json: Json = False) -> None:
    """Open the doors: speakers connect and hear each other; nothing goes out yet."""
    from hustings.cli import remote

    with remote.studio_api(data) as api:
        remote.show(api.open(slug), json, "status", "broadcast_id")


@app.command()
def start(slug: Slug, data: Data = None, json: Json = False) -> None:
    """Go live."""
    from hustings.cli import remote

    with remote.studio_api(data) as api:
        remote.show(api.start(slug), json, "status", "broadcast_id")


@app.command()
def stop(slug: Slug, data: Data = None, json: Json = False) -> None:
    """End the broadcast."""
    from hustings.cli import remote

    with remote.studio_api(data) as api:
        remote.show(api.stop(slug), json, "status", "broadcast_id")


@app.command("off-record")
def off_record(slug: Slug, data: Data = None, json: Json = False) -> None:
    """Record nothing of what is said from now on; it still goes out live."""
    _record(slug, data, json, off=True)


@app.command("on-record")
def on_record(slug: Slug, data: Data = None, json: Json = False) -> None:
    """Record again what is said."""
    _record(slug, data, json, off=False)


def _record(slug: str, data: Path | None, json: bool, *, off: bool) -> None:
    from hustings.cli import remote

    with remote.studio_api(data) as api:
        answer = api.off_record(slug, off)
        shown = (answer.get("recording") or {}).get("state", "not on air")
        remote.show({**answer, "recording_state": shown}, json, "status", "recording_state", "stage")


@app.command()
def speak(
    slug: Slug,
    ticket: Annotated[str, typer.Option("--ticket", metavar="T", help="From hustings invite.")],
    file: Annotated[Path, typer.Option("--file", metavar="FILE", help="Any sound file.")],
    name: Annotated[str, typer.Option("--name", help="Shown in the progress line.")] = "",
    loop: Annotated[bool, typer.Option("--loop", help="Begin again at the end.")] = False,
    no_consent: Annotated[
        bool, typer.Option("--no-consent", help="Do not agree to be recorded; nothing is kept.")
    ] = False,
    relay_only: Annotated[
        bool, typer.Option("--relay-only", help="By way of the server's TURN relays only, to try them out.")
    ] = False,
    data: Data = None,
) -> None:
    """Speak a sound file into a room, over real WebRTC."""
    # Before the imports: libraries that are being loaded may swallow an interruption.
    stop = _stop_signals()
    from hustings.cli.remote import studio_address
    from hustings.clients.speak import speak as run_speaker

    url, verify = studio_address(data)
    run_speaker(
        slug,
        ticket=ticket,
        file=file,
        name=name,
        loop=loop,
        consent=not no_consent,
        studio_url=url,
        stop=stop,
        verify=verify,
        relay_only=relay_only,
    )


def _stop_signals() -> threading.Event:
    """Set by SIGTERM and Ctrl-C, so that a speaker gives the seat back; the second one interrupts. A shell
    that ignores Ctrl-C for what runs in the background goes on doing so."""
    stop = threading.Event()

    def end(number: int, _frame: FrameType | None) -> None:
        stop.set()
        signal.signal(number, signal.default_int_handler)

    for number in (signal.SIGTERM, signal.SIGINT):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, end)
    return stop


@app.command()
def listen(
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="A room's page, or one of its doors.")],
    via: Annotated[str | None, typer.Option("--via", metavar="push|hls|whep|stream")] = None,
    seconds: Annotated[float | None, typer.Option("--seconds", metavar="N", help="Then stop.")] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE.wav", help="Write the sound.")] = None,
    codec: Annotated[str, typer.Option("--codec", metavar="opus|aac")] = "opus",
    json: Json = False,
) -> None:
    """Listen to a room, and measure what arrives."""
    from hustings.cli.remote import show
    from hustings.clients.listen import listen as run_listener

    heard = run_listener(address, via=via, seconds=seconds, out=out, codec=codec).as_json()
    show(heard, json, *heard)


app.command()(publish.statement)
app.command()(publish.correct)


@app.command()
def key(
    data: Data = None,
    rotate: Annotated[
        bool, typer.Option("--rotate", help="Put a new key in its place, from the next start on.")
    ] = False,
) -> None:
    """Print the public half of the key that signs public records and tombstones."""
    import time

    from hustings.cli.settings import read_settings
    from hustings.store import server_key

    folder = read_settings(data=data).data
    if rotate:
        kept = server_key.rotate(folder, time.time())
        print(f"the key so far is kept as {kept}; start the server again", file=sys.stderr)
    print(server_key.public_text(server_key.server_key(folder)))


@app.command()
def verify(
    what: Annotated[
        str,
        typer.Argument(
            metavar="FILE_OR_ADDRESS",
            help="A room's address, a record.jsonl, a recording's folder, a clip.json, a segment's proof.",
        ),
    ],
    key: Annotated[
        str, typer.Option("--key", metavar="BASE64", help="The server's public key, known from elsewhere.")
    ] = "",
    record: Annotated[
        str, typer.Option("--record", metavar="FILE_OR_ADDRESS", help="The record that vouches for it.")
    ] = "",
    recording: Annotated[
        Path | None, typer.Option("--recording", metavar="DIR", help="The recording a clip is to be of.")
    ] = None,
    figures: Annotated[
        Path | None, typer.Option("--figures", metavar="FILE", help="Openings of a record's sealed figures.")
    ] = None,
    json: Json = False,
) -> None:
    """Check a public record, a recording or a clip: exit 0 whole, 1 broken, 2 unreadable."""
    from hustings.cli.verify import verify_any

    found = verify_any(what, key=key, record=record, recording=recording, figures=figures)
    print(dumps(found.as_json()) if json else found.words())
    raise typer.Exit(0 if found.ok else 1)


@app.command()
def doctor(
    data: Data = None,
    json: Json = False,
    time_from: Annotated[
        str, typer.Option("--time-from", metavar="URL", help="Compare the clock with this server's Date.")
    ] = "",
) -> None:
    """Say what is wrong with this machine and these settings, and what to do."""
    from hustings import __version__
    from hustings.cli.settings import read_settings
    from hustings.doctor.findings import as_json, as_text, is_well
    from hustings.doctor.main import diagnose

    found = diagnose(read_settings(data=data), time_from)
    coloured = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    print(as_json(found, __version__) if json else as_text(found, coloured=coloured))
    if not is_well(found):
        raise typer.Exit(1)


@app.command()
def health(data: Data = None, json: Json = False) -> None:
    """Say how a running server is, what is wrong and what to do, and what happened within the last hour."""
    from hustings.cli import remote
    from hustings.cli.health import lines

    with remote.studio_api(data) as api:
        state = api.health()
    print(dumps(state) if json else "\n".join(lines(state)))
    if state["level"] == "wrong":
        raise typer.Exit(1)


@app.command()
def bench(
    name: Annotated[str, typer.Argument(metavar="stage|push|join|hls|whep|page", help="What to measure.")],
    against: Annotated[
        str, typer.Option("--against", metavar="PEER,...", help="icecast2, nginx, aiortc, janus beside us.")
    ] = "",
    runs: Annotated[int, typer.Option("--runs", metavar="N", help="Figures are medians of so many.")] = 3,
    seconds: Annotated[float, typer.Option("--seconds", metavar="S", help="Of each run.")] = 4.0,
    scale: Annotated[
        float, typer.Option("--scale", metavar="X", help="So much of the whole crowd; 1: all of it.")
    ] = 1.0,
    json: Json = False,
) -> None:
    """Measure this machine, beside others' servers in the same minute if they are installed."""
    from hustings.bench.command import run as run_bench

    run_bench(name, against=against, as_json=json, scale=scale, seconds=seconds, runs=runs)


@app.command()
def demo(
    data: Annotated[
        Path | None, typer.Option("--data", metavar="DIR", help="Keep the data here; default: nowhere.")
    ] = None,
) -> None:
    """Run a server with a room in which two recorded voices talk."""
    from hustings.clients.demo import demo as run_demo

    run_demo(data, _say)


def _say(line: str) -> None:
    """One line on stdout, in one piece and at once: others write to the same terminal."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
