"""`hustings verify`: what is whole, what is broken and where, and what is nothing to check."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from recording_folder import write_recording

from hustings.archive.clip import Cut
from hustings.archive.clip_facts import CLIP_FILES, clip_facts
from hustings.archive.index import write_index
from hustings.archive.library import Library
from hustings.archive.model import read_index
from hustings.archive.proofs import Proofs
from hustings.archive.record_facts import recording_fact
from hustings.archive.record_keys import Signer
from hustings.cli.app import run
from hustings.cli.verify import Unreadable, verify_any
from hustings.rooms.record import FIRST, Json, entry_line, head_line, line_hash
from hustings.rooms.record_seal import Opening, sealed

AT = 1_790_000_000.0
EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "recompute.py"
SIGNER = Signer(Ed25519PrivateKey.from_private_bytes(b"k" * 32))


def record(*facts: tuple[str, dict[str, Json]], room: str = "debate") -> bytes:
    lines: list[bytes] = []
    prev = FIRST
    first: tuple[str, dict[str, Json]] = ("key", {"key": SIGNER.public})
    for seq, (kind, data) in enumerate([first, *facts]):
        line = entry_line(room=room, seq=seq, prev=prev, at=AT, kind=kind, data=data, sign=SIGNER.sign)
        lines.append(line)
        prev = line_hash(line)
    lines.append(head_line(room=room, entries=len(lines), last=prev, at=AT, sign=SIGNER.sign))
    return b"".join(line + b"\n" for line in lines)


def verified(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    try:
        code = run(["verify", *map(str, arguments)])
    except SystemExit as ended:
        code = int(str(ended.code))
    said = capsys.readouterr()
    assert "Traceback" not in said.err
    return code, said.out, said.err


def test_a_record(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "record.jsonl"
    file.write_bytes(record(("said", {"what": "true"})))
    code, out, _ = verified(capsys, file)
    assert (code, out.startswith("whole: record of room debate, 2 entries")) == (0, True)
    assert verified(capsys, file, "--key", SIGNER.public)[0] == 0
    code, out, _ = verified(capsys, file, "--key", "A" * 43 + "=", "--json")
    assert (code, json.loads(out)["ok"]) == (1, False)
    file.write_bytes(file.read_bytes().replace(b"true", b"fake"))
    code, out, _ = verified(capsys, file, "--json")
    assert code == 1
    answer = json.loads(out)
    assert (answer["ok"], answer["entries"], answer["first_bad"]) == (False, 1, 1)
    assert "signature" in answer["reason"]
    assert verified(capsys, file)[1].startswith("BROKEN at entry 1: ")


def minutes(count: int = 3) -> list[dict[str, Json]]:
    """Figures of an evening's minutes."""
    net: dict[str, Json] = {"joined": 1, "left": 0}
    return [
        {
            "broadcast": "20261129T200000-a1b2c3",
            "minute": f"2026-11-29T20:0{n}:00.000Z",
            "net": {**net, "concurrent": n, "peak": n + 1, "seconds": 60 * n, "unique": n + 1},
        }
        for n in range(count)
    ]


def test_sealed_figures_and_their_openings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, figures = tmp_path / "record.jsonl", tmp_path / "openings.jsonl"
    nonces = [f"{n:02x}" * 32 for n in range(3)]
    facts = [("audience", sealed(data, by)) for data, by in zip(minutes(), nonces, strict=True)]
    file.write_bytes(record(("said", {}), *facts))
    openings = [
        Opening(seq, by, data).line() for seq, data, by in zip(range(2, 5), minutes(), nonces, strict=True)
    ]

    def checked(*lines: bytes) -> dict[str, object]:
        figures.write_bytes(b"".join(line + b"\n" for line in lines))
        code, out, _ = verified(capsys, file, "--figures", figures, "--json")
        answer: dict[str, object] = json.loads(out)
        assert code == (0 if answer["ok"] else 1)
        return answer

    whole = checked(*openings)
    assert (whole["ok"], whole["sealed"], whole["opened"], whole["entries"]) == (True, 3, 3, 5)
    assert "3 sealed, 3 of them opened" in verified(capsys, file, "--figures", figures)[1]
    assert "3 sealed, 0 of them opened" in verified(capsys, file)[1]
    assert checked()["ok"] is True
    for lines, bad, why in (
        ([openings[0], openings[2]], 3, "missing"),
        ([openings[0].replace(b'"peak":1', b'"peak":9'), *openings[1:]], 2, "wrong"),
        ([*openings, openings[0].replace(b'"seq":2', b'"seq":1')], 1, "foreign"),
        ([*openings, openings[0].replace(b'"seq":2', b'"seq":77')], 77, "foreign"),
        ([openings[0].replace(b":", b": ")], "openings.jsonl", "line 1 is no opening"),
    ):
        found = checked(*lines)
        assert (found["ok"], found["first_bad"]) == (False, bad)
        assert why in str(found["reason"])
    # A record that is broken is broken, whatever opens it.
    figures.write_bytes(b"".join(line + b"\n" for line in openings))
    file.write_bytes(file.read_bytes().replace(b'"said"', b'"lied"'))
    assert verified(capsys, file, "--figures", figures)[1].startswith("BROKEN at entry 1: ")


