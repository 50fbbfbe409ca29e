"""Where a request comes from."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from django.conf import settings
from django.http import HttpRequest

Address = IPv4Address | IPv6Address


def client_address(request: HttpRequest) -> str:
    """The client's address, "" when there is none (a Unix socket).

    `X-Forwarded-For` is believed as far as trusted proxies wrote it (setting TANDEM_TRUSTED_PROXIES): read from the
    right, the first address that is not a trusted proxy's. What stands further left the client may have made up.
    """
    address = _read(request.META.get("REMOTE_ADDR", ""))
    hops = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    while hops and _is_trusted(address):
        before = _read(hops.pop())
        if before is None:
            break
        address = before
    return str(address or "")


def forget_made_up_scheme(request: HttpRequest) -> None:
    """Take `X-Forwarded-Proto` away when it was not a trusted proxy that sent it.

    Django believes the header whoever sent it (SECURE_PROXY_SSL_HEADER): a client that reaches the server past the
    proxy could pass plain HTTP off as HTTPS.
    """
    if "HTTP_X_FORWARDED_PROTO" in request.META and not _is_trusted(_read(request.META.get("REMOTE_ADDR", ""))):
        del request.META["HTTP_X_FORWARDED_PROTO"]


def origin_of(request: HttpRequest) -> str:
    """The address under which a request reached us, without a path. Raises DisallowedHost."""
    return f"{request.scheme}://{request.get_host()}"


def household(address: str) -> str:
    """What counts as one client in limits: an IPv4 address, or the /64 network that one IPv6 connection is given."""
    read = _read(address)
    if isinstance(read, IPv6Address):
        return str(ip_network((read, 64), strict=False))
    return str(read or "")


def _is_trusted(address: Address | None) -> bool:
    trusted = _networks(tuple(settings.TRUSTED_PROXIES))
    return address is not None and any(address in network for network in trusted)


def _read(raw: str) -> Address | None:
    text = raw.strip()
    if text.startswith("["):  # [2001:db8::1]:443
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:  # 192.0.2.1:443
        text = text.partition(":")[0]
    try:
        read = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (read.ipv4_mapped or read) if isinstance(read, IPv6Address) else read


@lru_cache(maxsize=8)
def _networks(listed: tuple[str | IPv4Network | IPv6Network, ...]) -> list[IPv4Network | IPv6Network]:
    return [ip_network(one, strict=False) for one in listed]
