"""Signed links to audio, events and streams."""

from __future__ import annotations

import time
from urllib.parse import parse_qs, urlsplit

import pytest
import redis

from shared.accounts.key_states import Grant
from shared.accounts.signed_urls import Signer


def query_of(link: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(link).query).items()}


TEAM, KEYED = Grant("team"), Grant("team", "0123456789ab")  # as an older version made them, and as we do


@pytest.mark.parametrize("grant", [TEAM, KEYED])
def test_a_link_speaks_for_its_account_and_key_at_its_path_alone(client: redis.Redis, grant: Grant) -> None:
    signer = Signer(client, 60)
    query = query_of(signer.sign("/audio/a.wav", grant))
    link = signer.read("/audio/a.wav", query)
    assert link is not None
    assert (link.grant, link.expires_at, link.expired) == (grant, int(query["expires"]), False)
    assert signer.read("/audio/b.wav", query) is None
    changes = {"account": "other", "key": "ba9876543210", "expires": str(link.expires_at + 1)}
    for name, value in changes.items():
        assert signer.read("/audio/a.wav", query | {name: value}) is None, name
    query.pop("key", None)
    assert (signer.read("/audio/a.wav", query) is None) == (grant is KEYED)


@pytest.mark.parametrize("name", ["account", "expires", "signature"])
@pytest.mark.parametrize("value", ["", "x", "-1", "9" * 40, "\u0661"])
def test_a_spoilt_query_is_nobodys(client: redis.Redis, name: str, value: str) -> None:
    signer = Signer(client, 60)
    query = query_of(signer.sign("/audio/a.wav", KEYED))
    assert signer.read("/audio/a.wav", query | {name: value}) is None
    del query[name]
    assert signer.read("/audio/a.wav", query) is None


def test_a_link_runs_out_and_can_be_told_from_a_forged_one(client: redis.Redis) -> None:
    signer = Signer(client, -2)
    query = query_of(signer.sign("/audio/a.wav", KEYED))
    link = signer.read("/audio/a.wav", query)
    assert link is not None
    assert link.expired
    assert signer.read("/audio/a.wav", query | {"expires": str(link.expires_at - 1)}) is None


def test_a_link_lives_no_longer_than_it_may(client: redis.Redis) -> None:
    signer, now = Signer(client, 60), int(time.time())
    assert int(query_of(signer.sign("/a", KEYED, not_after=now + 10))["expires"]) == now + 10
    assert int(query_of(signer.sign("/a", KEYED, not_after=now + 10**6))["expires"]) <= now + 61
    assert int(query_of(signer.sign("/a", KEYED, 600))["expires"]) >= now + 600


def test_every_process_and_every_restart_agrees_on_the_secret(client: redis.Redis) -> None:
    link = Signer(client, 60).sign("/audio/a.wav", KEYED)
    assert Signer(client, 60).read("/audio/a.wav", query_of(link)) is not None
