"""Name the settings of webhooks, for the API that takes their addresses and housekeeping that sends them."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from shared.settings.values import Names, SettingsGroup, signing_secrets


class WebhookSettings(SettingsGroup):
    """Read by the API and by housekeeping."""

    webhook_secret: Annotated[Names, AfterValidator(signing_secrets), Field(repr=False)] = Field(
        (),
        description="signs webhooks: `whsec_` and the base64 of 24 to 64 bytes; two with a comma while one replaces "
        "the other. Without it they go out unsigned",
    )
    webhook_allow_private: bool = Field(
        False, description="`1` lets webhooks reach loopback, private and link-local addresses"
    )
    webhook_timeout_s: float = Field(15.0, gt=0, le=60, description="how long one try may take")
    webhook_retry_span_s: float = Field(24 * 3600.0, ge=0, description="for how long a webhook is tried again")
    public_url: str | None = Field(
        None,
        pattern=r"^https?://[^\s?#]+$",
        description="the API's address as callers see it, before links in webhooks (unset, the address that the "
        "submission came to); a name of this machine while no key exists",
    )
