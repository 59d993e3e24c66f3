"""The caller's wish to be told: what is taken, what is refused and why."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.addresses import is_public
from shared.errors import ConfigurationError
from shared.settings import read_settings
from shared.webhooks import ENDS, Webhook, parse_webhook

URL = "https://example.com/hooks?for=music"


def test_a_url_alone_means_the_three_ends() -> None:
    assert parse_webhook({"webhook_url": URL, "prompt": "x"}, allow_private=False) == (Webhook(URL, ENDS), [])


def test_no_wish_is_no_error() -> None:
    assert parse_webhook({"prompt": "x"}, allow_private=False) == (None, [])


def test_a_wish_survives_its_record() -> None:
    webhook = Webhook(URL, ("started", "failed"))
    assert Webhook.from_json(webhook.as_json()) == webhook


@pytest.mark.parametrize(
    ("url", "lane"),
    [
        ("HTTPS://Example.com/a", "https://example.com:443"),
        ("http://example.com:8080/b?c", "http://example.com:8080"),
        ("http://[2606:4700::1]/", "http://[2606:4700::1]:80"),
    ],
)
def test_receivers_are_told_apart_by_scheme_host_and_port(url: str, lane: str) -> None:
    assert Webhook(url).lane == lane


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "must be a string"),
        (7, "must be a string"),
        (["http://a.example"], "must be a string"),
        ("example.com/hook", "no http or https URL"),
        ("ftp://example.com/", "no http or https URL"),
        ("file:///etc/passwd", "no http or https URL"),
        ("http://", "no http or https URL"),
        ("http:///path", "no http or https URL"),
        ("http://example.com:0/", "no http or https URL"),
        ("http://example.com:99999/", "no URL"),
        ("https://user:secret@example.com/", "user name or password"),
        ("https://example.com\\@other.example/", "backslash"),
        ("https://example.com/a b", "space"),
        ("https://example.com/\r\nX-Header: 1", "space"),
        ("https://müsic.example/", "outside ASCII"),
        ("https://example.com/" + "x" * 2048, "2048 are the most"),
        ("http://127.0.0.1:6379/", "private address"),
        ("http://[::1]/", "private address"),
        ("http://localhost./", "private address"),
        ("http://169.254.169.254/latest/meta-data", "private address"),
    ],
)
def test_a_bad_url_is_refused_with_the_reason_and_the_remedy(url: object, reason: str) -> None:
    webhook, (error,) = parse_webhook({"webhook_url": url}, allow_private=False)
    assert (webhook, error.field, error.code) == (None, "webhook_url", "INVALID_WEBHOOK")
    assert reason in error.message
    assert "Send an http or https URL" in error.message


def test_private_addresses_are_fine_where_the_operator_allows_them() -> None:
    webhook, errors = parse_webhook({"webhook_url": "http://127.0.0.1:9/"}, allow_private=True)
    assert (webhook, errors) == (Webhook("http://127.0.0.1:9/"), [])


@given(st.text(max_size=40) | st.from_regex(r"https?://[a-z0-9@:\[\]./\\?#%]{0,30}", fullmatch=True))
def test_whatever_is_sent_is_taken_or_refused_and_what_is_taken_has_a_lane(url: str) -> None:
    webhook, errors = parse_webhook({"webhook_url": url}, allow_private=False)
    assert (webhook is None) == bool(errors)
    if webhook is not None:
        assert webhook.lane.startswith("http")


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_is_no_more_public_inside_an_ipv6_one(address: object) -> None:
    inside = is_public(f"64:ff9b::{address}")
    assert inside == is_public(str(address))
    assert not is_public(f"::ffff:{address}")
    assert not is_public(f"::{address}")


@given(st.ip_addresses())
def test_nothing_that_python_calls_private_is_public(address: object) -> None:
    found = ip_address(str(address))
    if found.is_private or found.is_loopback or found.is_link_local or found.is_multicast or found.is_unspecified:
        assert not is_public(str(address))


@pytest.mark.parametrize("secret", ["plain", "whsec_", "whsec_abc", "whsec_!!!!", "whsec_" + "QUJD" * 30])
def test_a_bad_secret_stops_the_boot_and_is_not_repeated(secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
    good = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    monkeypatch.setenv("WEBHOOK_SECRET", f"{good},{secret}")
    with pytest.raises(ConfigurationError, match="secret 2 is not whsec_") as refused:
        read_settings()
    assert secret == "whsec_" or secret not in str(refused.value)
    assert good not in str(refused.value)
