"""Where a webhook may go: an address is read once, here, strictly, and what was read is what gets dialled.

Strict because the ways to write one host are many (`127.1`, `0x7f000001`, full-width digits, a backslash) and two
readers that disagree about one of them are a hole. Who refuses nothing but what no honest address needs loses nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import (
    AddressValueError,
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_network,
)
from urllib.parse import quote

import idna
from django.conf import settings

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

PORTS = {"http": 80, "https": 443}
LONGEST_HOST = 253  # characters, RFC 1035

# What is not public. `ipaddress.is_global` will not do: Python 3.11 calls 64:ff9b::/96, 2002::/16, 224.0.0.0/4,
# fec0::/10, 192.0.0.192 and ::127.0.0.1 global. Sources: IANA's special-purpose registries, RFC 6890.
_CLOSED: tuple[tuple[Network, str], ...] = tuple(
    (ip_network(network), kind)
    for network, kind in (
        ("0.0.0.0/8", "means this machine"),
        ("10.0.0.0/8", "is private"),
        ("100.64.0.0/10", "lies behind a provider's address translation"),
        ("127.0.0.0/8", "is this machine (loopback)"),
        # Azure's machines find their host under a public address; nobody else can own it.
        ("168.63.129.16/32", "is a cloud's inner service"),
        ("169.254.0.0/16", "is link-local, where clouds hand out credentials"),
        ("172.16.0.0/12", "is private"),
        ("192.0.0.0/24", "is reserved"),
        ("192.0.2.0/24", "is for documentation"),
        ("192.31.196.0/24", "is reserved"),
        ("192.52.193.0/24", "is reserved"),
        ("192.88.99.0/24", "is a translated address (6to4)"),
        ("192.168.0.0/16", "is private"),
        ("192.175.48.0/24", "is reserved"),
        ("198.18.0.0/15", "is for benchmarks"),
        ("198.51.100.0/24", "is for documentation"),
        ("203.0.113.0/24", "is for documentation"),
        ("224.0.0.0/4", "is multicast"),
        ("240.0.0.0/4", "is reserved"),
        ("::/128", "means this machine"),
        ("::1/128", "is this machine (loopback)"),
        ("::ffff:0:0/96", "is an IPv4 address in disguise (mapped)"),
        ("::ffff:0:0:0/96", "is an IPv4 address in disguise (translated)"),
        ("::/96", "is an IPv4 address in disguise (compatible)"),
        ("64:ff9b::/96", "is an IPv4 address in disguise (NAT64)"),
        ("64:ff9b:1::/48", "is an IPv4 address in disguise (NAT64)"),
        ("2001::/32", "is an IPv4 address in disguise (Teredo)"),
        ("2001::/23", "is reserved"),
        ("2001:db8::/32", "is for documentation"),
        ("2002::/16", "is an IPv4 address in disguise (6to4)"),
        ("2620:4f:8000::/48", "is reserved"),
        ("3fff::/20", "is for documentation"),
        ("fc00::/7", "is private"),
        ("fe80::/10", "is link-local"),
        ("fec0::/10", "is private (site-local)"),
        ("ff00::/8", "is multicast"),
    )
)
# All that was ever given out for the open internet; the rest of IPv6 is nobody's.
_OPEN_IPV6 = IPv6Network("2000::/3")

_URL = re.compile(r"(?P<scheme>https?)://(?P<authority>[^/?#]*)(?P<target>[^#]*)", re.IGNORECASE | re.DOTALL)
_AUTHORITY = re.compile(r"(?P<host>\[[^\[\]]*\]|[^:\[\]]*)(?::(?P<port>.*))?", re.DOTALL)
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
# A last label like these makes resolvers read the whole host as an address (inet_aton: decimal, octal, hex, short).
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_UNFIT = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\\]")
_STRAY_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


class BadUrl(ValueError):
    """The text is no address that a webhook can have; its words say why."""


class AddressRefused(ValueError):
    """The host is inside: not public, and not in TANDEM_WEBHOOK_ALLOWED_NETWORKS."""


@dataclass(frozen=True)
class Target:
    """A webhook's address, read. host: lower case, ASCII, no brackets. path: with its query, ready for the wire."""

    scheme: str
    host: str
    port: int
    path: str
    literal: Address | None  # the host when it is an address, None when it is a name

    @property
    def authority(self) -> str:
        """The value of the `Host` header."""
        host = f"[{self.host}]" if isinstance(self.literal, IPv6Address) else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"


