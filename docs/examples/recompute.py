"""Computes every published figure of a room anew, from its public record (file or address) and nothing else.

    python recompute.py https://talk.example.org/r/town-hall/record.jsonl [KEY [OPENINGS]]

Needs `cryptography`. Exit code 1 at what does not hold. KEY: the server's, base64, or "". OPENINGS: a file.
"""

import base64
import hashlib
import json
import sys
import urllib.request
from collections import Counter, defaultdict
from datetime import datetime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

jcs = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode


def checked(data):
    *lines, last, rest = data.split(b"\n")
    entries, keys, prev = [], [], "0" * 64
    for number, line in enumerate([*lines, last]):
        try:
            members = json.loads(line)
            closes = number == len(lines)
            follows = (members["seq"], members["hash" if closes else "prev"]) == (number, prev)
            same = members["room"] == (entries or [members])[0]["room"] and jcs(members).encode() == line
            if rest or not (follows and same) or (members["kind"] == "head") is not closes:
                sys.exit(f"BROKEN at entry {number}: it is changed, or entries are missing before it")
            signature = base64.b64decode(members.pop("sig"), validate=True)
            key = base64.b64decode(keys[-1] if keys else members["data"]["key"], validate=True)
            Ed25519PublicKey.from_public_bytes(key).verify(signature, jcs(members).encode())
        except (ValueError, KeyError, TypeError, InvalidSignature) as error:
            sys.exit(f"BROKEN at entry {number}: {type(error).__name__}: changed, or signed by another key")
        keys += [members["data"]["key"]] if members["kind"] == "key" else []
        entries.append(members)
        prev = hashlib.sha256(line).hexdigest()
    return entries[:-1], keys, members["at"]


def seconds(first, last):
    return round((datetime.fromisoformat(last) - datetime.fromisoformat(first)).total_seconds(), 3)


def audience(minutes, milliseconds):
    peak = max((minute["net"]["peak"] for minute in minutes), default=0)
    listened = sum(minute["net"]["seconds"] for minute in minutes)
    heard, most = Counter(), Counter()
    for name, each in (pair for minute in minutes for pair in minute.get("countries", {}).items()):
        heard[name] += each["seconds"]
        most[name] = max(most[name], each["listeners"])
    of = {name: {"listeners": most[name], "listening_seconds": heard[name]} for name in heard}
    return {
        "peak": peak,
        "peak_at": min((m["minute"] for m in minutes if m["net"]["peak"] == peak > 0), default=None),
        "average_hundredths": milliseconds and (200_000 * listened + milliseconds) // (2 * milliseconds),
        "unique": max((minute["net"]["unique"] for minute in minutes), default=0),
        "listening_seconds": listened,
    } | ({"countries": of} if any("countries" in m for m in minutes) else {})


def figures(entries):
    of = defaultdict(lambda: defaultdict(list))
    for data, kind, at in ((entry["data"], entry["kind"], entry["at"]) for entry in entries):
        of[data.get("broadcast", "")]["sealed" if "sealed" in data else kind].append({**data, "at": at})
    return {broadcast: summed(of[broadcast]) for broadcast in sorted(of) if broadcast}


def summed(kinds):
    live, sound, ended = (next((e["at"] for e in kinds[k]), None) for k in ("live", "first_sound", "ended"))
    planned = next((entry["planned"] for entry in kinds["doors_opened"]), None)
    on_air = seconds(live, ended) if live and ended else 0
    return {
        "late_seconds": seconds(planned, live) if planned and live else None,
        "first_sound_seconds": seconds(live, sound) if live and sound else None,
        "on_air_seconds": on_air,
        "talk_seconds": {s["name"]: s["seconds"] for t in kinds["talk_time"] for s in t["speakers"]},
        "segments": {c: n["segments"] for r in kinds["recording"] for c, n in r["program"].items()},
        "sealed": len(kinds["sealed"]),
        "audience": None if kinds["sealed"] else audience(kinds["audience"], round(1000 * on_air)),
        "plays": None if kinds["sealed"] else sum(day["plays"] for day in kinds["audience_replay"]),
    }


if __name__ == "__main__":
    place = sys.argv[1] if len(sys.argv) > 1 else sys.exit(__doc__)
    with urllib.request.urlopen(place) if "://" in place else open(place, "rb") as file:
        entries, keys, as_of = checked(file.read())
    if sys.argv[2:] and sys.argv[2] not in ("", keys[-1]):
        sys.exit(f"BROKEN at entry 0: it is signed with the key {keys[-1]}")
    for opening in map(json.loads, open(sys.argv[3], "rb") if sys.argv[3:] else ()):  # noqa: SIM115
        plain = bytes.fromhex(opening["nonce"]) + jcs(opening["data"]).encode()
        if entries[opening["seq"]]["data"].get("sealed") != hashlib.sha256(plain).hexdigest():
            sys.exit(f"BROKEN at entry {opening['seq']}: it is not sealed, or made of something else")
        entries[opening["seq"]]["data"] = opening["data"]
    answer = {"room": entries[0]["room"], "as_of": as_of, "key": keys[-1], "broadcasts": figures(entries)}
    print(json.dumps({"entries": len(entries), **answer}, indent=1, ensure_ascii=False))
