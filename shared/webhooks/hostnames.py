"""Judge the host of a URL by how it is written: a plain DNS name, or an IP address in its usual form. Looks nothing up.

Resolvers take more than that: `0x7f.1`, `2130706433` and `0177.0.0.1` are all 127.0.0.1 to them, and a label that is
too long or cannot be decoded fails only when it is looked up. Such a host is refused where it is named.
"""

from __future__ import annotations

import re
import unicodedata
from ipaddress import IPv4Address, IPv6Address

from shared.webhooks.addresses import is_public

NAME_CHARS, LABEL_CHARS = 253, 63  # RFC 1035
LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?", re.I)
NUMBER = re.compile(r"\d+|0x[0-9a-f]*", re.I)  # what ends in one is taken for an IPv4 address (WHATWG URL)
PUNYCODE = "xn--"
# Special-use names (RFC 6761, 6762, 8375) and those that routers give: never in the public DNS
LOCAL_SUFFIXES = (".localhost", ".local", ".localdomain", ".internal", ".lan", ".home.arpa")


def is_local_name(host: str) -> bool:
    """Return whether a name means something in this network only: without a dot, or under a suffix kept for that."""
    name = host.removesuffix(".").lower()
    return name.endswith(LOCAL_SUFFIXES) or ("." not in name and not NUMBER.fullmatch(name))


def is_private_host(host: str) -> bool:
    """Return whether a host is an address that is not public, or a name of this network only."""
    try:
        return not is_public(host.strip("[]"))
    except ValueError:
        return is_local_name(host)


def host_fault(host: str) -> str:
    """Return what is wrong with a host as it stands in a URL, in words for whoever sent it; "" when nothing is."""
    if host.startswith("["):
        return _ipv6_fault(host)
    if NUMBER.fullmatch(host.removesuffix(".").rpartition(".")[2]):
        return _ipv4_fault(host)
    if host.endswith("."):
        return "has a host that ends with a dot; leave the dot out"
    if len(host) > NAME_CHARS:
        return f"has a host of {len(host)} characters; a name has at most {NAME_CHARS}"
    return next((fault for label in host.split(".") if (fault := _label_fault(label))), "")


def _ipv6_fault(host: str) -> str:
    if "%" in host:
        return "has an address with a zone, which means something on one machine only; leave the zone out"
    try:
        IPv6Address(host[1:-1])
    except ValueError:
        return f"has the host {host[:60]}, which is no IPv6 address"
    return ""


def _ipv4_fault(host: str) -> str:
    try:
        IPv4Address(host)
    except ValueError:
        return (
            f"has the host {host[:60]}, which some programs take for an IPv4 address; write four decimal numbers, "
            "such as 93.184.215.14"
        )
    return ""


def _label_fault(label: str) -> str:
    if not label:
        return "has a host with an empty label (two dots, or one at its beginning)"
    if len(label) > LABEL_CHARS:
        return f"has a host with a label of {len(label)} characters; DNS allows {LABEL_CHARS}"
    if not LABEL.fullmatch(label):
        return f"has a host with the label {label!r}; letters, digits and, within it, hyphens are allowed"
    if label.lower().startswith(PUNYCODE) and not _is_punycode(label[len(PUNYCODE) :].lower()):
        return f"has a host with the label {label!r}, which is no punycode"
    return ""


def _is_punycode(encoded: str) -> bool:
    """Return whether it stands for a name that has something beside ASCII, all of it visible (RFC 3492, 5891)."""
    try:
        name = encoded.encode().decode("punycode")
        again = name.encode("punycode").decode()
    except UnicodeError:
        return False
    visible = all(unicodedata.category(character)[0] not in "CZ" for character in name)
    return not name.isascii() and again == encoded and visible
