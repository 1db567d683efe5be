"""The store as a layer: what it does, what its errors say, that nobody who waits is held up by a dead one."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import pytest
from botocore.auth import S3SigV4Auth  # type: ignore[import-untyped]
from botocore.awsrequest import AWSRequest  # type: ignore[import-untyped]
from botocore.credentials import Credentials  # type: ignore[import-untyped]
from faulty_store import FaultyStore
from hypothesis import given
from hypothesis import strategies as st
from obstore.exceptions import GenericError, PermissionDeniedError

from hustings.archive.objects import PART, RESTS, Objects, StoreFailed
from hustings.archive.open_store import open_objects
from hustings.archive.unfinished import Bucket, signed
from hustings.config import Settings
from hustings.errors import UsageError

KEYS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "very-secret"}


def test_what_is_put_is_read_listed_and_removed() -> None:
    objects = Objects(FaultyStore())
    objects.put("rooms/a/b/one", iter((b"he", b"llo")), 5)
    objects.put("rooms/a/bb/other", iter((b"x",)), 1)
    assert objects.read("rooms/a/b/one", 1, 4) == b"ell"
    assert objects.read("rooms/a/b/one", 3, 400) == b"lo"
    assert objects.read("rooms/a/b/one", 3, 3) == b""
    assert objects.size("rooms/a/b/one") == 5
    assert objects.size("rooms/a/b/none") is None
    # A folder's name is not the beginning of another one's.
    assert [(each.key, each.size) for each in objects.found("rooms/a/b")] == [("rooms/a/b/one", 5)]
    objects.remove(["rooms/a/b/one", "rooms/a/b/none"])
    objects.remove(["rooms/a/b/one"])
    assert objects.found("rooms/a/b") == []
    with pytest.raises(StoreFailed, match="does not have a file"):
        objects.read("rooms/a/b/one", 0, 1)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (PermissionDeniedError("403"), "refuses: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are wrong"),
        (GenericError("x status code: 403 Forbidden"), "refuses"),
        (GenericError("x status code: 500 Internal"), r"answers with an error \(500\)"),
        (GenericError("error sending request"), "does not answer"),
        (FileNotFoundError("NoSuchBucket: rooms"), "no such bucket; HUSTINGS_OBJECTS"),
        (TimeoutError(), "does not answer"),
    ],
)
def test_errors_say_in_one_line_what_is_wrong(error: Exception, words: str) -> None:
    store = FaultyStore()
    objects = Objects(store)

    def fail(_call: str, _path: str, _number: int) -> None:
        raise error

    store.fail = fail
    with pytest.raises(StoreFailed, match=words) as raised:
        objects.size("key")
    assert "\n" not in str(raised.value)
    assert objects.problem == raised.value.strerror == str(raised.value)
    store.fail = FaultyStore().fail
    assert objects.size("key") is None
    assert objects.problem == ""


def test_a_store_that_has_just_failed_is_left_alone_by_who_is_hasty() -> None:
    store, now = FaultyStore(), [0.0]
    objects = Objects(store, hasty=True, now=lambda: now[0])
    objects.put("key", iter((b"hello",)), 5)

    def fail(_call: str, _path: str, _number: int) -> None:
        raise GenericError("error sending request")

    store.fail = fail
    for _ in range(3):
        with pytest.raises(StoreFailed, match="does not answer"):
            objects.read("key", 0, 5)
    assert len(store.calls) == 2  # the put, and one that failed
    now[0] += RESTS
    with pytest.raises(StoreFailed):
        objects.read("key", 0, 5)
    assert len(store.calls) == 3
    store.fail = FaultyStore().fail
    with pytest.raises(StoreFailed):
        objects.read("key", 0, 5)
    now[0] += RESTS
    assert objects.read("key", 0, 5) == b"hello"


def test_a_store_that_hangs_holds_one_thread_after_it_has_failed_once() -> None:
    store, now = FaultyStore(), [0.0]
    objects = Objects(store, hasty=True, now=lambda: now[0])
    hangs, answers = threading.Event(), threading.Event()

    def fail(_call: str, _path: str, number: int) -> None:
        if number > 1:
            hangs.set()
            assert answers.wait(30)
        raise GenericError("error sending request")

    store.fail = fail
    with pytest.raises(StoreFailed):
        objects.read("key", 0, 5)
    now[0] += RESTS
    failed: list[StoreFailed] = []

    def probe() -> None:
        try:
            objects.read("key", 0, 5)
        except StoreFailed as error:
            failed.append(error)

    thread = threading.Thread(target=probe)
    thread.start()
    assert hangs.wait(30)
    with pytest.raises(StoreFailed):  # at once, although the rest is over
        objects.read("key", 0, 5)
    answers.set()
    thread.join()
    assert len(failed) == 1
    assert len(store.calls) == 2


def test_what_is_large_goes_in_parts_and_never_lies_in_memory_whole() -> None:
    store = FaultyStore()
    objects = Objects(store)
    size = 3 * PART + 5
    block = bytes(range(256)) * 4096
    blocks = (block[: min(len(block), size - at)] for at in range(0, size, len(block)))
    objects.put("key", blocks, size)
    assert b"".join(objects.blocks("key", size)) == (block * 25)[:size]
    assert store.longest <= PART


def test_an_upload_that_breaks_leaves_nothing() -> None:
    store = FaultyStore()
    objects = Objects(store)

    def torn() -> object:
        yield bytes(PART)
        raise OSError(5, "the disk fails")

    with pytest.raises(OSError, match="the disk fails"):
        objects.put("key", torn(), 3 * PART)  # type: ignore[arg-type]  # an iterator it is
    assert objects.size("key") is None
    assert objects.problem == ""  # it was not the store's


# --- which store -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        *(
            "s3://",
            "s3://bucket_with_underscores",
            "s3://b",
            "https://example.org/bucket",
            "bucket",
            "file://",
        ),
        *(
            "file://host/folder",
            "s3://bucket/../x",
            "s3://bucket/a//b",
            "s3://bucket?x=1",
            "s3://key:secret@bucket",
        ),
    ],
)
def test_what_is_no_address_of_a_store_is_said_at_the_start(address: str) -> None:
    with pytest.raises(UsageError, match="HUSTINGS_OBJECTS is no address of a store: write s3://") as raised:
        open_objects(Settings(objects=address), environment=KEYS)
    assert "secret" not in str(raised.value)


def test_missing_keys_and_a_wrong_endpoint_are_said_at_the_start() -> None:
    with pytest.raises(UsageError, match="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"):
        open_objects(Settings(objects="s3://bucket"), environment={"AWS_ACCESS_KEY_ID": "x"})
    for endpoint in ("example.org", "ftp://example.org", "https://key:secret@example.org"):
        with pytest.raises(UsageError, match="HUSTINGS_OBJECTS_ENDPOINT is no address"):
            open_objects(Settings(objects="s3://bucket", objects_endpoint=endpoint), environment=KEYS)


def test_no_address_is_no_store_and_keys_are_shown_nowhere() -> None:
    assert open_objects(Settings()) is None
    objects = open_objects(Settings(objects="s3://bucket/some/prefix"), environment=KEYS)
    assert objects is not None
    bucket = objects._bucket
    assert bucket is not None
    assert (bucket.url, bucket.prefix) == ("https://s3.us-east-1.amazonaws.com/bucket", "some/prefix/")
    assert "very-secret" not in f"{bucket!r} {objects!r} {objects._store!r}"


def test_a_folder_is_a_store_and_one_that_is_not_mounted_is_one_that_fails(tmp_path: Path) -> None:
    folder = tmp_path / "the store"
    objects = open_objects(Settings(objects=folder.as_uri()))
    assert objects is not None
    with pytest.raises(StoreFailed, match="does not answer"):
        objects.put("rooms/a/b/one", iter((b"hello",)), 5)
    assert not folder.exists()  # nothing is written where the disk should be
    folder.mkdir()
    objects.put("rooms/a/b/one", iter((b"hello",)), 5)
    assert (folder / "rooms/a/b/one").read_bytes() == b"hello"
    (folder / "rooms/a/b/two#1").write_bytes(b"of a killed process")
    (folder / "rooms/a/c").mkdir()
    (folder / "rooms/a/c/three#1").write_bytes(b"of another recording")
    assert [each.key for each in objects.found("rooms/a/b")] == ["rooms/a/b/one"]
    assert objects.abort_unfinished("rooms/a/b") == 1
    assert [path.name for path in folder.rglob("*#*")] == ["three#1"]


# --- signatures ------------------------------------------------------------------------------------

_TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=12)


@given(
    method=st.sampled_from(("GET", "DELETE")),
    name=st.text(st.sampled_from("abcXYZ019-._~/ +=&%ä"), max_size=20),
    query=st.dictionaries(st.sampled_from(("prefix", "uploads", "uploadId", "a b")), _TEXT, min_size=1),
    token=st.sampled_from(("", "to/ken+=")),
    at=st.integers(1_600_000_000, 2_200_000_000).map(lambda at: datetime.fromtimestamp(at, UTC)),
)
def test_requests_are_signed_as_botocore_signs_them(
    method: str, name: str, query: dict[str, str], token: str, at: datetime
) -> None:
    path = f"/bucket/{name}"
    bucket = Bucket("https://s3.example.org:9000/bucket", "eu-west-1", "", "AKID", "secret", token)
    ours = signed(bucket, method, path, query, at)

    class Fixed(S3SigV4Auth):  # type: ignore[misc]  # botocore ships no types
        def _modify_request_before_signing(self, request: AWSRequest) -> None:
            super()._modify_request_before_signing(request)
            request.context["timestamp"] = f"{at:%Y%m%dT%H%M%SZ}"
            del request.headers["X-Amz-Date"]
            request.headers["X-Amz-Date"] = request.context["timestamp"]

    request = AWSRequest(method, f"https://s3.example.org:9000{quote(path)}", params=query)
    request.context["timestamp"] = f"{at:%Y%m%dT%H%M%SZ}"
    signer = Fixed(Credentials("AKID", "secret", token or None), "s3", "eu-west-1")
    request.context["payload_signing_enabled"] = True
    signer._modify_request_before_signing(request)
    canonical = signer.canonical_request(request)
    signature = signer.signature(signer.string_to_sign(request, canonical), request)
    assert ours["authorization"].endswith(f"Signature={signature}"), canonical
