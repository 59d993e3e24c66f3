"""The caller's wish to be told: what is taken, what is refused and why."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import ConfigurationError
from shared.settings import read_settings
from shared.webhooks.addresses import is_public
from shared.webhooks.subscription import ENDS, Webhook, parse_webhook

URL = "https://example.com/hooks?for=music"


def test_a_url_alone_means_the_three_ends() -> None:
    assert parse_webhook({"webhook_url": URL, "prompt": "x"}, allow_private=False) == (Webhook(URL, ENDS), [])


def test_no_wish_is_no_error() -> None:
    assert parse_webhook({"prompt": "x"}, allow_private=False) == (None, [])


def test_a_wish_survives_its_record() -> None:
    webhook = Webhook(URL, ("started", "failed"))
    assert Webhook.from_json(webhook.as_json()) == webhook


@pytest.mark.parametrize(
    ("url", "receiver"),
    [
        ("HTTPS://Example.com/a", "https://example.com:443"),
        ("http://example.com:8080/b?c", "http://example.com:8080"),
        ("http://[2606:4700::1]/", "http://[2606:4700::1]:80"),
    ],
)
def test_receivers_are_told_apart_by_scheme_host_and_port(url: str, receiver: str) -> None:
    assert Webhook(url).receiver == receiver


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
        ("http://192.88.99.1/", "private address"),
        ("http://[64:ff9b::7f00:1]/", "private address"),
        ("http://redis:6379/", "private address"),
        ("http://metadata.google.internal/", "private address"),
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


@pytest.mark.parametrize("allow_private", [True, False])
@pytest.mark.parametrize(
    ("url", "reason"),
    [
        *((f"http://{host}/", "four decimal numbers") for host in ("2130706433", "0x7f000001", "017700000001", "0")),
        *((f"http://{host}/", "four decimal numbers") for host in ("0x7f.1", "0177.0.0.1", "127.1", "1.2.3.4.5")),
        *((f"http://{host}/", "four decimal numbers") for host in ("256.8.8.8", "8.8.8.08", "8.8.8.8.", "example.0x1")),
        ("http://[2606:4700::1%25eth0]/", "zone"),
        ("http://example.com./", "ends with a dot"),
        ("http://example..com/", "empty label"),
        ("http://.example.com/", "empty label"),
        (f"http://{'a' * 64}.example.com/", "label of 64 characters"),
        (f"http://{'abcd.' * 60}com/", "a name has at most 253"),
        ("http://-a.example.com/", "hyphens are allowed"),
        ("http://exa$mple.com/", "hyphens are allowed"),
        ("http://xn--a.example/", "no punycode"),
        ("http://xn--azz9zz9.example/", "no punycode"),
        ("http://ex%61mple.com/", "percent-encoded host"),
        ("http://@example.com/", "user name or password"),
        ("http://example.com:00/", "no http or https URL"),
        ("http://[1::2::3]/", "no URL"),
    ],
)
def test_a_host_that_no_receiver_has_is_refused_at_submit(url: str, reason: str, allow_private: bool) -> None:
    webhook, (error,) = parse_webhook({"webhook_url": url}, allow_private=allow_private)
    assert webhook is None
    assert reason in error.message


@pytest.mark.parametrize(
    "host", ["8.8.8.8", "[2606:4700::1]", "[64:ff9b::808:808]", "1e100.net", "a_b.example.com", "xn--msic-0ra.example"]
)
def test_a_host_that_a_receiver_may_have_is_taken(host: str) -> None:
    webhook, errors = parse_webhook({"webhook_url": f"https://{host}:8443/x"}, allow_private=False)
    assert (webhook is not None, errors) == (True, [])


@given(st.text(max_size=40) | st.from_regex(r"https?://[a-z0-9@:\[\]./\\?#%]{0,30}", fullmatch=True))
def test_whatever_is_sent_is_taken_or_refused_and_what_is_taken_has_a_receiver(url: str) -> None:
    webhook, errors = parse_webhook({"webhook_url": url}, allow_private=False)
    assert (webhook is None) == bool(errors)
    if webhook is not None:
        assert webhook.receiver.startswith("http")


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_is_no_more_public_inside_an_ipv6_one(address: object) -> None:
    inside = is_public(f"64:ff9b::{address}")
    assert inside == is_public(str(address))
    assert not is_public(f"::ffff:{address}")
    assert not is_public(f"::{address}")


IANA = [
    *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24"),
    *("192.0.0.0/29", "192.0.0.8/32", "192.0.0.9/32", "192.0.0.10/32", "192.0.0.170/32", "192.0.0.171/32"),
    *("192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24"),
    *("198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4", "255.255.255.255/32", "224.0.0.0/4"),
    *("::1/128", "::/128", "::ffff:0:0/96", "64:ff9b:1::/48", "100::/64", "100:0:0:1::/64", "2001::/23", "2001::/32"),
    *("2001:1::1/128", "2001:1::2/128", "2001:1::3/128", "2001:2::/48", "2001:3::/32", "2001:4:112::/48"),
    *("2001:10::/28", "2001:20::/28", "2001:30::/28", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20"),
    *("5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8"),
]


@pytest.mark.parametrize("row", IANA)
def test_no_address_of_the_special_purpose_registries_is_public(row: str) -> None:
    network = ip_network(row)
    for address in (network[0], network[-1], network[network.num_addresses // 2]):
        assert not is_public(str(address))


@pytest.mark.parametrize(
    "address",
    [
        *("1.0.0.0", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "172.15.255.255", "172.32.0.0"),
        *("192.0.1.0", "192.88.98.255", "192.88.100.0", "198.17.255.255", "198.20.0.0", "223.255.255.255"),
        *("2001:200::", "2001:db7:ffff::", "2001:db9::", "2003::", "2620:4f:8001::", "3ffe:ffff::", "2606:4700::1"),
    ],
)
def test_their_neighbours_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("inside", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "192.88.99.1"])
def test_a_private_ipv4_address_is_private_in_every_ipv6_address_that_carries_it(inside: str) -> None:
    number = int(ip_address(inside))
    high, low = f"{number >> 16:x}", f"{number & 0xFFFF:x}"
    mapped = [f"::ffff:{inside}", f"::{inside}", f"::ffff:0:{inside}"]
    teredo = f"2001:0:4136:e378:8000:63bf:{number >> 16 ^ 0xFFFF:x}:{number & 0xFFFF ^ 0xFFFF:x}"
    for address in (*mapped, f"64:ff9b::{inside}", f"64:ff9b:1::{inside}", f"2002:{high}:{low}::1", teredo):
        assert not is_public(address), address


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
