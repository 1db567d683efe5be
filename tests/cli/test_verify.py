"""`hustings verify`: what is whole, what is broken and where, and what is nothing to check."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from recording_folder import write_recording

from hustings.archive.index import write_index
from hustings.archive.model import read_index
from hustings.archive.record_facts import recording_fact
from hustings.archive.record_keys import Signer
from hustings.cli.app import run
from hustings.rooms.record import FIRST, Json, entry_line, head_line, line_hash

AT = 1_790_000_000.0
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
