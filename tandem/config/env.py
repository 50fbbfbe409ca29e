"""Typed readers of environment variables.

Every variable is read once, here, at start-up: a value that does not parse stops the start with one line that names
the variable. `DECLARED` lists what was read, so that a test can hold `docs/settings.md` to it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import TypeVar
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit
from zoneinfo import available_timezones

import phonenumbers
from psycopg import ProgrammingError, conninfo

Value = TypeVar("Value")

DECLARED: dict[str, str] = {}


class BadSetting(SystemExit):
    """A variable has a value that cannot be used; the process ends with the reason."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"tandem: the setting {name} is not usable: {reason}")


def _read(name: str, default: Value, parse: Callable[[str], Value], *, shown: str | None = None) -> Value:
    DECLARED[name] = shown if shown is not None else str(default)
    raw = os.environ.get(name, "").strip()
    if not raw:
        return default
    try:
        return parse(raw)
    except ValueError as refused:
        raise BadSetting(name, str(refused)) from None


def text(name: str, default: str = "") -> str:
    return _read(name, default, str)


def zone(name: str, default: str) -> str:
    """A time zone of the IANA database, by its name."""

    def parse(raw: str) -> str:
        if raw not in available_timezones():
            raise ValueError(f"{raw!r} is no time zone; use a name such as Asia/Kolkata")
        return raw

    return _read(name, default, parse)


def region(name: str, default: str) -> str:
    """A country whose telephone numbers are known, by its two letters."""

    def parse(raw: str) -> str:
        if raw.upper() not in phonenumbers.SUPPORTED_REGIONS:
            raise ValueError(f"{raw!r} is no country; use two letters such as IN")
        return raw.upper()

    return _read(name, default, parse)


def flag(name: str, default: bool = False) -> bool:
    def parse(raw: str) -> bool:
        lowered = raw.lower()
        if lowered in ("1", "true", "yes", "on"):
            return True
        if lowered in ("0", "false", "no", "off"):
            return False
        raise ValueError(f"{raw!r} is neither on nor off")

    return _read(name, default, parse, shown="on" if default else "off")


def whole(name: str, default: int, *, least: int = 0, most: int) -> int:
    """most: what nobody can mean to exceed, or what days and moments cannot be reckoned with any more."""

    def parse(raw: str) -> int:
        if not re.fullmatch(r"-?[0-9]{1,18}", raw) or not least <= int(raw) <= most:
            raise ValueError(f"{raw[:40]!r} is no whole number from {least} to {most}")
        return int(raw)

    return _read(name, default, parse)


def choice(name: str, default: str, options: Sequence[str]) -> str:
    """One of the options, written in whatever case."""

    def parse(raw: str) -> str:
        for option in options:
            if raw.lower() == option.lower():
                return option
        raise ValueError(f"{raw!r} is none of {', '.join(options)}")

    return _read(name, default, parse)


def networks(name: str) -> list[IPv4Network | IPv6Network]:
    """Networks (`10.0.0.0/8`) and single addresses; none by default."""

    def parse(word: str) -> IPv4Network | IPv6Network:
        try:
            return ip_network(word)
        except ValueError:
            raise ValueError(f"{word!r} is no network; write 10.0.0.0/8 or 10.1.2.3, with zeros behind the /") from None

    return _read(name, [], lambda raw: [parse(word.strip()) for word in raw.split(",") if word.strip()], shown="")


def url(name: str, *, schemes: Sequence[str] = ("https", "http")) -> str:
    """An address of another program, whole: it may hold a user, a password, a path. Never quoted in a refusal."""

    def parse(raw: str) -> str:
        _split(raw, schemes)
        return raw

    return _read(name, "", parse)


def address(name: str) -> str:
    """Scheme and name, such as `https://crm.example.com`: an origin, in which a slash at the end is forgiven."""
    return _read(name, "", _origin)


def origins(name: str) -> list[str]:
    """A list of what `address` takes one of."""
    return _read(name, [], lambda raw: [_origin(word.strip()) for word in raw.split(",") if word.strip()], shown="")


def _origin(raw: str) -> str:
    parts = _split(raw, ("https", "http"))
    if parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError("it is scheme and name alone, nothing behind them, such as https://crm.example.com")
    return f"{parts.scheme}://{parts.netloc.lower()}"


def _split(raw: str, schemes: Sequence[str]) -> SplitResult:
    """Raises ValueError with a reason that quotes nothing, for there may be a password in it."""
    try:
        parts = urlsplit(raw)
        has_name = bool(parts.hostname) and not any(sign.isspace() for sign in raw)
        parts.port  # noqa: B018 - raises ValueError for what is no port
    except ValueError:
        has_name = False
    if not has_name or parts.scheme not in schemes:
        shown = " or ".join(f"{scheme}://" for scheme in schemes)
        raise ValueError(f"it is no address that begins with {shown} and a host name")
    return parts


_HOST = re.compile(r"\*|\.?[a-z0-9_-]+(\.[a-z0-9_-]+)*\.?|\[[0-9a-f:.]+\]", re.IGNORECASE)


def hosts(name: str, default: Sequence[str]) -> list[str]:
    """Names that a request may call us by: `crm.example.com`, `.example.com` for all below it, `*`, `[::1]`."""

    def parse(raw: str) -> list[str]:
        listed = [word.strip() for word in raw.split(",") if word.strip()]
        for word in listed:
            if not _HOST.fullmatch(word):
                raise ValueError(f"{word!r} is no host name; write names alone, without https://, port or path")
        return listed

    return _read(name, list(default), parse, shown=",".join(default))


def path(name: str, default: Path, *, shown: str) -> Path:
    return _read(name, default, lambda raw: Path(raw).expanduser().absolute(), shown=shown)


def database_url(name: str) -> dict[str, object] | None:
    """Django's settings of a PostgreSQL URL (`postgresql://user:password@host:port/name?sslmode=…`), or None."""

    def parse(raw: str) -> dict[str, object] | None:
        url = urlsplit(raw)
        if url.scheme not in ("postgres", "postgresql"):
            raise ValueError("only postgresql:// is understood; leave it empty for SQLite")
        try:
            port = url.port
        except ValueError:
            # The reason would quote what stands there, and that may be a part of the password.
            raise ValueError("the port is no number; in a password, write / as %2F, : as %3A, @ as %40") from None
        options = dict(parse_qsl(url.query))
        try:
            conninfo.make_conninfo(**options)
        except ProgrammingError as refused:  # it quotes names of options only
            raise ValueError(f"behind the question mark: {str(refused).strip()}") from None
        return {
            "ENGINE": "tandem.common.postgresql",
            "NAME": unquote(url.path.lstrip("/")) or "tandem",
            "USER": unquote(url.username or ""),
            "PASSWORD": unquote(url.password or ""),
            "HOST": unquote(url.hostname or ""),
            "PORT": str(port or ""),
            "OPTIONS": options,
        }

    return _read(name, None, parse, shown="")
