"""A POST to somebody else's URL can do nothing to us."""

from __future__ import annotations

import socket
import ssl
import time
from pathlib import Path
from typing import Any

import pytest
import trustme

from housekeeping.webhooks.safe_http import SafeHttpClient
from shared.errors import AddressRefused, DeliveryFailed
from stack.ports import LOOPBACK
from tests.housekeeping.webhooks.receiver import Server, answer, drip, hold, receiver

PUBLIC, OTHER_PUBLIC = "2fff:ffff::1", "8.8.8.8"  # the first is given to nobody: nothing of a test reaches it
PRIVATE_HOSTS = ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "0177.0.0.1", "127.1", "0.0.0.0", "10.0.0.1"]
PRIVATE_HOSTS += ["172.16.0.1", "192.168.1.1", "100.64.0.1", "169.254.169.254", "224.0.0.1", "255.255.255.255"]
PRIVATE_HOSTS += ["[::1]", "[::]", "[::ffff:127.0.0.1]", "[fe80::1]", "[fc00::1]", "[ff02::1]", "[64:ff9b::7f00:1]"]
PRIVATE_HOSTS += ["[2002:7f00:1::]", "[fec0::1]"]
OK_HEAD = b"HTTP/1.1 200 OK\r\n"


def http_client(timeout_s: float = 5.0, **changes: Any) -> SafeHttpClient:
    return SafeHttpClient(timeout_s=timeout_s, **({"allow_private": True} | changes))


class Names:
    """Resolve any name to each of these answers once, then to the last one, as DNS rebinding does."""

    def __init__(self, *answers: list[str]) -> None:
        self._answers = list(answers)
        self.asked = 0

    def __call__(self, host: str, port: int) -> list[Any]:
        addresses = self._answers[min(self.asked, len(self._answers) - 1)]
        self.asked += 1
        return [
            (socket.AF_INET6 if ":" in one else socket.AF_INET, socket.SOCK_STREAM, 0, "", (one, port))
            for one in addresses
        ]


def test_a_post_brings_headers_and_body_and_the_name_as_host(hooks: Server) -> None:
    response = http_client().post(hooks.url("/a?b=c", answer(201), host="localhost"), {"webhook-id": "m1"}, b'{"x": 1}')
    (seen,) = hooks.seen["/a?b=c"]
    assert response.status == 201
    assert (seen.headers["webhook-id"], seen.body) == ("m1", b'{"x": 1}')
    assert seen.headers["host"] == f"localhost:{hooks.port}"


def test_a_redirect_is_an_answer_and_is_not_followed(hooks: Server) -> None:
    url = hooks.url("/old", answer(307, Location=hooks.url("/new")))
    assert http_client().post(url, {}, b"{}").status == 307
    assert not hooks.seen["/new"]


@pytest.mark.parametrize(("value", "seconds"), [("7", 7), ("soon", None), ("", None), ("-3", None), ("9" * 30, 1e12)])
def test_a_retry_after_in_seconds_is_read(hooks: Server, value: str, seconds: float | None) -> None:
    response = http_client().post(hooks.url("/", answer(503, Retry_After=value)), {}, b"{}")
    assert response.retry_after_s == pytest.approx(seconds, rel=0.01)


def test_a_retry_after_as_a_date_is_read(hooks: Server) -> None:
    date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 60))
    response = http_client().post(hooks.url("/", answer(429, Retry_After=date)), {}, b"{}")
    assert response.retry_after_s == pytest.approx(60, abs=3)


