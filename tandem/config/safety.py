"""What must not be offered to the outside: settings that are handy on one's own machine and dangerous in public."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from django.conf import settings

SHORTEST_SECRET = 32  # characters
_KNOWN_SECRETS = ("changeme", "change-me", "secret", "password", "django-insecure", "insecure", "example", "default")


def dangers(host: str) -> list[str]:
    """Why Tandem must not be served on this address with these settings; empty when it may.

    A loopback address with no public name or URL and no proxy in front is one's own machine, and there everything goes.
    """
    if not _is_public(host):
        return []
    found = []
    if settings.DEBUG:
        found.append("TANDEM_DEBUG is on: error pages would show the program's inside to everybody; switch it off")
    if settings.CRM_OTP_IN_ANSWER:
        found.append("CRM_OTP_IN_ANSWER is on: whoever asks for a one-time code would read it; switch it off")
    if not settings.LOGIN_THROTTLE:
        found.append("TANDEM_LOGIN_THROTTLE is off: passwords could be guessed without limit; switch it on")
    if weak := weakness(settings.SECRET_KEY):
        found.append(f"TANDEM_SECRET_KEY {weak}; leave it empty, and a good one is made and kept")
    return found


def weakness(secret: str) -> str:
    """What is wrong with a secret key; "" when nothing is."""
    if len(secret) < SHORTEST_SECRET:
        return f"is shorter than {SHORTEST_SECRET} characters"
    if len(set(secret)) < 10:
        return "repeats a few characters"
    if any(word in secret.lower() for word in _KNOWN_SECRETS):
        return "looks like one out of an example"
    return ""


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _is_public(host: str) -> bool:
    published = urlsplit(settings.PUBLIC_URL).hostname
    # Who gives it a name beside this machine's has something in front that calls it so, a tunnel if nothing else.
    names = [host, *([published] if published else []), *settings.ALLOWED_HOSTS]
    return bool(settings.TRUSTED_PROXIES) or not all(is_loopback(name.lower()) for name in names)
