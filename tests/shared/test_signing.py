"""Signed links to audio."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
import redis

from shared.signing import Signer


def query_of(link: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(link).query).items()}


def test_a_link_speaks_for_its_account_at_its_path_alone(client: redis.Redis) -> None:
    signer = Signer(client, 60)
    query = query_of(signer.sign("/audio/a.wav", "team"))
    assert signer.account_of("/audio/a.wav", query) == "team"
    assert signer.account_of("/audio/b.wav", query) is None
    assert signer.account_of("/audio/a.wav", query | {"account": "other"}) is None
    assert signer.account_of("/audio/a.wav", query | {"expires": str(int(query["expires"]) + 1)}) is None


@pytest.mark.parametrize("name", ["account", "expires", "signature"])
@pytest.mark.parametrize("value", ["", "x", "-1", "9" * 40, "\u0661"])
def test_a_spoilt_query_is_nobodys(client: redis.Redis, name: str, value: str) -> None:
    signer = Signer(client, 60)
    query = query_of(signer.sign("/audio/a.wav", "team"))
    assert signer.account_of("/audio/a.wav", query | {name: value}) is None
    del query[name]
    assert signer.account_of("/audio/a.wav", query) is None


def test_a_link_runs_out(client: redis.Redis) -> None:
    signer = Signer(client, -1)
    assert signer.account_of("/audio/a.wav", query_of(signer.sign("/audio/a.wav", "team"))) is None


def test_every_process_and_every_restart_agrees_on_the_secret(client: redis.Redis) -> None:
    link = Signer(client, 60).sign("/audio/a.wav", "team")
    assert Signer(client, 60).account_of("/audio/a.wav", query_of(link)) == "team"