def test_figures_go_with_a_record_and_must_be_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "record.jsonl"
    file.write_bytes(record(("said", {})))
    clip = tmp_path / "clip.json"
    clip.write_text("{}")
    for what, figures in ((file, tmp_path / "none"), (tmp_path, file), (clip, file)):
        code, out, err = verified(capsys, what, "--figures", figures)
        assert (code, out, err.count("\n")) == (2, "", 1)


@pytest.mark.parametrize("is_sealed", [False, True], ids=["open", "sealed"])
def test_the_example_computes_sealed_figures_from_their_openings(tmp_path: Path, is_sealed: bool) -> None:
    file, figures = tmp_path / "record.jsonl", tmp_path / "openings.jsonl"
    of: dict[str, Json] = {"broadcast": "20261129T200000-a1b2c3"}
    plain = [
        *(("audience", data) for data in minutes()),
        ("audience_replay", {**of, "day": "2026-11-30", "plays": 12, "seconds": 900}),
    ]
    by = "0f" * 32
    told = [(kind, sealed(data, by) if is_sealed else data) for kind, data in plain]
    facts = [("doors_opened", {**of, "planned": None, "title": "T"}), ("live", of), *told, ("ended", of)]
    file.write_bytes(record(*facts))
    lines = [Opening(seq, by, data).line() for seq, (_, data) in enumerate(plain, start=3)] * is_sealed
    figures.write_bytes(b"".join(line + b"\n" for line in lines))

    def computed(*arguments: str | Path) -> tuple[int, str]:
        command = [sys.executable, "-I", str(EXAMPLE), str(file), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout or done.stderr

    def of_broadcast(*arguments: str | Path) -> dict[str, Any]:
        code, out = computed(*arguments)
        assert code == 0, out
        found: dict[str, Any] = json.loads(out)["broadcasts"]["20261129T200000-a1b2c3"]
        return found

    without = of_broadcast()
    if is_sealed:
        assert (without["sealed"], without["audience"], without["plays"]) == (4, None, None)
    whole = of_broadcast("", figures)
    assert (whole["sealed"], whole["plays"]) == (0, 12)
    assert whole["audience"] == {
        "peak": 3,
        "peak_at": "2026-11-29T20:02:00.000Z",
        "average_hundredths": 0,
        "unique": 3,
        "listening_seconds": 180,
    }
    if is_sealed:
        figures.write_bytes(figures.read_bytes().replace(b'"plays":12', b'"plays":99'))
        code, out = computed(SIGNER.public, figures)
        assert (code, out.startswith("BROKEN at entry 6: ")) == (1, True)


def test_the_example_has_a_hundred_lines() -> None:
    """As the record's page and docs/record.md say."""
    assert EXAMPLE.read_text().count("\n") <= 100


def test_what_is_nothing_to_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "clip.json").write_text("{}")
    for what in (
        tmp_path / "none",
        tmp_path,
        tmp_path / "clip.json",
        "http://127.0.0.1:1/r/x",
        "http://[::1",
    ):
        code, out, err = verified(capsys, what)
        assert (code, out) == (2, "")
        assert err.startswith("hustings: ")
        assert err.count("\n") == 1


