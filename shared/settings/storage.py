"""Name the settings of the store: a local folder, or S3 when a bucket is named. In both, all lies below S3_PREFIX."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from shared.settings.values import ROOT, STORE_PREFIX, SettingsGroup, own_folder

LINK_TTL_S = 3600
LOCKED_PRESIGNED_TTL_S = 15 * 60


class StorageSettings(SettingsGroup):
    """Configure the store: the same for the API, the workers and housekeeping."""

    local_storage_path: Path = Field(
        ROOT / "var" / "audio", description="where audio goes when no bucket is named; may hold other files too"
    )
    s3_prefix: Annotated[str, AfterValidator(own_folder)] = Field(
        STORE_PREFIX,
        description="the folder of its own, in the bucket or in `LOCAL_STORAGE_PATH`, in which all of it lies; nothing "
        "outside is searched or deleted. One that holds files but no mark (`.ostinato`) is refused. Another one for "
        'each installation (Redis) that shares the place; after Redis was emptied: `make operate ARGS="adopt"`',
    )
    s3_bucket_name: str | None = Field(None, description="the bucket; named, audio goes to S3")
    s3_endpoint_url: str | None = Field(None, description="the store's address; unset, AWS")
    s3_access_key: str | None = Field(None, description="without keys, the machine's own credentials")
    s3_secret_key: str | None = Field(None, repr=False, description="the access key's secret")
    s3_region: str = Field("us-east-1", description="the bucket's region")
    s3_public_endpoint_url: str | None = Field(None, description="the store's address as browsers see it, if another")
    s3_url_ttl_s: int | None = Field(
        None,
        ge=1,
        le=7 * 24 * 3600,
        description=f"lifetime of signed links. Unset, {LINK_TTL_S} s, and {LOCKED_PRESIGNED_TTL_S} s for presigned "
        "links to S3 once API keys exist",
    )
    storage_retry_s: float = Field(60.0, ge=0, description="how long a worker tries to store finished audio")
    upload_ttl_s: int = Field(24 * 3600, ge=60, description="how long an upload is kept that no task refers to")
    clean_every_s: float = Field(600.0, gt=0, description="how often the store is cleaned")

    @property
    def link_ttl_s(self) -> int:
        """Return how long links to this API live, in seconds: they end with their key before that."""
        return LINK_TTL_S if self.s3_url_ttl_s is None else self.s3_url_ttl_s

    def presigned_ttl_s(self, *, locked: bool) -> int:
        """Return how long the store's own links live, which nobody can take back. `locked`: API keys exist."""
        usual = LOCKED_PRESIGNED_TTL_S if locked else LINK_TTL_S
        return usual if self.s3_url_ttl_s is None else self.s3_url_ttl_s
