"""Keep blobs as objects in one bucket of any S3-compatible store. Owns the client and the links.

Makes no bucket and sets no policy: an operator does. The bucket may hold anybody's objects: all of ours lie below one
prefix, which carries our mark. An upload that breaks off may leave parts behind that only the store sees; a lifecycle
rule for that prefix (AbortIncompleteMultipartUpload) removes them. boto3 is imported at first use, since it takes as
long as all of the API.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from shared.errors import BlobMissing, StorageUnavailable
from shared.settings import STORE_PREFIX
from shared.storage.blob import CHUNK_BYTES, BlobReader, BlobStat, ByteRange, bad_range
from shared.storage.content import Content
from shared.storage.interface import AWAY, Storage
from shared.storage.keys import check_key, is_key, media_type_of
from shared.storage.marker import MARKER, MARKER_TEXT
from shared.storage.names import OwnNames
from shared.storage.s3_errors import Site, refusal, wrong

if TYPE_CHECKING:
    from botocore.loaders import Loader
    from botocore.response import StreamingBody
    from mypy_boto3_s3 import S3Client

PART_BYTES = 8 * 1024 * 1024  # S3 takes no part below 5 MiB but the last
PARTS_AT_ONCE = 4
CONNECT_TIMEOUT_S, RESPONSE_TIMEOUT_S, TRIES = 3.0, 30.0, 3
READINESS_TIMEOUT_S = 2.0  # at one try: who asks for readiness asks again
CONNECTIONS = 32
PAGE_BLOBS = 1000  # S3 lists no more at once
# stores other than AWS: no DNS name per bucket, and not all know the newer checksums
CHECKSUMS = ("request_checksum_calculation", "response_checksum_validation")
ELSEWHERE: dict[str, Any] = {"s3": {"addressing_style": "path"}} | dict.fromkeys(CHECKSUMS, "when_required")


class S3Storage(Storage):
    def __init__(
        self,
        bucket: str,
        *,
        prefix: str = STORE_PREFIX,
        endpoint_url: str | None = None,
        public_endpoint_url: str | None = None,
        access_key: str | None = None,
        secret_key: str | None = None,
        region: str = "us-east-1",
        url_ttl_s: int = 3600,
        retry_s: float = 60.0,
        part_bytes: int = PART_BYTES,
    ) -> None:
        self.bucket = bucket
        self.names = OwnNames(prefix)
        self.endpoint_url = endpoint_url
        self.public_endpoint_url = public_endpoint_url or endpoint_url
        self.retry_s = retry_s
        self._access_key, self._secret_key, self._region = access_key, secret_key, region
        self._site = Site(bucket, endpoint_url or f"AWS ({region})", region)
        self._url_ttl_s = url_ttl_s
        self._part_bytes = part_bytes
        self._claimed = False
        self._clients: dict[tuple[int, str | None, bool], S3Client] = {}
        self._lock = threading.Lock()

    @property
    def own_location(self) -> str:
        return f"s3://{self.bucket}/{self.names.prefix}/"

    def _open(self, key: str, range: ByteRange | None) -> BlobReader:
        wanted: dict[str, Any] = {}
        if range is not None:
            first, last = range
            if first < 0 or (last is not None and last < first):  # S3 would ignore it and send all
                raise bad_range(range, self.stat(key).bytes)
            wanted["Range"] = f"bytes={first}-{'' if last is None else last}"
        with self._translated(key, range):
            reply = self._client().get_object(Bucket=self.bucket, Key=key, **wanted)
        length, body = reply["ContentLength"], reply["Body"]
        start, size = _placed(reply.get("ContentRange"), length)
        return BlobReader(_stat(key, reply, size), start, length, self._chunks(key, body), body.close)

    def stat(self, key: str) -> BlobStat:
        check_key(key)
        with self._translated(key):
            reply = self._client().head_object(Bucket=self.bucket, Key=key)
        return _stat(key, reply, reply["ContentLength"])

    def _delete(self, key: str) -> None:
        with self._translated():
            self._client().delete_object(Bucket=self.bucket, Key=key)

    def blobs(self, prefix: str) -> Iterator[BlobStat]:
        folder = check_key(prefix.removesuffix("/")) + "/"
        with self._translated():
            pages = self._client().get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self.bucket, Prefix=folder, PaginationConfig={"PageSize": PAGE_BLOBS}):
                for found in filter(lambda found: is_key(found["Key"]), page.get("Contents", [])):
                    at, etag = found["LastModified"].timestamp(), found["ETag"].strip('"')
                    yield BlobStat(found["Key"], found["Size"], media_type_of(found["Key"]), at, etag)

    def tidy(self) -> None:
        """Do nothing: S3 has no folders, and its own lifecycle rule ends broken uploads."""

    def link(self, key: str, *, ttl_s: int | None = None, download_name: str | None = None) -> str:
        """Sign a link here, without asking the store: a link to a blob that is gone answers 404.

        With an IAM role's credentials, the link ends when they do, even if that is sooner.
        """
        params = {"Bucket": self.bucket, "Key": check_key(key)}
        if download_name:
            params["ResponseContentDisposition"] = _disposition(download_name)
        with self._translated():
            client = self._client(self.public_endpoint_url)
            lifetime_s = self._url_ttl_s if ttl_s is None else ttl_s
            return client.generate_presigned_url("get_object", Params=params, ExpiresIn=lifetime_s)

    def check(self) -> None:
        """Ask for the bucket once, quickly, with our keys; at first also whether our prefix is ours."""
        with self._translated(bucket_only=True):
            self._client(quick=True).head_bucket(Bucket=self.bucket)
        if not self._claimed:
            self.claim()
            self._claimed = True

    @property
    def _marker(self) -> str:
        return f"{self.names.prefix}/{MARKER}"

    def _is_used(self) -> bool:
        folder = f"{self.names.prefix}/"
        with self._translated():
            found = self._client().list_objects_v2(Bucket=self.bucket, Prefix=folder, MaxKeys=2)
        return any(each["Key"] != folder for each in found.get("Contents", []))  # some tools make a folder an object

    def _read_marker(self) -> bytes | None:
        try:
            with self._translated(self._marker):
                return self._client().get_object(Bucket=self.bucket, Key=self._marker)["Body"].read(CHUNK_BYTES)
        except BlobMissing:
            return None

    def _write_marker(self) -> None:
        with self._translated():
            self._client().put_object(Bucket=self.bucket, Key=self._marker, Body=MARKER_TEXT, ContentType="text/plain")

    def _write(self, key: str, content: Content, media_type: str, download_name: str | None) -> None:
        """Upload it; a broken multipart upload is repeated from its beginning: what it left is not trusted."""
        from boto3.s3.transfer import TransferConfig

        extra = {"ContentType": media_type}
        if download_name:
            extra["ContentDisposition"] = _disposition(download_name)
        plan = TransferConfig(
            multipart_threshold=self._part_bytes,
            multipart_chunksize=self._part_bytes,
            max_concurrency=PARTS_AT_ONCE,
        )
        with self._translated(), content.open() as stream:
            self._client().upload_fileobj(stream, self.bucket, key, ExtraArgs=extra, Config=plan)

    def _chunks(self, key: str, body: StreamingBody) -> Iterator[bytes]:
        with self._translated(key):
            yield from body.iter_chunks(CHUNK_BYTES)

    def _client(self, endpoint_url: str | None = None, quick: bool = False) -> S3Client:
        """Return a client for each use. A forked process gets its own: connections cannot be shared across a fork."""
        endpoint_url = endpoint_url or self.endpoint_url
        name = (os.getpid(), endpoint_url, quick)
        with self._lock:  # making a client is not thread-safe, using one is
            if name not in self._clients:
                self._clients[name] = self._make_client(endpoint_url, quick)
            return self._clients[name]

    def _make_client(self, endpoint_url: str | None, quick: bool) -> S3Client:
        from boto3.session import Session
        from botocore.config import Config
        from botocore.session import get_session

        config = Config(
            signature_version="s3v4",
            retries={"mode": "standard", "total_max_attempts": 1 if quick else TRIES},
            connect_timeout=READINESS_TIMEOUT_S if quick else CONNECT_TIMEOUT_S,
            read_timeout=READINESS_TIMEOUT_S if quick else RESPONSE_TIMEOUT_S,
            max_pool_connections=CONNECTIONS,
            **(ELSEWHERE if endpoint_url else {}),
        )
        core = get_session()
        core.register_component("data_loader", _service_models(core.get_config_variable("data_path")))
        session = Session(self._access_key, self._secret_key, region_name=self._region, botocore_session=core)
        try:
            return session.client("s3", endpoint_url=endpoint_url, config=config)
        except ValueError as error:
            raise wrong(f"S3_ENDPOINT_URL {endpoint_url!r} is no URL such as https://s3.example.com") from error

    @contextmanager
    def _translated(
        self, key: str | None = None, range: ByteRange | None = None, bucket_only: bool = False
    ) -> Iterator[None]:
        """Raise our errors for what boto3 raises."""
        from boto3.exceptions import Boto3Error
        from botocore import exceptions as boto

        try:
            yield
        except boto.ClientError as error:
            if key and range and error.response["ResponseMetadata"]["HTTPStatusCode"] == 416:
                raise bad_range(range, self.stat(key).bytes) from error
            raise refusal(error, self._site, key, bucket_only) from error
        except (boto.NoCredentialsError, boto.PartialCredentialsError) as error:
            raise wrong(
                "no credentials for S3: set S3_ACCESS_KEY and S3_SECRET_KEY, or give this machine an IAM role"
            ) from error
        except (boto.BotoCoreError, Boto3Error, OSError) as error:
            raise StorageUnavailable(AWAY, inner=f"S3 at {self._site.endpoint} does not answer: {error}") from error


@lru_cache(maxsize=1)
def _service_models(search_path: str | None) -> Loader:
    """Return botocore's loader of service models for all clients: to read these is most of the making of a client."""
    from botocore.loaders import create_loader

    return create_loader(search_path)


def _stat(key: str, reply: Any, size: int) -> BlobStat:
    """Read the stat from the response to GET or HEAD, which boto3 types apart."""
    return BlobStat(key, size, reply["ContentType"], reply["LastModified"].timestamp(), reply["ETag"].strip('"'))


def _placed(content_range: str | None, length: int) -> tuple[int, int]:
    """Return (start, size of the whole) from `bytes 10-19/3000`; without it, all of the blob was sent."""
    if not content_range:
        return 0, length
    span, _, size = content_range.removeprefix("bytes ").partition("/")
    return int(span.partition("-")[0]), int(size)


def _disposition(name: str) -> str:
    """Return both forms of RFC 6266: plain for old clients, UTF-8 for the others."""
    plain = "".join(c if c.isascii() and c.isprintable() and c not in '"\\' else "_" for c in name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
