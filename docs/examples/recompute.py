"""Computes every published figure of a room anew, from its public record and nothing else.

    python recompute.py https://talk.example.org/r/town-hall/record.jsonl [KEY]
    python recompute.py record.jsonl [KEY]

Needs `cryptography` and nothing of Hustings. Chain and signatures are checked on the way: exit code 1 at the
first entry that does not hold. KEY is the server's public key as known from elsewhere, base64.
"""

import base64
import hashlib
import json
import sys
import urllib.request
from collections import defaultdict
from datetime import datetime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def canonical(members):
    return json.dumps(members, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def checked(data):
    *lines, last, rest = data.split(b"\n")
    entries, keys, prev = [], [], "0" * 64
    for number, line in enumerate([*lines, last]):
        try:
            members = json.loads(line)
            closes = number == len(lines)
            follows = (members["seq"], members["hash" if closes else "prev"]) == (number, prev)
            same = members["room"] == (entries or [members])[0]["room"] and canonical(members) == line
            if rest or not (follows and same) or (members["kind"] == "head") is not closes:
                raise ValueError("it does not follow the one before")
            signature = base64.b64decode(members.pop("sig"), validate=True)
            key = base64.b64decode(keys[-1] if keys else members["data"]["key"], validate=True)
            Ed25519PublicKey.from_public_bytes(key).verify(signature, canonical(members))
        except (ValueError, KeyError, TypeError, InvalidSignature) as error:
            sys.exit(f"BROKEN at entry {number}: changed, or not signed by the key named before ({error!r})")
        if not closes:
            keys += [members["data"]["key"]] if members["kind"] == "key" else []
            entries.append(members)
            prev = hashlib.sha256(line).hexdigest()
    return entries, keys, members["at"]


def seconds(first, last):
    return round((datetime.fromisoformat(last) - datetime.fromisoformat(first)).total_seconds(), 3)


def audience(minutes, milliseconds):
    peak = max((minute["net"]["peak"] for minute in minutes), default=0)
    heard = sum(minute["net"]["seconds"] for minute in minutes)
    told = [minute["countries"] for minute in minutes if "countries" in minute]
    of = defaultdict(lambda: {"listeners": 0, "listening_seconds": 0})
    for name, each in (pair for countries in told for pair in countries.items()):
        of[name]["listeners"] = max(of[name]["listeners"], each["listeners"])
        of[name]["listening_seconds"] += each["seconds"]
    return {
        "peak": peak,
        "peak_at": next((m["minute"] for m in minutes if m["net"]["peak"] == peak > 0), None),
        "average_hundredths": milliseconds and (200_000 * heard + milliseconds) // (2 * milliseconds),
        "unique": max((minute["net"]["unique"] for minute in minutes), default=0),
        "listening_seconds": heard,
        **({"countries": of} if told else {}),
    }


def figures(entries):
    of = defaultdict(lambda: defaultdict(list))
    for entry in entries:
        of[entry["data"].get("broadcast", "")][entry["kind"]].append({**entry["data"], "at": entry["at"]})
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
        "audience": audience(sorted(kinds["audience"], key=lambda m: m["minute"]), round(1000 * on_air)),
        "plays": sum(day["plays"] for day in kinds["audience_replay"]),
    }


if __name__ == "__main__":
    place = sys.argv[1] if len(sys.argv) > 1 else sys.exit(__doc__)
    with urllib.request.urlopen(place) if "://" in place else open(place, "rb") as file:
        entries, keys, as_of = checked(file.read())
    if sys.argv[2:] and keys[-1] != sys.argv[2]:
        sys.exit(f"BROKEN at entry 0: it is signed with the key {keys[-1]}")
    answer = {"room": entries[0]["room"], "as_of": as_of, "key": keys[-1], "broadcasts": figures(entries)}
    print(json.dumps({"entries": len(entries), **answer}, indent=1, ensure_ascii=False))
