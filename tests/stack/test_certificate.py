"""The certificate of `make up ARGS=--tls`: made by the real openssl, trusted by who knows it, and by nobody else."""

from __future__ import annotations

import http.server
import os
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import httpx
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


def openssl(monkeypatch: pytest.MonkeyPatch, folder: Path, does: str) -> None:
    """Put a program of that name before the real one."""
    program = folder / "openssl"
    program.write_text(f"#!/bin/sh\n{does}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)


def test_it_is_trusted_for_each_of_the_machines_names_and_the_key_is_closed_to_others(tmp_path: Path) -> None:
    certificate = own_certificate(tmp_path)
    assert {"localhost", "127.0.0.1"} < set(own_names())
    for path in (certificate.key, certificate.path.parent):
        assert path.stat().st_mode & 0o077 == 0
    with served(certificate) as port:
        for name in ("127.0.0.1", "localhost"):
            assert what_is_missing(f"https://{name}:{port}/", certificate) == "the API answers 501"
        assert what_is_missing(f"https://127.0.0.1:{port}/") == "the API is starting", "nobody else trusts it"


def test_a_folder_that_stood_open_is_closed_before_there_is_a_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = certificate_in(tmp_path).path.parent
    folder.mkdir(mode=0o755)
    seen = tmp_path / "seen"
    openssl(monkeypatch, tmp_path, f'stat -c %a "{folder}" > "{seen}"; exit 1')
    with pytest.raises(NoCertificate):
        own_certificate(tmp_path, ["localhost"])
    assert seen.read_text() == "700\n"


def test_programs_take_it_and_what_its_key_signs_is_trusted_by_none(tmp_path: Path) -> None:
    """So who tells a program to trust it has not told it to trust whoever finds that key."""
    ours = own_certificate(tmp_path, ["localhost", "127.0.0.1"])
    signed = signed_by(ours, tmp_path)
    curl, cacert = str(shutil.which("curl")), ["--cacert", str(ours.path)]
    for certificate, status, words in ((ours, 0, "501"), (signed, 60, "000")):
        with served(certificate) as port:
            url = f"https://localhost:{port}/"
            asked = [curl, "-sS", "-o", "/dev/null", "-w", "%{http_code}", *cacert, url]
            run = subprocess.run(asked, capture_output=True, text=True)
            assert (run.returncode, run.stdout) == (status, words), run.stderr
            strict = ours.trusting()
            strict.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN  # as Python 3.13 asks for
            for trust in (ours.trusting(), strict):
                with (
                    httpx.Client(verify=trust) as client,
                    pytest.raises(httpx.ConnectError) if status else nullcontext(),
                ):
                    assert client.get(url).status_code == 501


def signed_by(ours: Certificate, folder: Path) -> Certificate:
    """Let our certificate's key sign another one for this machine, as who has stolen it would."""
    leaf = Certificate(folder / "leaf.pem", folder / "leaf.key")
    request, extensions = folder / "leaf.csr", folder / "leaf.cnf"
    extensions.write_text("subjectAltName = DNS:localhost, IP:127.0.0.1")
    made = ["req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=other", "-keyout", leaf.key, "-out", request]
    sign = ["x509", "-req", "-in", request, "-CA", ours.path, "-CAkey", ours.key, "-set_serial", "7"]
    for command in (made, [*sign, "-extfile", extensions, "-out", leaf.path]):
        subprocess.run(["openssl", *map(str, command)], check=True, capture_output=True)
    leaf.path.write_text(leaf.path.read_text() + ours.path.read_text())
    return leaf


def test_one_of_an_earlier_kind_is_made_anew(tmp_path: Path) -> None:
    first = own_certificate(tmp_path, ["localhost"])
    earlier, asked = first.path.read_bytes(), first.path.with_name("openssl.cnf")
    asked.write_text(asked.read_text().replace("CA:FALSE", "CA:TRUE"))
    assert own_certificate(tmp_path, ["localhost"]).path.read_bytes() != earlier


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
    openssl(monkeypatch, tmp_path, "echo first >&2; echo no space left >&2; exit 1")
    with pytest.raises(NoCertificate, match=r"\(no space left\); mend what it names, or start without --tls"):
        own_certificate(tmp_path / "state", ["localhost"])
