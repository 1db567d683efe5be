"""A server that speaks S3 (moto) as a process of its own, a line to it that can be held, and a client that is
not ours (boto3)."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3  # type: ignore[import-untyped]  # it ships no types
import botocore.config  # type: ignore[import-untyped]
import httpx

BUCKET = "recordings"
KEY_ID, SECRET = "AKIDOFTHETESTS", "a-secret-nobody-may-see"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class S3Server:
    """It keeps everything in memory: whoever kills it has to put back what was there."""

    def __init__(self, log: Path) -> None:
        self.port = free_port()
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"http://127.0.0.1:{self.port}"
        self.client: Any = boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id=KEY_ID,
            aws_secret_access_key=SECRET,
            config=botocore.config.Config(retries={"max_attempts": 0}, proxies={}),
        )

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)],
                stdout=log,
                stderr=log,
            )
        end = time.monotonic() + 60
        while True:
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(f"{self.url}/moto-api/", trust_env=False).status_code < 500:
                    break
            assert time.monotonic() < end
            time.sleep(0.05)
        self.client.create_bucket(Bucket=BUCKET)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """It takes connections and says nothing."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self._process.pid, signal.SIGCONT)

    def believe(self, keys: bool) -> None:
        """Whether all keys are taken, or none."""
        calls = "inf" if keys else "0"
        httpx.post(f"{self.url}/moto-api/reset-auth", content=calls, trust_env=False).raise_for_status()

    def contents(self, prefix: str = "") -> dict[str, bytes]:
        """Every object below the prefix, whole."""
        found: dict[str, bytes] = {}
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
        for each in (each for page in pages for each in page.get("Contents", [])):
            found[each["Key"]] = self.client.get_object(Bucket=BUCKET, Key=each["Key"])["Body"].read()
        return found

    def names(self, prefix: str = "") -> list[str]:
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
        return [each["Key"] for page in pages for each in page.get("Contents", [])]

    def put(self, contents: dict[str, bytes]) -> None:
        for key, data in contents.items():
            self.client.put_object(Bucket=BUCKET, Key=key, Body=data)

    def unfinished(self) -> list[str]:
        """Keys of multipart uploads that were begun and not ended."""
        uploads = self.client.list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])
        return [each["Key"] for each in uploads]


class Line:
    """TCP from a port of its own to another one, as slow as one likes."""

    def __init__(self, to: int) -> None:
        self._to = to
        self._passes = threading.Event()
        self._passes.set()
        self._left: int | None = None
        self._lock = threading.Lock()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def hold_after(self, size: int) -> None:
        """After this many bytes to the server nothing passes any more, until `free`."""
        with self._lock:
            self._left = size

    def free(self) -> None:
        with self._lock:
            self._left = None
        self._passes.set()

    def close(self) -> None:
        self._listening.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listening.accept()
                threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def _serve(self, near: socket.socket) -> None:
        with near:
            try:
                far = socket.create_connection(("127.0.0.1", self._to))
            except OSError:
                return
            with far:
                back = threading.Thread(target=self._pass, args=(far, near, False), daemon=True)
                back.start()
                self._pass(near, far, True)
                back.join()

    def _pass(self, source: socket.socket, target: socket.socket, counted: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if counted:
                    self._count(len(data))
                target.sendall(data)
        for each in (source, target):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _count(self, size: int) -> None:
        with self._lock:
            if self._left is not None:
                self._left -= size
                if self._left < 0:
                    self._passes.clear()
        self._passes.wait()


def keys_in_environment(url: str, **more: str) -> dict[str, str]:
    """What a server needs to use the store behind `url`."""
    return {
        "HUSTINGS_OBJECTS": f"s3://{BUCKET}/of/this-server",
        "HUSTINGS_OBJECTS_ENDPOINT": url,
        "AWS_ACCESS_KEY_ID": KEY_ID,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        **more,
    }