def check_target(url: str) -> None:
    """Refuse, with a ValueError whose words are for the person, an address that a webhook may not have.

    For use on save: it looks nothing up, so a name passes whatever stands behind it; every send resolves and judges
    it again. `{placeholders}` may stand in the path and the query. Source: contract §6 "Targets".
    """
    allowed = settings.WEBHOOK_ALLOWED_NETWORKS
    target = read_target(url)
    if target.literal is not None:
        check_address(target.literal, allowed=allowed)
    elif _is_localhost(target.host) and not any(IPv4Address("127.0.0.1") in network for network in allowed):
        raise AddressRefused(f"{target.host} is this machine, and a webhook goes to another one.")


def read_target(url: str) -> Target:
    """Read an address, or raise BadUrl. Nothing is judged that is well formed, and nothing is looked up."""
    if _UNFIT.search(url):
        raise BadUrl("An address holds no control characters, line ends or backslashes.")
    found = _URL.match(url)
    if found is None:
        raise BadUrl("An address begins with https:// or http://.")
    if "@" in found["authority"]:
        raise BadUrl("An address holds no user name or password; use a header for credentials.")
    scheme = found["scheme"].lower()
    split = _AUTHORITY.fullmatch(found["authority"])
    if split is None or not split["host"]:
        raise BadUrl("The host of the address is missing or malformed.")
    host, literal = _host(split["host"])
    return Target(scheme, host, _port(split["port"], PORTS[scheme]), _on_the_wire(found["target"]), literal)


def check_address(address: Address, *, allowed: Sequence[Network]) -> None:
    """Raise AddressRefused unless the address is public or inside of an allowed network."""
    if any(address in network for network in allowed):
        return
    for network, kind in _CLOSED:
        if address in network:
            raise AddressRefused(f"{address} {kind}; webhooks go to public addresses only.")
    if isinstance(address, IPv6Address) and address not in _OPEN_IPV6:
        raise AddressRefused(f"{address} is reserved; webhooks go to public addresses only.")


def _host(raw: str) -> tuple[str, Address | None]:
    """The host as it is looked up and named to the receiver, and the address when it is one."""
    if raw.startswith("["):
        return _ipv6(raw[1:-1])
    if len(raw) > LONGEST_HOST:
        raise BadUrl("The host of the address is too long.")
    name = _ascii(raw.lower())
    if name.endswith("."):
        raise BadUrl("The host of the address ends with a dot; leave it out.")
    labels = name.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        return _ipv4(name)
    if len(name) > LONGEST_HOST or not all(_LABEL.fullmatch(label) for label in labels):
        raise BadUrl(f"The host {raw!r} is malformed.")
    return name, None


def _ipv4(text: str) -> tuple[str, IPv4Address]:
    try:
        read = IPv4Address(text)  # four plain decimals, nothing else
    except AddressValueError:
        raise BadUrl(f"{text!r} is no usable host; write an address as four decimal numbers.") from None
    return str(read), read


def _ipv6(text: str) -> tuple[str, IPv6Address]:
    try:
        read = IPv6Address(text)
    except AddressValueError:
        raise BadUrl(f"[{text}] is not an IPv6 address.") from None
    if read.scope_id is not None:
        raise BadUrl("An address with a zone (%) means something on one machine only.")
    return str(read), read


def _ascii(name: str) -> str:
    """A host name in ASCII (`xn--…`). Strict: full-width letters, odd dots and the like are refused, not mapped."""
    if name.isascii():
        return name
    try:
        return idna.encode(name, strict=True).decode()
    except (idna.IDNAError, UnicodeError):
        raise BadUrl(f"The host {name!r} is not a valid international name.") from None


def _port(raw: str | None, default: int) -> int:
    if raw is None:
        return default
    if not re.fullmatch(r"[0-9]{1,5}", raw) or not 1 <= int(raw) <= 65535:
        raise BadUrl(f"The port {raw!r} is not a number from 1 to 65535.")
    return int(raw)


def _on_the_wire(target: str) -> str:
    """Path and query as they are sent: what is not allowed there is percent-encoded, dots are left as they are."""
    path = target if target.startswith("/") else f"/{target}"
    return quote(_STRAY_PERCENT.sub("%25", path), safe="%/?:@!$&'()*+,;=~-._[]")


def _is_localhost(host: str) -> bool:
    return host == "localhost" or host.endswith(".localhost")
