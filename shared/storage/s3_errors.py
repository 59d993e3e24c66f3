"""Say in our errors what an S3 store refuses: what is gone, what a retry can mend, and what only the operator can.

The callers' text names no address; the operator's (`inner`) names endpoint, bucket and setting.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from shared.errors import ConfigurationError, OstinatoError, StorageUnavailable
from shared.storage.blob import missing
from shared.storage.interface import AWAY, MISCONFIGURED

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

NO_SUCH_KEY = ("NoSuchKey", "NotFound", "404")
WRONG_REGION = ("PermanentRedirect", "AuthorizationHeaderMalformed", "301", "307")


class Site(NamedTuple):
    """Say where the blobs are: the bucket, the store's address as an operator knows it, the region."""

    bucket: str
    endpoint: str
    region: str


def wrong(what: str) -> ConfigurationError:
    return ConfigurationError(MISCONFIGURED, inner=what)


def refusal(error: ClientError, site: Site, key: str | None, bucket_only: bool) -> OstinatoError:
    """Return the error of ours for what S3 answered about `key`, or, with `bucket_only`, about the bucket itself."""
    code = error.response["Error"]["Code"]
    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    bucket, endpoint, region = site
    if code == "NoSuchBucket" or (bucket_only and status == 404):
        return wrong(f"there is no bucket {bucket!r} at {endpoint}: create it, or correct S3_BUCKET_NAME")
    if key and code in NO_SUCH_KEY:
        return missing(key)
    if code in WRONG_REGION:
        return wrong(f"the bucket {bucket!r} is not in S3_REGION={region}: name its region")
    if code == "RequestTimeTooSkewed":
        return wrong(f"this machine's clock differs from that of {endpoint}: set it (NTP)")
    if status in (401, 403):
        return wrong(
            f"S3 at {endpoint} refused us ({code}): check S3_ACCESS_KEY and S3_SECRET_KEY, and that "
            f"they may read, write, delete and list in the bucket {bucket!r}"
        )
    return StorageUnavailable(AWAY, inner=f"S3 at {endpoint} failed: {error}")
