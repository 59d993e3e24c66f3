"""Make the certificate under which `make up ARGS=--tls` serves: self-made by openssl, and kept below the state folder.

Browsers give the microphone to https alone, on every machine but their own. Nobody vouches for this certificate: a
browser asks once whether it is to be trusted. It names this server and may sign no other certificate, so that who
trusts it trusts nothing else (RFC 5280, 4.2.1.9).
"""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

import psutil

from stack.errors import NoCertificate

FOLDER = "tls"  # below the state folder
DAYS = 365
RENEWED_DAYS = 300
CONFIGURATION = """
[req]
distinguished_name = subject
x509_extensions = extensions
prompt = no
[subject]
CN = Ostinato on this machine
[extensions]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = {names}
"""


@dataclass(frozen=True)
class Certificate:
    """Name the files of a certificate and of its key."""

    path: Path
    key: Path

    def trusting(self) -> ssl.SSLContext:
        """Return what trusts this certificate and no other."""
        return ssl.create_default_context(cafile=self.path)


def certificate_in(state_folder: Path) -> Certificate:
    """Return where the certificate of a stack is, or is to be."""
    folder = state_folder / FOLDER
    return Certificate(folder / "certificate.pem", folder / "key.pem")


def own_certificate(state_folder: Path, names: Sequence[str] | None = None) -> Certificate:
    """Return this machine's certificate, made anew when it is old, or was asked for otherwise than now.

    Raises NoCertificate.
    """
    names = own_names() if names is None else names
    found, wanted = certificate_in(state_folder), CONFIGURATION.format(names=", ".join(map(_alternative_name, names)))
    asked = found.path.with_name("openssl.cnf")
    if found.key.exists() and asked.exists() and asked.read_text() == wanted and _age_days(found.path) < RENEWED_DAYS:
        return found
    _close(found.path.parent)
    found.path.unlink(missing_ok=True)
    asked.write_text(wanted)
    _make(found, asked)
    return found


def own_names() -> tuple[str, ...]:
    """Return the names and addresses of this machine, sorted."""
    addresses = {
        address.address.partition("%")[0]
        for each in psutil.net_if_addrs().values()
        for address in each
        if address.family in (socket.AF_INET, socket.AF_INET6)
    }
    host = socket.gethostname()
    return tuple(sorted({"localhost", host, f"{host.partition('.')[0]}.local", *addresses}))


def _close(folder: Path) -> None:
    """Make the folder, or take over an earlier one, for its owner alone: before there is a key in it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)


def _make(wanted: Certificate, configuration: Path) -> None:
    program = shutil.which("openssl")
    if program is None:
        raise NoCertificate("the program openssl is missing; install it with your system's packages")
    command = [program, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-sha256", "-days", str(DAYS)]
    command += ["-config", str(configuration), "-keyout", str(wanted.key), "-out", str(wanted.path)]
    made = subprocess.run(command, capture_output=True, text=True, umask=0o077)
    if made.returncode:
        why = (made.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise NoCertificate(f"openssl made none ({why}); mend what it names")


def _alternative_name(name: str) -> str:
    try:
        return f"IP:{ip_address(name)}"
    except ValueError:
        return f"DNS:{name}"


def _age_days(path: Path) -> float:
    return (time.time() - path.stat().st_mtime) / 86_400 if path.exists() else DAYS
