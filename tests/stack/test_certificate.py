"""The certificate of `make up ARGS=--tls`: made by the real openssl, trusted by who knows it, and by nobody else."""

from __future__ import annotations

import http.server
import os
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from stack.certificate import Certificate, certificate_in, own_certificate, own_names
from stack.errors import NoCertificate
from stack.services import Services, StackSettings, what_is_missing


@contextmanager
def served(certificate: Certificate) -> Iterator[int]:
    """A server of https under that certificate, which has no page; its port."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.path, certificate.key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_it_is_trusted_for_each_of_the_machines_names_and_the_key_is_closed_to_others(tmp_path: Path) -> None:
    certificate = own_certificate(tmp_path)
    assert {"localhost", "127.0.0.1"} < set(own_names())
    assert certificate.key.stat().st_mode & 0o077 == 0
    with served(certificate) as port:
        for name in ("127.0.0.1", "localhost"):
            assert what_is_missing(f"https://{name}:{port}/", certificate) == "the API answers 501"
        assert what_is_missing(f"https://127.0.0.1:{port}/") == "the API is starting", "nobody else trusts it"


def test_it_is_kept_while_the_names_are_the_same_and_it_is_not_old(tmp_path: Path) -> None:
    first = own_certificate(tmp_path, ["localhost"]).path.read_bytes()
    assert own_certificate(tmp_path, ["localhost"]).path.read_bytes() == first
    second = own_certificate(tmp_path, ["localhost", "192.168.0.7"]).path.read_bytes()
    assert second != first
    os.utime(certificate_in(tmp_path).path, (0, 0))
    assert own_certificate(tmp_path, ["localhost", "192.168.0.7"]).path.read_bytes() != second


def test_a_machine_without_openssl_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoCertificate, match=r"openssl is missing; install it .* or start without --tls"):
        own_certificate(tmp_path)


def test_the_api_is_served_under_it_and_said_to_be(tmp_path: Path) -> None:
    settings = StackSettings.model_construct(port=8443, state_folder=tmp_path, model="tiny")
    services = Services(settings, "redis://127.0.0.1:1/0", {}, certificate=certificate_in(tmp_path))
    assert services.url == "https://127.0.0.1:8443"
    command = services.api("redis://127.0.0.1:1/0").command
    assert command[-4:] == ["--certfile", f"{tmp_path}/tls/certificate.pem", "--keyfile", f"{tmp_path}/tls/key.pem"]


def test_what_openssl_has_against_it_is_told_in_its_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "openssl"
    program.write_text("#!/bin/sh\necho first >&2\necho no space left >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoCertificate, match=r"\(no space left\); mend what it names, or start without --tls"):
        own_certificate(tmp_path / "state", ["localhost"])
