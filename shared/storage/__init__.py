"""Keep audio blobs under names: one interface, two backends, the local folder and S3.

Owns the choice between them. What both promise stands in `interface`, which names are ours in `names`; each backend has
its own module, and boto3 is imported only when S3 is first used.
"""

from __future__ import annotations

from shared.errors import ConfigurationError
from shared.settings import Settings
from shared.storage.blob import BlobReader, BlobStat, ByteRange, StoredBlob
from shared.storage.content import Source
from shared.storage.interface import Storage
from shared.storage.keys import media_type_of
from shared.storage.local import LocalStorage
from shared.storage.names import OwnNames
from shared.storage.s3 import S3Storage

__all__ = [
    "BlobReader",
    "BlobStat",
    "ByteRange",
    "LocalStorage",
    "OwnNames",
    "S3Storage",
    "Source",
    "Storage",
    "StoredBlob",
    "media_type_of",
    "open_storage",
]


def open_storage(settings: Settings) -> Storage:
    """Return S3 when a bucket is named, the local folder otherwise. Talks to no server; `check()` does.

    Raises ConfigurationError when only one of the two S3 keys is given.
    """
    if not settings.s3_bucket_name:
        local = LocalStorage(settings.local_storage_path, prefix=settings.s3_prefix, retry_s=settings.storage_retry_s)
        local.sweep()
        return local
    if bool(settings.s3_access_key) != bool(settings.s3_secret_key):
        raise ConfigurationError(
            "only one of S3_ACCESS_KEY and S3_SECRET_KEY is set; set both, or neither to use the machine's own "
            "credentials (an IAM role, ~/.aws)"
        )
    return S3Storage(
        settings.s3_bucket_name,
        prefix=settings.s3_prefix,
        endpoint_url=settings.s3_endpoint_url,
        public_endpoint_url=settings.s3_public_endpoint_url,
        access_key=settings.s3_access_key,
        secret_key=settings.s3_secret_key,
        region=settings.s3_region,
        url_ttl_s=settings.link_ttl_s,
        retry_s=settings.storage_retry_s,
    )