def test_a_recording_segment_by_segment_and_in_its_record(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_recording(tmp_path).folder
    index = write_index(folder)
    code, out, _ = verified(capsys, folder, "--json")
    assert code == 0
    assert "no public record" in json.loads(out)["reason"]

    fact = recording_fact(folder, index, AT)
    (folder / "record.jsonl").write_bytes(record((fact.kind, fact.data), room=index.slug))
    code, out, _ = verified(capsys, folder, "--json")
    answer = json.loads(out)
    assert (code, answer["reason"], answer["keys"]) == (0, "", [SIGNER.public])
    assert answer["files"] == sum(len(codec.segments) for codec in read_index(folder).codecs.values())
    other = tmp_path / "other.jsonl"
    other.write_bytes(record(("said", {}), room=index.slug))
    assert verified(capsys, folder, "--record", other)[0] == 1
    program: dict[str, Json] = {"opus": {"segments": 1, "root": "0" * 64}}
    broken: dict[str, Json] = {**fact.data, "program": program}
    other.write_bytes(record((fact.kind, broken), room=index.slug))
    assert "segments" in verified(capsys, folder, "--record", other)[1]

    segment = sorted((folder / "program").glob("*/*.m4s"))[-1]
    data = bytearray(segment.read_bytes())
    data[20] ^= 1
    segment.write_bytes(bytes(data))
    code, out, _ = verified(capsys, folder, "--json")
    assert (code, json.loads(out)["first_bad"]) == (1, str(segment.relative_to(folder)))
    segment.unlink()
    assert verified(capsys, folder)[0] == 1


# --- parts of a recording ------------------------------------------------------------------------

CUT = Cut(3_000, 9_500)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as a reader has it who fetched a clip, what it was cut from, and the record; nothing else."""
    data = tmp_path_factory.mktemp("data")
    folder = write_recording(data, 60.0).folder
    index = write_index(folder)
    recorded = Library(data).open(folder)
    kept = tmp_path_factory.mktemp("kept")
    facts = clip_facts(recorded, CUT)
    (kept / "clip.json").write_text(json.dumps(facts))
    for kind, (codec, make) in CLIP_FILES.items():
        file = make(folder, index, CUT)
        (kept / f"{CUT.name}.{kind}").write_bytes(file.read(0, file.size))
        (kept / codec).mkdir()
        shutil.copy(folder / "program" / codec / "init.mp4", kept / codec)
    for file_facts in facts["files"]:
        for segment in file_facts["cut_from"]:
            shutil.copy(folder / "program" / segment["file"], kept / segment["file"])
    fact = recording_fact(folder, index, AT)
    (kept / "record.jsonl").write_bytes(record((fact.kind, fact.data), room=index.slug))
    proof = Proofs(index, "opus").whole(4)
    assert proof is not None
    (kept / "proof.json").write_text(json.dumps(proof))
    shutil.copy(folder / "program" / "opus" / "4.m4s", kept / "opus")
    return kept


def test_a_clip_by_the_record_alone(kept: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, out, _ = verified(capsys, kept / "clip.json", "--json")
    answer = json.loads(out)
    assert (code, answer["ok"], answer["reason"], answer["files"]) == (0, True, "", 2)
    assert answer["keys"] == [SIGNER.public]
    assert verified(capsys, kept / "clip.json", "--key", "A" * 43 + "=")[0] == 1

    # Without the segments: the record vouches for them, the files are not compared with them.
    few = tmp_path / "few"
    few.mkdir()
    for name in ("clip.json", f"{CUT.name}.opus"):
        shutil.copy(kept / name, few)
    code, out, _ = verified(capsys, few / "clip.json", "--json")
    assert (code, "no record" in json.loads(out)["reason"]) == (0, True)
    code, out, _ = verified(capsys, few / "clip.json", "--json", "--record", kept / "record.jsonl")
    assert (code, "takes the segments" in json.loads(out)["reason"]) == (0, True)

    # A clip whose bytes and facts were both changed: only what it is made of gives it away.
    whole = tmp_path / "whole"
    shutil.copytree(kept, whole)
    facts = json.loads((whole / "clip.json").read_text())
    (opus,) = (each for each in facts["files"] if each["name"].endswith(".opus"))
    sound = bytearray((whole / opus["name"]).read_bytes())
    sound[-40] ^= 1
    (whole / opus["name"]).write_bytes(bytes(sound))
    opus["sha256"] = hashlib.sha256(sound).hexdigest()
    (whole / "clip.json").write_text(json.dumps(facts))
    code, out, _ = verified(capsys, whole / "clip.json", "--json")
    answer = json.loads(out)
    assert (code, answer["first_bad"], answer["reason"]) == (
        1,
        f"{CUT.name}.opus",
        "it is not what its segments make",
    )
    facts["begins_at"] = "2027-01-01T00:00:00Z"
    (whole / "clip.json").write_text(json.dumps(facts))
    assert json.loads(verified(capsys, whole / "clip.json", "--json")[1])["first_bad"] == "begins_at"
    other = tmp_path / "other.jsonl"
    other.write_bytes(record(("said", {}), room="elsewhere"))
    code, out, _ = verified(capsys, kept / "clip.json", "--json", "--record", other)
    assert (code, "of room elsewhere" in json.loads(out)["reason"]) == (1, True)


def test_one_segment_by_its_proof(kept: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, out, _ = verified(capsys, kept / "proof.json", "--json")
    assert (code, json.loads(out)["what"], json.loads(out)["files"]) == (0, "segment", 1)
    shutil.copy(kept / "proof.json", tmp_path)
    assert verified(capsys, tmp_path / "proof.json")[0] == 2, "the segment is not here"
    shutil.copy(kept / "opus" / "4.m4s", tmp_path)
    code, _, err = verified(capsys, tmp_path / "proof.json")
    assert (code, "--record" in err) == (2, True)
    assert verified(capsys, tmp_path / "proof.json", "--record", kept / "record.jsonl")[0] == 0
    shutil.copy(kept / "opus" / "1.m4s", tmp_path / "4.m4s")
    code, out, _ = verified(capsys, tmp_path / "proof.json", "--json", "--record", kept / "record.jsonl")
    assert (code, json.loads(out)["first_bad"]) == (1, "4.m4s")


@settings(max_examples=1_000, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_is_changed_in_a_clip_its_segments_or_its_proof_is_found(
    kept: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """1,000 times: one bit of one file."""
    names = sorted(str(path.relative_to(kept)) for path in kept.rglob("*.*") if path.is_file())
    name = data.draw(st.sampled_from([n for n in names if not n.endswith("init.mp4")]))
    before = (kept / name).read_bytes()
    if name.endswith("clip.json"):
        before = before[before.index(b'"files"') :]
    at, bit = data.draw(st.integers(0, len(before) - 1)), data.draw(st.integers(0, 7))
    whole = (kept / name).read_bytes()
    changed = bytearray(whole)
    changed[len(whole) - len(before) + at] ^= 1 << bit
    (kept / name).write_bytes(bytes(changed))
    what = "proof.json" if name in ("proof.json", "opus/4.m4s") else "clip.json"
    try:
        found = verify_any(str(kept / what))
        # Where a segment's name was changed, it is missing, and that is said.
        unchecked = found.ok and "takes the segments" in found.reason
        assert not found.ok or unchecked or _same_facts(whole, bytes(changed), name), name
        assert found.ok or (found.reason and found.first_bad is not None)
    except Unreadable:
        pass
    finally:
        (kept / name).write_bytes(whole)


def _same_facts(before: bytes, after: bytes, name: str) -> bool:
    """Whether what was changed is no claim: names of members nobody reads, their values, white space, the
    case of digits; and what only helps to make the clip once more, which then came out the same."""
    if not name.endswith(".json"):
        return False
    try:
        one, other = (json.loads(data.decode(errors="replace")) for data in (before, after))
    except ValueError:
        return False
    return _claims(one) == _claims(other)


def _claims(facts: dict[str, Json]) -> str:
    known = {"slug", "broadcast", "from", "to", "begins_at", "files", "name", "sha256", "bytes", "tree"}
    known |= {"cut_from", "file", "leaf", "path", "codec", "segments"}

    def kept_of(value: Json) -> Json:
        if isinstance(value, dict):
            return {key: kept_of(each) for key, each in value.items() if key in known}
        return [kept_of(each) for each in value] if isinstance(value, list) else value

    return json.dumps(kept_of(facts), sort_keys=True).lower()
