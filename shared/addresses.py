"""Which network addresses belong to the public internet. Owns that one judgement; opens no connection.

A caller names the URL of a webhook, and we connect to it from inside the operator's network: whatever is not plainly
public there is refused.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

# A translator on the way turns these into the IPv4 address of the last 32 bits (RFC 6052).
NAT64 = IPv6Network("64:ff9b::/96")
# Where IPv6 still carries another address (mapped, compatible, 6to4, Teredo, local-use NAT64) or only one site's own.
EMBEDDING = tuple(
    IPv6Network(text)
    for text in ("::/96", "::ffff:0:0/96", "::ffff:0:0:0/96", "2002::/16", "2001::/32", "64:ff9b:1::/48", "fec0::/10")
)


def is_public(text: str) -> bool:
    """False for private, loopback, link-local, shared (CGNAT), multicast, reserved and unspecified addresses."""
    address = ip_address(text.partition("%")[0])
    if isinstance(address, IPv6Address):
        if address in NAT64:
            return _is_public(IPv4Address(int(address) & 0xFFFFFFFF))
        if any(address in network for network in EMBEDDING):
            return False
    return _is_public(address)


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    # Python counts some multicast and reserved addresses as global
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)