@pytest.mark.parametrize(
    "behaviour",
    [hold(3), drip(b"HTTP/1.1 2"), drip(OK_HEAD + b"X-Slow: "), drip(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 100 ")],
    ids=["silence", "status", "headers", "interim"],
)
def test_an_answer_that_takes_too_long_is_cut_however_it_drips(hooks: Server, behaviour: Any) -> None:
    since = time.monotonic()
    with pytest.raises(DeliveryFailed, match=r"no answer within 0\.4 s"):
        http_client(timeout_s=0.4).post(hooks.url("/", behaviour), {}, b"{}")
    assert 0.3 < time.monotonic() - since < 2.5


def test_a_handshake_that_drips_is_cut_too() -> None:
    with socket.create_server((LOOPBACK, 0)) as silent:
        since = time.monotonic()
        with pytest.raises(DeliveryFailed, match="no answer within"):
            http_client(timeout_s=0.4).post(f"https://{LOOPBACK}:{silent.getsockname()[1]}/", {}, b"{}")
        assert time.monotonic() - since < 2.5


@pytest.mark.parametrize("head", [OK_HEAD + b"\r\n", OK_HEAD + b"Content-Length: 99999999\r\n\r\n"])
def test_the_status_decides_and_an_endless_body_is_left(hooks: Server, head: bytes) -> None:
    since = time.monotonic()
    assert http_client(timeout_s=0.4).post(hooks.url("/", drip(head)), {}, b"{}").status == 200
    assert time.monotonic() - since < 2.5


def test_a_large_body_is_read_only_in_part(hooks: Server) -> None:
    sent = []

    def flood(handler: Any, before: int) -> None:
        handler.wfile.write(OK_HEAD + b"\r\n")
        for _ in range(2000):
            handler.wfile.write(b"x" * 65536)
            sent.append(65536)

    assert http_client().post(hooks.url("/", flood), {}, b"{}").status == 200
    time.sleep(0.1)
    assert sum(sent) < 20_000_000


def test_a_name_that_takes_too_long_to_look_up_is_given_up() -> None:
    def stuck(host: str, port: int) -> list[Any]:
        time.sleep(3)
        return []

    since = time.monotonic()
    with pytest.raises(DeliveryFailed, match="no answer within"):
        http_client(timeout_s=0.3, resolve=stuck).post("http://slow.test/", {}, b"{}")
    assert time.monotonic() - since < 2.5


@pytest.mark.parametrize("url", [f"http://{LOOPBACK}:1/", "http://no-such-name.invalid/"])
def test_a_receiver_that_is_not_there_is_a_failure_that_says_why(url: str) -> None:
    with pytest.raises(DeliveryFailed, match=r"refused|resolution|not known|Name|no answer"):
        http_client().post(url, {}, b"{}")


def test_something_that_speaks_no_http_is_a_failure(hooks: Server) -> None:
    def babble(handler: Any, before: int) -> None:
        handler.wfile.write(b"220 mail.example.com ESMTP\r\n")
        handler.close_connection = True

    with pytest.raises(DeliveryFailed):
        http_client().post(hooks.url("/", babble), {}, b"{}")


# private addresses


@pytest.mark.parametrize("host", PRIVATE_HOSTS)
def test_no_way_of_writing_a_private_address_gets_through(hooks: Server, host: str) -> None:
    with pytest.raises(DeliveryFailed) as refused:
        http_client(allow_private=False).post(f"http://{host}:{hooks.port}/", {}, b"{}")
    assert isinstance(refused.value, AddressRefused) or "Name" in refused.value.message
    assert not hooks.seen


def test_one_private_address_among_public_ones_refuses_them_all(hooks: Server) -> None:
    names = Names([PUBLIC, LOOPBACK, OTHER_PUBLIC])
    with pytest.raises(AddressRefused, match="private address 127"):
        http_client(allow_private=False, resolve=names).post(f"http://example.test:{hooks.port}/", {}, b"{}")
    assert not hooks.seen


def test_a_name_that_is_public_when_judged_and_private_afterwards_gets_nothing(
    hooks: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system's own resolver leads to us at any later look: only the address that was judged is connected to."""
    names = Names([PUBLIC], [LOOPBACK])
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: names("rebound.test", hooks.port))
    with pytest.raises(DeliveryFailed) as failure:
        http_client(timeout_s=0.3, allow_private=False).post(f"http://rebound.test:{hooks.port}/", {}, b"{}")
    assert not isinstance(failure.value, AddressRefused)
    assert names.asked == 1
    with pytest.raises(AddressRefused):
        http_client(allow_private=False).post(f"http://rebound.test:{hooks.port}/", {}, b"{}")
    assert not hooks.seen


def test_a_proxy_of_the_environment_is_not_asked(hooks: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, hooks.url("/"))
    with pytest.raises(DeliveryFailed):
        http_client(timeout_s=0.3, allow_private=False, resolve=Names([PUBLIC])).post("http://example.test/", {}, b"{}")
    assert not hooks.seen


# TLS


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def _server_side(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


def test_tls_is_spoken_to_the_judged_address_under_the_name(
    authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    with receiver(_server_side(authority, "hooks.test")) as hooks:
        to_us = http_client(resolve=Names([LOOPBACK]))
        assert to_us.post(f"https://hooks.test:{hooks.port}/x", {}, b"{}").status == 200
        with pytest.raises(DeliveryFailed, match=r"(?i)certificate"):
            to_us.post(f"https://other.test:{hooks.port}/x", {}, b"{}")
    assert [seen.headers["host"] for seen in hooks.seen["/x"]] == [f"hooks.test:{hooks.port}"]


def test_a_certificate_of_nobody_known_is_refused(authority: trustme.CA) -> None:
    with receiver(_server_side(authority, "hooks.test")) as hooks:
        with pytest.raises(DeliveryFailed, match=r"(?i)certificate"):
            http_client(resolve=Names([LOOPBACK])).post(f"https://hooks.test:{hooks.port}/x", {}, b"{}")
        assert not hooks.seen
