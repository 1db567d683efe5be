"""Multipart uploads that were begun and never ended, as after a kill -9: found and aborted.

S3 keeps their parts, unseen and paid for, until somebody says so. obstore has no call for it, so the two
requests are made here (ListMultipartUploads, AbortMultipartUpload), signed as S3 wants it (AWS Signature
Version 4, "Authenticating Requests: Using the Authorization Header"; tests compare with
botocore's).
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote_plus, urlsplit

if TYPE_CHECKING:
    import httpx

_TIMEOUT: Final = 30.0
_MOST_BYTES: Final = 4 << 20
_ROUNDS: Final = 100
"""A list has 1,000 uploads at most."""
_UPLOAD: Final = re.compile(r"<Upload>(.*?)</Upload>", re.DOTALL)
_KEY: Final = re.compile(r"<Key>([^<]+)</Key>")
_ID: Final = re.compile(r"<UploadId>([^<]+)</UploadId>")
_EMPTY: Final = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True, slots=True)
class Bucket:
    """Where a bucket is, and the keys to it. `url`: of the bucket itself, path style, without a slash at the
    end; `prefix`: before every key, "" or ending with a slash."""

    url: str
    region: str
    prefix: str
    key_id: str = field(repr=False)
    secret: str = field(repr=False)
    token: str = field(default="", repr=False)


def abort_uploads(bucket: Bucket, prefix: str) -> int:
    """Aborts every upload of an object below `prefix`; returns how many there were. Raises ConnectionError
    and TimeoutError when the store does not do it."""
    import httpx  # only here: edges have no use for it

    aborted = 0
    try:
        with httpx.Client(timeout=_TIMEOUT, trust_env=False) as client:
            for _ in range(_ROUNDS):
                found = _listed(client, bucket, prefix)
                for key, upload in found:
                    _ask(client, bucket, "DELETE", key, {"uploadId": upload})
                aborted += len(found)
                if not found:
                    break
    except httpx.TimeoutException as error:
        raise TimeoutError(str(error)) from None
    except httpx.HTTPError as error:
        raise ConnectionError(str(error)) from None
    return aborted


def _listed(client: httpx.Client, bucket: Bucket, prefix: str) -> list[tuple[str, str]]:
    """(key, upload) of those that are unfinished."""
    query = {"encoding-type": "url", "prefix": bucket.prefix + prefix, "uploads": ""}
    text = _ask(client, bucket, "GET", "", query)
    found: list[tuple[str, str]] = []
    for part in _UPLOAD.findall(text):
        key, upload = _KEY.search(part), _ID.search(part)
        # A store that does not know prefixes here must not make us abort what is somebody else's.
        if key is not None and upload is not None:
            name = unquote_plus(key[1])
            if name.startswith(bucket.prefix + prefix):
                found.append((name, upload[1]))
    return found


def _ask(client: httpx.Client, bucket: Bucket, method: str, key: str, query: dict[str, str]) -> str:
    path = urlsplit(bucket.url).path + (f"/{key}" if key else "")
    headers = signed(bucket, method, path, query, datetime.now(UTC))
    root = bucket.url.removesuffix(urlsplit(bucket.url).path)
    url = f"{root}{quote(path)}?{_query(query)}"
    with client.stream(method, url, headers=headers) as answer:
        body = b""
        for piece in answer.iter_bytes():
            body += piece
            if len(body) > _MOST_BYTES:
                raise ConnectionError("too long an answer")
        if answer.status_code == 404 and method == "DELETE":
            return ""  # somebody else was quicker
        if answer.status_code not in (200, 204):
            raise ConnectionError(f"status code: {answer.status_code}")
    return body.decode("utf-8", "replace")


def _query(query: dict[str, str]) -> str:
    return "&".join(
        f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in sorted(query.items())
    )


def signed(bucket: Bucket, method: str, path: str, query: dict[str, str], at: datetime) -> dict[str, str]:
    """The headers with which S3 takes a request without a body. `path` as it is before it is quoted."""
    stamp, day = f"{at:%Y%m%dT%H%M%SZ}", f"{at:%Y%m%d}"
    headers = {
        "host": urlsplit(bucket.url).netloc,
        "x-amz-content-sha256": _EMPTY,
        "x-amz-date": stamp,
    }
    if bucket.token:
        headers["x-amz-security-token"] = bucket.token
    names = ";".join(sorted(headers))
    lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
    request = f"{method}\n{quote(path)}\n{_query(query)}\n{lines}\n{names}\n{_EMPTY}"
    scope = f"{day}/{bucket.region}/s3/aws4_request"
    digest = hashlib.sha256(request.encode()).hexdigest()
    key = f"AWS4{bucket.secret}".encode()
    for part in (day, bucket.region, "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{digest}".encode(), "sha256").hex()
    credential = f"Credential={bucket.key_id}/{scope}, SignedHeaders={names}, Signature={signature}"
    return {**headers, "authorization": f"AWS4-HMAC-SHA256 {credential}"}
