"""Webhooks are signed with each secret that counts, the operator's or the account's own."""

from __future__ import annotations

import pytest
import redis
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from housekeeping.webhooks.signing_secrets import WebhookSecrets
from shared.settings import Settings
from tests.housekeeping.webhooks.conftest import SECRET, Complete, Submit, dispatching, first
from tests.housekeeping.webhooks.receiver import Server

OLD_SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"


def test_two_secrets_sign_twice_and_without_one_nothing_is_signed(
    hooks: Server, submit: Submit, complete: Complete, settings: Settings
) -> None:
    for path, secrets in {"/both": (SECRET, OLD_SECRET), "/none": ()}.items():
        submit(hooks.url(path))
        complete()
        with dispatching(settings.model_copy(update={"webhook_secret": secrets})):
            first(hooks, path)
    both, none = hooks.seen["/both"][0], hooks.seen["/none"][0]
    for secret in (SECRET, OLD_SECRET):
        Verifier(secret).verify(both.body, both.headers)
    with pytest.raises(WebhookVerificationError):
        Verifier(SECRET).verify(both.body + b" ", both.headers)
    assert "webhook-signature" not in none.headers
    assert int(none.headers["webhook-timestamp"]) > 0


def test_an_account_may_have_a_secret_of_its_own_and_change_it(
    hooks: Server, submit: Submit, complete: Complete, settings: Settings, client: redis.Redis
) -> None:
    secrets = WebhookSecrets(client, settings.webhook_secret)
    old, new = secrets.make("local"), secrets.make("local")
    submit(hooks.url("/"))
    complete()
    with dispatching(settings):
        seen = first(hooks)
    for secret in (old, new):
        Verifier(secret).verify(seen.body, seen.headers)
    with pytest.raises(WebhookVerificationError):
        Verifier(SECRET).verify(seen.body, seen.headers)
    secrets.retire("local")
    assert secrets.of("local") == (new,)
    secrets.remove("local")
    assert secrets.of("local") == (SECRET,)
